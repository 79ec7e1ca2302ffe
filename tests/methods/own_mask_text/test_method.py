"""Same training, same mask, template sentence; in a real run the row and its own-mask-text row have one training."""

import numpy as np
import pytest
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.types import FitContext, Labels, Prediction, PromptSource, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.catalog import METHODS, PARTS
from prsbench.methods.own_mask_text import method as method_module
from prsbench.methods.own_mask_text.config import ROWS, OwnMaskTextConfig
from prsbench.methods.own_mask_text.method import OwnMaskTextMethod


class Liar:
    """In a row's place: its mask is the left half, and its sentence says the right."""

    labels = Labels(PromptSource.QUESTION, Weights.TRAINED_HERE, TextSource.GENERATED, ("a stand-in",))

    def __init__(self, config): ...

    def load(self, folder, device):
        assert (folder / "weights").read_text() == "of the row"

    def predict(self, queries):
        return [Prediction(half(query), "It is at the right.", 2.0) for query in queries]


def half(query):
    probability = np.zeros(query.image.shape[:2], np.float32)
    probability[:, : probability.shape[1] // 3] = 1.0
    return probability


def test_the_mask_is_the_rows_and_the_sentence_describes_it(discs, tmp_path, monkeypatch):
    monkeypatch.setattr(method_module, "resolve", lambda path: resolve(path) if "config" in path else Liar)
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "weights").write_text("of the row")
    fitted = OwnMaskTextMethod(OwnMaskTextConfig(of="prs_med"))
    fitted.fit((), (), FitContext(0, "cpu", {"row": tmp_path / "trained"}))
    (tmp_path / "saved").mkdir()
    fitted.save(tmp_path / "saved")
    loaded = OwnMaskTextMethod(OwnMaskTextConfig(of="prs_med"))
    loaded.load(tmp_path / "saved", "cpu")
    query = discs(1)[0].query
    [got] = loaded.predict([query])
    assert np.array_equal(got.probability, half(query)) and got.seconds > 2.0
    assert got.answer == answer_from_mask(half(query), query.modality) and "left" in got.answer
    assert loaded.labels.text_source is TextSource.OWN_MASK and "a stand-in" in loaded.labels.notes


@pytest.mark.parametrize("row", ROWS)
def test_its_training_is_the_rows_own_if_their_configs_agree(row):
    entry = METHODS[row]
    assert PARTS[row] is entry and (entry.factory, entry.config) == ROWS[row]
    own = METHODS[f"{row}_own_mask_text"]
    need = OwnMaskTextConfig(**own.defaults, config={"epochs": 3}).needs()["row"]
    config = resolve(entry.config)
    assert config.model_validate({**entry.defaults, **need.config}) == config.model_validate({**entry.defaults, "epochs": 3})


def test_every_row_trained_here_that_writes_its_text_has_one():
    named = {name.removesuffix("_own_mask_text") for name in METHODS if name.endswith("_own_mask_text")}
    assert named == set(ROWS)

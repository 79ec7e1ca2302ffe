"""The box is where the sentence places it and as large as training masks are; `make test-slow` runs the conformance suite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.errors import DataError, MissingPrerequisite
from prsbench.harness.contract.types import Box, FitContext, Prediction, PromptSource, TextSource
from prsbench.methods.catalog import METHODS, PARTS
from prsbench.methods.parts.sam.frozen_sam import FrozenSam
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.model import Text2Centroid
from prsbench.methods.text_box import method as method_module
from prsbench.methods.text_box.config import TextBoxConfig
from prsbench.methods.text_box.method import TextBoxMethod, box_around, median_sizes
from pydantic import ValidationError

SAID = "The lesion is at the top left."


class Speaker:
    """In CG-Reasoner's place: it always gives the same answer, and refuses a query that holds a prompt."""

    def __init__(self, config): ...

    def load(self, folder, device):
        assert folder.name == "reasoner"

    def predict(self, queries):
        assert all(query.box is None for query in queries)
        return [Prediction(np.zeros(query.image.shape[:2], np.float32), SAID, 2.0) for query in queries]


@pytest.fixture
def method(tmp_path, monkeypatch, discs):
    monkeypatch.setattr(method_module, "resolve", lambda path: Speaker)
    part = Text2Centroid(Text2CentroidConfig(steps=3))
    part.fit(discs(4), (), FitContext(0, "cpu"))
    for role in ("reasoner", "text2centroid"):
        (tmp_path / role).mkdir()
    part.save(tmp_path / "text2centroid")
    fitted = TextBoxMethod(TextBoxConfig())
    needs = {role: tmp_path / role for role in ("reasoner", "text2centroid")}
    fitted.fit(discs(6, empty=(1,)), (), FitContext(0, "cpu", needs))
    (tmp_path / "saved").mkdir()
    fitted.save(tmp_path / "saved")
    loaded = TextBoxMethod(TextBoxConfig())
    loaded.load(tmp_path / "saved", "cpu")
    return loaded


def test_the_answer_is_the_speakers_and_the_box_lies_round_the_point_read_in_it(method, discs, monkeypatch):
    boxes = []
    segment = FrozenSam.segment_box
    monkeypatch.setattr(FrozenSam, "segment_box", lambda self, image, box: boxes.append(box) or segment(self, image, box))
    sample = discs(1, start=30)[0]
    got = method.predict([sample.query])[0]
    x, y = method._text2centroid.locate([SAID])[0]
    size = median_sizes(discs(6, empty=(1,)))["skin_rgb"]
    assert boxes == [box_around(float(x), float(y), size, sample.query.image.shape[:2])]
    assert got.answer == SAID and got.seconds > 2.0
    assert got.probability.shape == sample.query.image.shape[:2]


def test_its_labels_and_notes_are_disclosed(method):
    assert (method.labels.prompt_source, method.labels.text_source) == (PromptSource.QUESTION, TextSource.GENERATED)


def test_every_member_of_the_family_has_such_a_row_and_names_the_checkpoint_it_lacks(discs):
    families = {"lite_medsam", "sam", "medsam", "sam_med2d", "mobile_sam", "tiny_sam"}
    rows = {name.removesuffix("_text_box"): entry for name, entry in METHODS.items() if name.endswith("_text_box")}
    assert set(rows) == families
    for family in families - {"lite_medsam"}:
        lacking = TextBoxMethod(TextBoxConfig(**rows[family].defaults))
        with pytest.raises(MissingPrerequisite, match=f"methods.{family}_text_box.checkpoint to the official"):
            lacking.fit(discs(2), (), FitContext(0, "cpu"))


def test_a_checkpoint_for_packaged_weights_is_refused_and_not_silently_ignored(tmp_path):
    with pytest.raises(ValidationError, match="comes in its package. Set `variant`"):
        TextBoxConfig(checkpoint=str(tmp_path / "lite_medsam.pth"))


def test_nothing_is_trained_for_a_row_that_will_be_skipped(tmp_path):
    lacking = TextBoxConfig(variant="sam_vit_b", checkpoint=str(tmp_path / "sam.pth"))
    assert lacking.needs() == {}
    (tmp_path / "sam.pth").touch()
    assert set(lacking.needs()) == set(TextBoxConfig().needs()) == {"reasoner"}


def test_sizes_are_medians_of_the_masks_that_are_not_empty(discs):
    samples = discs(5, empty=(0,))
    widths = []
    for sample in samples[1:]:
        columns = np.flatnonzero(sample.truth.mask.any(axis=0))
        widths.append((columns[-1] - columns[0] + 1) / 56)
    sizes = median_sizes(samples)
    assert sizes["skin_rgb"][0] == pytest.approx(np.median(widths)) and sizes["any"] == sizes["skin_rgb"]
    with pytest.raises(DataError, match="every training mask is empty"):
        median_sizes(discs(2, empty=(0, 1)))


def test_a_box_in_the_middle_is_of_its_size_and_one_at_the_border_is_cut():
    assert box_around(0.0, 0.0, (0.5, 0.25), (40, 80)) == Box(20, 15, 60, 25)
    assert box_around(1.0, 1.0, (0.5, 0.25), (40, 80)) == Box(60, 35, 80, 40)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.integers(1, 50), st.integers(1, 50))
def test_a_box_is_never_empty_and_never_leaves_the_image(x, y, wide, high, height, width):
    box = box_around(x, y, (wide, high), (height, width))
    assert 0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height


def test_its_reasoner_is_the_grids_own_training_if_their_configs_agree():
    from prsbench.harness.contract.catalog import resolve

    need = TextBoxConfig().needs()["reasoner"]
    entry = METHODS["cg_reasoner"]
    assert PARTS[need.trainable] is entry
    own = resolve(entry.config).model_validate(dict(entry.defaults))
    assert resolve(entry.config).model_validate({**entry.defaults, **need.config}) == own

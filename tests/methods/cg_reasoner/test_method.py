"""The complete method at a very small size: what it learns from, what it may see, what it saves."""

import dataclasses

import numpy as np
import pytest
import torch
import yaml
from cg_tiny import CONFIG, batch_of, fitted
from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.types import FitContext, Weights, check_prediction
from prsbench.methods.cg_reasoner import training
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.gate import RIGHT, WRONG_WORDS, GateLine
from prsbench.methods.cg_reasoner.method import CGReasonerMethod
from prsbench.methods.parts.language.small_llama import layout_of
from prsbench.methods.parts.training.config import LoRAConfig
from prsbench.methods.parts.weights import described_folder
from pydantic import ValidationError


@pytest.fixture(scope="module")
def method(samples, needs):
    return fitted(samples, needs)


def test_predictions_fit_square_wide_and_odd_queries(method, samples):
    for shape in ((40, 40), (30, 90), (37, 53)):
        query = dataclasses.replace(samples[0].query, image=np.zeros((*shape, 3), np.uint8))
        check_prediction(query, method.predict([query])[0])


def test_a_saved_method_comes_back_with_the_same_answers_and_masks(method, samples, tmp_path):
    method.save(tmp_path)
    again = CGReasonerMethod(CONFIG)
    again.load(tmp_path, "cpu")
    queries = [s.query for s in samples[:3]]
    for first, second in zip(method.predict(queries), again.predict(queries), strict=True):
        assert first.answer == second.answer and np.array_equal(first.probability, second.probability)
    assert again.labels == method.labels and again.labels.weights == Weights.TRAINED_HERE
    assert again.matched.found == again.matched.expected > 100


def rewrite(folder, **changes):
    """config.yaml with these facts changed, its hashes those of the files as they are."""
    said = yaml.safe_load((folder / "config.yaml").read_text())
    described_folder.describe(folder, said.pop("method"), {**said, **changes})


def test_config_yaml_describes_the_checkpoint(method, tmp_path):
    method.save(tmp_path)
    said = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert (said["schema"], said["method"], said["size"]) == (1, "cg_reasoner", "tiny")
    assert CGReasonerConfig.model_validate(said["config"]) == CONFIG and said["sources"] == list(method.labels.notes)
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} - {"config.yaml"}
    assert files == set(said["sha256"]) and not [name for name in files if name.endswith((".pt", ".pth", ".bin"))]


@pytest.mark.parametrize(("key", "value"), [("schema", 0), ("method", "lisa")])
def test_a_checkpoint_of_another_schema_or_method_is_refused(method, tmp_path, key, value):
    method.save(tmp_path)
    said = yaml.safe_load((tmp_path / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**said, key: value}))
    with pytest.raises(PrsbenchError, match="expected schema 1 of 'cg_reasoner'"):
        CGReasonerMethod(CONFIG).load(tmp_path, "cpu")


def test_another_language_model_than_that_of_the_training_is_refused(method, tmp_path):
    method.save(tmp_path)
    rewrite(tmp_path, language_model="0" * 64)
    with pytest.raises(PrsbenchError, match="trained on a language model of fingerprint 000000000000"):
        CGReasonerMethod(CONFIG).load(tmp_path, "cpu")


def test_a_file_that_lacks_a_tensor_is_refused(method, tmp_path):
    from safetensors.torch import load_file, save_file

    method.save(tmp_path)
    state = load_file(tmp_path / "cg_reasoner.safetensors")
    state["decoder.final.9.bias"] = state.pop("decoder.final.2.bias")
    save_file(state, tmp_path / "cg_reasoner.safetensors")
    with pytest.raises(PrsbenchError, match=r"1 files missing or changed \(cg_reasoner.safetensors\)"):
        CGReasonerMethod(CONFIG).load(tmp_path, "cpu")
    rewrite(tmp_path)
    with pytest.raises(PrsbenchError, match=r"1 tensors missing \(decoder.final.2.bias\), 1 unknown \(decoder.final.9.bias\)"):
        CGReasonerMethod(CONFIG).load(tmp_path, "cpu")


@pytest.mark.parametrize("change", [{"mask_condition": "generated"}, {"image_size_px": 96}, {"bridge": "soft_tokens"}])
def test_weights_are_not_loaded_under_a_config_that_would_predict_otherwise(method, tmp_path, change):
    method.save(tmp_path)
    ((key, value),) = change.items()
    with pytest.raises(PrsbenchError, match=f"trained with another config: {key}: .*, here {value}. Load it with"):
        CGReasonerMethod(CONFIG.model_copy(update=change)).load(tmp_path, "cpu")
    CGReasonerMethod(CONFIG.model_copy(update={"epochs": 99, "answer_tokens": 3})).load(tmp_path, "cpu")


def test_weights_are_loaded_with_another_dropout_and_not_with_another_alpha_of_lora(method, tmp_path):
    method.save(tmp_path)
    with pytest.raises(PrsbenchError, match=r"another config: lora: \{.*'alpha': 16\}, here \{.*'alpha': 64\}. Load it with"):
        CGReasonerMethod(CONFIG.model_copy(update={"lora": LoRAConfig(alpha=64)})).load(tmp_path, "cpu")
    CGReasonerMethod(CONFIG.model_copy(update={"lora": LoRAConfig(dropout=0.5)})).load(tmp_path, "cpu")


def test_weights_whose_config_has_the_keys_of_an_earlier_version_are_refused(method, tmp_path):
    method.save(tmp_path)
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())["config"]
    del config["lora"]
    rewrite(tmp_path, config={**config, "lora_rank": 16})
    with pytest.raises(PrsbenchError, match="not a config of this version .*lora_rank is now lora.rank.*train it again"):
        CGReasonerMethod(CONFIG).load(tmp_path, "cpu")


def test_the_best_epoch_cannot_be_chosen_without_a_val_split(samples, needs):
    with pytest.raises(DataError, match="`keep: best` needs a val split"):
        fitted(samples, needs, keep="best")


def test_the_same_seed_trains_the_same_model(method, samples, needs):
    again = fitted(samples, needs)
    assert [row["loss"] for row in again._history] == [row["loss"] for row in method._history]


def test_a_batch_of_one_and_a_batch_of_many_agree(method, samples):
    queries = [s.query for s in samples[:4]]
    queries[1] = dataclasses.replace(queries[1], question="Where in this picture is the lesion, please?")
    together = method.predict(queries)
    for query, row in zip(queries, together, strict=True):
        alone = method.predict([query])[0]
        assert alone.answer == row.answer
        assert np.abs(alone.probability - row.probability).max() < 1e-4


def test_the_mask_never_hears_the_reference_answer(method, samples):
    batch = batch_of(samples[:4])
    model = method._model
    other = dataclasses.replace(batch, answers=tuple("It is nowhere near there." for _ in batch.answers))
    with torch.no_grad():
        first, second = model.losses(batch), model.losses(other)
    assert torch.allclose(first["segmentation"], second["segmentation"], atol=1e-6)
    assert not torch.allclose(first["text"], second["text"])


def test_without_text2centroid_there_is_no_bridge_and_no_spatial_loss(samples, needs):
    method = fitted(samples, {"small_llama": needs["small_llama"]}, bridge="none", epochs=1)
    assert method._model.bridge is None and "spatial" not in method._history[0]
    assert set(CONFIG.model_copy(update={"bridge": "none"}).needs()) == {"small_llama"}


def test_a_flipped_image_flips_mask_layout_centroid_and_words(samples):
    plain, flipped = batch_of(samples[:3]), batch_of(samples[:3], flip=1.0)
    assert torch.equal(flipped.mask_B1SS, plain.mask_B1SS.flip(-1))
    assert torch.equal(flipped.layout_BNN, plain.layout_BNN.flip(-1))
    assert torch.equal(flipped.centroid_B2, plain.centroid_B2 * torch.tensor([-1, 1]))
    for before, after in zip(plain.answers, flipped.answers, strict=True):
        assert ("left" in before) == ("right" in after)


def test_a_loss_that_is_not_finite_stops_and_names_the_samples(method, samples, needs, monkeypatch):
    monkeypatch.setattr(training, "weighted_sum", lambda terms, *_: terms["text"] * float("nan"))
    with pytest.raises(PrsbenchError, match=r"not finite.*skin_rgb/"):
        fitted(samples, needs)


def test_a_layout_has_an_empty_cell_only_where_the_mask_is_empty():
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = mask[4:, 4:] = True
    assert layout_of(mask, 2).tolist() == [[1, 0], [0, 3]]


def test_with_answers_withheld_no_part_may_have_read_them():
    with pytest.raises(ValidationError, match="text2centroid would read all answers"):
        CGReasonerConfig(answered_share=0.1, language={"weights": "packaged"}, text2centroid={"weights": "retrain"})
    CGReasonerConfig(answered_share=0.1, language={"weights": "packaged"}, text2centroid={"weights": "packaged"})


def test_a_training_with_few_answers_names_them_in_its_row_and_its_folder(samples, needs, tmp_path):
    method = fitted(samples, needs, answered_share=0.25, bridge="sampled", epochs=1)
    assert any(
        note.startswith("answers of 25% of each modality's training images (3 images) were read") for note in method._notes
    )
    method.save(tmp_path)
    listed = (tmp_path / "answered_images.txt").read_text().split()
    assert len(listed) == 3 and set(listed) < {sample.sample_id.partition("#")[0] for sample in samples}


def test_a_bridge_that_fails_its_gate_says_so_in_the_row_and_all_lines_stand_in_the_report(samples, needs, tmp_path, monkeypatch):
    image_reader = [GateLine(RIGHT, 9, 0.2, 0.2), GateLine(WRONG_WORDS, 9, 0.6, 0.2)]
    monkeypatch.setattr("prsbench.methods.cg_reasoner.method.gate", lambda *_: image_reader)
    method = CGReasonerMethod(CONFIG.model_copy(update={"epochs": 1}))
    method.fit(samples, samples[:4], FitContext(0, "cpu", needs))
    assert f"bridge hidden FAILS its gate ({WRONG_WORDS}): it follows the image" in method.labels.notes
    method.save(tmp_path)
    assert (tmp_path / "held_out.csv").read_text().splitlines()[1:] == [
        f'hidden,"{RIGHT}",9,0.200,0.200',
        f'hidden,"{WRONG_WORDS}",9,0.600,0.200',
    ]


def test_the_spatial_loss_begins_after_its_share_of_the_steps_and_is_not_a_number_before(samples, needs):
    method = fitted(samples, needs, bridge="sampled", epochs=4)
    spatial = [step["spatial"] for step in method._history]
    assert np.isnan(spatial).tolist() == [True] * 6 + [False] * 6
    assert np.isfinite([step["loss"] for step in method._history]).all()

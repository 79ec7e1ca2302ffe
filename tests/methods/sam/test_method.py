"""The rows of the family on a small network under official names: prompts, choice among three masks, instructions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from parity import Parity, needs
from prsbench.harness.contract.catalog import Entry
from prsbench.harness.contract.errors import ContractError, MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.geometry import innermost_point, tight_box
from prsbench.harness.contract.types import Box, PromptSource, Query, Weights
from prsbench.methods import feature_cache
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.parts.sam import variants
from prsbench.methods.parts.sam.config import OFFICIAL_FILES
from prsbench.methods.parts.sam.networks import ViT, build_vit_sam, decode
from prsbench.methods.parts.sam.processing import LongestSide, StretchedCubic, StretchedNearest
from prsbench.methods.parts.sam.variants import VARIANTS
from prsbench.methods.sam.config import LiteMedSAMConfig, SamCheckpointConfig
from prsbench.methods.sam.method import SamMethod
from pydantic import ValidationError

SMALL = ViT(width=32, depth=2, heads=2, global_blocks=(1,))
SMALL_VARIANTS = {
    "sam_vit_b": (LongestSide(64), False, False),
    "medsam": (StretchedCubic(64), False, False),
    "sam_med2d": (StretchedNearest(64), True, True),
    "tiny_sam": (LongestSide(64), False, True),
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A checkpoint by variant, of small networks; the variants are made small alike. SAM-Med2D's lies under "model"."""
    paths = {}
    for name, (processing, adapters, best_of_three) in SMALL_VARIANTS.items():

        def build(adapters=adapters):
            return build_vit_sam(SMALL, side_px=64, adapters=adapters)

        monkeypatch.setitem(VARIANTS, name, replace(VARIANTS[name], build=build, processing=processing))
        assert VARIANTS[name].best_of_three == best_of_three
        torch.manual_seed(len(paths))
        state = build().state_dict()
        paths[name] = str(tmp_path / OFFICIAL_FILES[name])
        torch.save({"model": state} if name == "sam_med2d" else state, paths[name])
    monkeypatch.setattr(feature_cache, "_cache", type(feature_cache._cache)())
    return paths


def loaded(variant, source, checkpoint, **more):
    method = SamMethod(SamCheckpointConfig(variant=variant, prompt_source=source, checkpoint=checkpoint, **more))
    method.load(None, "cpu")
    return method


def disc(name="disc", shape=(40, 60), centre=(20, 40)):
    rows, cols = np.indices(shape)
    mask = (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 < 64
    image = np.where(mask[..., None], 200, np.random.default_rng(0).integers(0, 90, (*shape, 3))).astype(np.uint8)
    return Query(name, image, "Where is it?", "skin_rgb", tight_box(mask), innermost_point(mask))


ROWS = ("sam_oracle_point", "sam_automatic", "sam_med2d_oracle_point", "sam_med2d_automatic", "medsam_oracle_box")


@pytest.mark.parametrize("row", ROWS)
def test_a_row_with_its_checkpoint_passes_the_suite(row, small, tmp_path):
    entry = METHODS[row]
    defaults = {**entry.defaults, "checkpoint": small[entry.defaults["variant"]]}
    entry = Entry(row, entry.summary, entry.factory, entry.config, defaults, trains=False)
    (tmp_path / "subject").mkdir()
    subject = Subject(entry, tmp_path / "subject")
    assert subject.method.labels.weights == Weights.OFFICIAL
    assert [f for f in (run_check(check, subject) for check in CHECKS) if f.verdict is Verdict.FAILED] == []


def test_every_row_without_its_checkpoint_is_skipped_and_named_with_the_official_file():
    rows = [entry for entry in METHODS.values() if entry.config.endswith("SamCheckpointConfig")]
    assert len(rows) == 4 * 4 + 3
    for entry in rows:
        config = SamCheckpointConfig(**entry.defaults)
        assert config.row == entry.name
        cure = f"methods.{entry.name}.checkpoint to the official {OFFICIAL_FILES[config.variant]}"
        with pytest.raises(MissingPrerequisite, match=cure):
            SamMethod(config).load(None, "cpu")


def test_a_box_asks_for_one_mask_unless_the_official_code_keeps_the_best_of_three(small):
    for variant, several in (("sam_vit_b", False), ("sam_med2d", True), ("tiny_sam", True)):
        method, query = loaded(variant, PromptSource.ORACLE_BOX, small[variant]), disc()
        square, frame = method._sam.processing.prepare(query.image)
        with torch.inference_mode():
            features = method._sam.network.image_encoder(square[None])
            box = torch.tensor([frame.box_to_square(query.box)])
            logits, iou = decode(method._sam.network, features, boxes_N4=box, several=several)
        expected = method._sam.processing.probability(logits[0, iou[0].argmax()], frame).numpy()
        assert np.array_equal(method.predict([query])[0].probability, expected)


def test_sam_med2ds_two_preprocessings_share_no_features_and_the_row_names_its_own(small):
    as_predictor, as_test_set = (
        loaded("sam_med2d", PromptSource.ORACLE_BOX, small["sam_med2d"], preprocessing=each) for each in ("predictor", "test_set")
    )
    one, other = (method.predict([disc()])[0].probability for method in (as_predictor, as_test_set))
    assert one.shape == other.shape == (40, 60) and not np.allclose(one, other)
    assert any("BGR" in note for note in as_test_set.labels.notes) and not any(
        "BGR" in note for note in as_predictor.labels.notes
    )


@pytest.mark.parametrize(("variant", "source"), [("sam_vit_b", "oracle_box"), ("sam_med2d", "automatic")])
def test_only_sam_med2ds_prompts_have_a_test_set_loader(variant, source):
    with pytest.raises(ValidationError, match="Leave it out"):
        SamCheckpointConfig(variant=variant, prompt_source=PromptSource[source.upper()], preprocessing="test_set")


@needs("sam_med2d")
@pytest.mark.parametrize("size", ["large", "small"])
def test_sam_med2ds_official_file_gives_the_official_mask_through_its_row(size, tmp_path):
    parity = Parity("sam_med2d")
    torch.save({"model": parity.weights(), "optimizer": {}, "epoch": 0}, tmp_path / "sam-med2d_b.pth")
    case = parity.json["inputs"]["predictor"][size]
    image, box = parity.npz[f"input_image_{size}_u8"], Box(*case["box_xyxy_pixels"])
    method = loaded("sam_med2d", PromptSource.ORACLE_BOX, str(tmp_path / "sam-med2d_b.pth"))
    got = method.predict([Query("one", image, "Where is it?", "skin_rgb", box)])[0].probability
    parity.check(f"predictor_{size}/logits_fullsize", torch.from_numpy(got)[None].logit())
    parity.check(f"predictor_{size}/mask", got[None] > 0.5)


@needs("tinysam_vit_t")
def test_tinysams_official_file_gives_the_official_mask_through_its_row(tmp_path):
    parity = Parity("tinysam_vit_t")
    counters = dict.fromkeys(parity.json["integer_keys"], torch.tensor(0))
    torch.save(parity.weights() | counters, tmp_path / "tinysam_42.3.pth")
    image, box = parity.npz["input_image_u8"], Box(*parity.json["inputs"]["predictor"]["box_xyxy_pixels"])
    method = loaded("tiny_sam", PromptSource.ORACLE_BOX, str(tmp_path / "tinysam_42.3.pth"))
    got = method.predict([Query("one", image, "Where is it?", "skin_rgb", box)])[0].probability
    official = parity.fixture.mask("predictor/masks")[parity.npz["predictor/iou"].argmax()]
    assert ((got > 0.5) != official).mean() <= parity.json["tolerance"]["binary_mask_max_mismatch_fraction"]


@pytest.mark.slow
@needs("sam_vit_b")
def test_sams_official_file_gives_the_official_masks_through_its_rows(tmp_path):
    parity, path = Parity("sam_vit_b"), str(tmp_path / "sam_vit_b_01ec64.pth")
    torch.save(parity.weights(), path)
    given = parity.json["inputs"]["predictor"]
    box, point = Box(*given["box_xyxy_pixels"]), tuple(map(float, given["point_xy_pixels"][0]))
    query = Query("one", parity.npz["input_image_u8"], "Where is it?", "skin_rgb", box, point)
    with_box, with_point = (
        loaded("sam_vit_b", source, path).predict([query])[0].probability
        for source in (PromptSource.ORACLE_BOX, PromptSource.ORACLE_POINT)
    )
    parity.check("predictor_box/masks", with_box[None] > 0.5)
    official = parity.fixture.mask("predictor_point/masks")[parity.npz["predictor_point/iou"].argmax()]
    assert ((with_point > 0.5) != official).mean() <= parity.json["tolerance"]["binary_mask_max_mismatch_fraction"]


@pytest.mark.slow
@needs("medsam")
def test_medsams_official_file_gives_the_official_masks_through_its_row(tmp_path):
    parity, path = Parity("medsam", keys_of="sam_vit_b"), str(tmp_path / "medsam_vit_b.pth")
    torch.save(parity.weights(), path)
    method = loaded("medsam", PromptSource.ORACLE_BOX, path)
    for case in ("rgb", "grey"):
        image, box = parity.npz[f"{case}/input_image_u8"], Box(*parity.json["cases"][case]["box_xyxy_pixels"])
        image = image if image.ndim == 3 else image[..., None].repeat(3, axis=2)
        got = method.predict([Query(case, image, "Where is it?", "skin_rgb", box)])[0].probability
        parity.check(f"{case}/mask", got > 0.5)


def test_a_point_keeps_the_best_of_three_masks(small):
    method, query = loaded("sam_vit_b", PromptSource.ORACLE_POINT, small["sam_vit_b"]), disc()
    square, frame = method._sam.processing.prepare(query.image)
    with torch.inference_mode():
        point = torch.tensor([[frame.to_square(*query.point)]])
        logits, iou = decode(method._sam.network, method._sam.network.image_encoder(square[None]), points_N12=point, several=True)
    expected = method._sam.processing.probability(logits[0, iou[0].argmax()], frame).numpy()
    assert np.array_equal(method.predict([query])[0].probability, expected)


def test_a_row_without_its_prompt_is_refused(small):
    for source, without in ((PromptSource.ORACLE_POINT, {"point": None}), (PromptSource.ORACLE_BOX, {"box": None})):
        with pytest.raises(ContractError, match="'disc'.*got none"):
            loaded("sam_vit_b", source, small["sam_vit_b"]).predict([replace(disc(), **without)])


def test_rows_over_one_checkpoint_share_the_network_and_its_image_features(small):
    box, point = (loaded("sam_vit_b", s, small["sam_vit_b"]) for s in (PromptSource.ORACLE_BOX, PromptSource.ORACLE_POINT))
    other = loaded("medsam", PromptSource.ORACLE_BOX, small["medsam"])
    assert box._sam.network is point._sam.network and box._sam.network is not other._sam.network
    assert box._sam.identity == point._sam.identity and box._sam.identity != other._sam.identity
    for method in (box, point, other):
        method.predict([disc()])
    assert len(feature_cache._cache) == 2


def test_a_checkpoint_that_was_replaced_is_read_again(small):
    first = loaded("sam_vit_b", PromptSource.ORACLE_BOX, small["sam_vit_b"])
    before = first.predict([disc()])[0].probability
    torch.manual_seed(9)
    torch.save(build_vit_sam(SMALL, side_px=64).state_dict(), small["sam_vit_b"])
    after = loaded("sam_vit_b", PromptSource.ORACLE_BOX, small["sam_vit_b"]).predict([disc()])[0].probability
    assert not np.array_equal(before, after)


def test_the_notes_say_that_the_automatic_box_was_chosen_with_true_masks():
    for source in ("automatic", "oracle box", "jittered box"):
        notes = SamMethod(LiteMedSAMConfig(prompt_source=source)).labels.notes
        assert any("chosen by Dice against the true masks" in note for note in notes) == (source == "automatic")


def test_the_notes_give_the_jitters_width(small):
    config = SamCheckpointConfig(variant="medsam", prompt_source=PromptSource.JITTERED_BOX, box_jitter_fraction=0.25)
    assert "each edge of the box is shifted at random (seeded) by up to 25% of its side" in SamMethod(config).labels.notes


def test_pickled_code_in_a_checkpoint_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "touched",)

    torch.save({"weights": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(PrsbenchError, match="holds pickled objects"):
        variants.read_checkpoint(tmp_path / "evil.pth", "sam_oracle_box", "x")
    assert not (tmp_path / "touched").exists()

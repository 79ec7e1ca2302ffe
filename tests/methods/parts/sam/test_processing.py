"""Each processing against the recorded official one, and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import Parity, needs
from prsbench.harness.contract.geometry import tight_box
from prsbench.harness.contract.types import Box
from prsbench.methods.parts.sam.networks import VIT, build_tiny_vit_sam, build_vit_sam, decode
from prsbench.methods.parts.sam.processing import (
    Frame,
    LongestSide,
    LongestSideMinMax,
    PaddedBGR,
    StretchedCubic,
    StretchedNearest,
)
from prsbench.methods.parts.weights.checkpoints import fill
from scipy.ndimage import label

ALL = [LongestSide(64), StretchedCubic(64), StretchedNearest(64), LongestSideMinMax(64), PaddedBGR(64)]
BY_KIND = pytest.mark.parametrize("processing", ALL, ids=lambda processing: type(processing).__name__)


def predictor(network, processing, image, box):
    """Network's logits and probabilities of each of its masks for a box in native pixels, and the predicted IoU."""
    square, frame = processing.prepare(image)
    logits, iou = decode(
        network, network.image_encoder(square[None]), torch.tensor([frame.box_to_square(Box(*box))]), several=True
    )
    return square, logits[0], torch.stack([processing.probability(mask, frame) for mask in logits[0]]), iou


@needs("sam_med2d")
@torch.inference_mode()
def test_sam_med2ds_predictor_end_to_end_above_and_below_256_px():
    parity, network = Parity("sam_med2d"), build_vit_sam(VIT["vit_b"], side_px=256, adapters=True)
    fill(network, parity.weights(), "sam_med2d")
    for size in ("large", "small"):
        image, case = parity.npz[f"input_image_{size}_u8"], parity.json["inputs"]["predictor"][size]
        square, logits, probability, iou = predictor(network, StretchedNearest(), image, case["box_xyxy_pixels"])
        best = int(iou.argmax())
        assert best == case["best_index_by_predicted_iou"]
        parity.check(f"predictor_{size}/preprocessed", square[None])
        parity.check(f"predictor_{size}/low_res_best", logits[best : best + 1])
        parity.check(f"predictor_{size}/logits_fullsize", probability[best : best + 1].logit())
        parity.check(f"predictor_{size}/mask", probability[best : best + 1] > 0.5)


@needs("sam_med2d")
@pytest.mark.parametrize("size", ["large", "small"])
def test_sam_med2ds_test_set_loader_gives_the_official_input_and_box(size):
    parity, case = Parity("sam_med2d"), f"test_loader_{size}"
    square, frame = PaddedBGR().prepare(parity.npz[f"input_image_{size}_u8"])
    parity.check(f"{case}/image", square)
    parts, _ = label(parity.fixture.mask(f"{case}/gt_original"), np.ones((3, 3)))
    largest = parts == np.bincount(parts[parts > 0]).argmax()  # the official box is around this part alone
    # It is taken of the mask on 256 px; ours is the mask's own, shrunk, which rounding to pixels can miss by one.
    official = parity.json["test_loader"][size]["boxes_xyxy_256"][0]
    assert np.abs(np.subtract(frame.box_to_square(tight_box(largest)), official)).max() <= (1 if size == "large" else 0)


def test_sam_med2ds_test_set_loader_swaps_red_and_blue_and_pads_only_what_is_small_both_ways():
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 255  # red
    square, frame = PaddedBGR(64).prepare(image)
    assert (frame.top, frame.left, frame.height, frame.width) == (22, 17, 20, 30)
    assert square[2, 22:42, 17:47].min() > 2 and square[0, 22:42, 17:47].max() < -2
    assert (square != 0).sum() == 3 * 20 * 30
    assert PaddedBGR(64).prepare(np.zeros((20, 64, 3), np.uint8))[1] == Frame((20, 64), 64, 64)


@needs("tinysam_vit_t")
@torch.inference_mode()
def test_tinysams_predictor_end_to_end_on_an_image_that_is_not_square():
    parity, network = Parity("tinysam_vit_t"), build_tiny_vit_sam()
    fill(network, parity.weights(), "tinysam_vit_t")
    box = parity.json["inputs"]["predictor"]["box_xyxy_pixels"]
    _, logits, probability, iou = predictor(network, LongestSide(), parity.npz["input_image_u8"], box)
    parity.check("predictor/low_res_logits", logits)
    parity.check("predictor/iou", iou[0])
    parity.check("predictor/logits_fullsize", probability.logit())
    parity.check("predictor/masks", probability > 0.5)


@needs("sam_vit_b")
def test_sams_input_is_the_official_one():
    parity = Parity("sam_vit_b")
    square, frame = LongestSide().prepare(parity.npz["input_image_u8"])
    parity.check("predictor/preprocessed_image", square[None])
    assert [frame.height, frame.width] == parity.json["inputs"]["predictor"]["input_size_after_resize"]


@needs("medsam")
@pytest.mark.parametrize("case", ["rgb", "grey"])
def test_medsams_input_and_box_are_the_official_ones(case):
    parity = Parity("medsam", keys_of="sam_vit_b")
    described = parity.json["cases"][case]
    image = parity.npz[f"{case}/input_image_u8"]
    image = image if image.ndim == 3 else image[..., None].repeat(3, axis=2)
    square, frame = StretchedCubic().prepare(image)
    parity.check(f"{case}/img_1024", square[None])
    assert np.allclose(frame.box_to_square(Box(*described["box_xyxy_pixels"])), described["box_1024"][0])


@pytest.mark.slow
@needs("medsam")
@torch.inference_mode()
@pytest.mark.parametrize("case", ["rgb", "grey"])
def test_medsam_end_to_end(case):
    parity, network = Parity("medsam", keys_of="sam_vit_b"), build_vit_sam(VIT["vit_b"])
    fill(network, parity.weights(), "medsam")
    image = parity.npz[f"{case}/input_image_u8"]
    image = image if image.ndim == 3 else image[..., None].repeat(3, axis=2)
    square, frame = StretchedCubic().prepare(image)
    box = torch.tensor([frame.box_to_square(Box(*parity.json["cases"][case]["box_xyxy_pixels"]))])
    logits, _ = decode(network, network.image_encoder(square[None]), boxes_N4=box)
    probability = StretchedCubic().probability(logits[0, 0], frame)
    parity.check(f"{case}/low_res_prob", logits.sigmoid())
    parity.check(f"{case}/prob_fullsize", probability[None, None])
    parity.check(f"{case}/mask", probability > 0.5)


def test_sam_med2d_sees_the_pixels_that_opencv_takes_where_rounding_decides():
    image = np.arange(372, dtype=np.uint16).view(np.uint8).reshape(372, 1, 2)[..., [0, 1, 1]]  # a row's number in its colours
    square, _ = StretchedNearest().prepare(np.ascontiguousarray(image))
    rows = [np.rint(square[c, :, 0].numpy() * std + mean) for c, (mean, std) in enumerate([(123.675, 58.395), (116.28, 57.12)])]
    taken = (rows[0] + 256 * rows[1]).astype(int)
    assert [*taken[[63, 64, 65, 128, 192, 255]]] == [91, 92, 94, 185, 278, 370]  # by OpenCV 5.0; exactly, 64 x 372 / 256 is 93


@BY_KIND
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (200, 3), (64, 64)])
def test_any_shape_becomes_a_finite_square_and_comes_back(processing, shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    square, frame = processing.prepare(image)
    assert square.shape == (3, 64, 64) and square.dtype == torch.float32 and square.isfinite().all()
    probability = processing.probability(torch.randn(16, 16) if 64 not in shape else torch.randn(64, 64), frame)
    assert probability.shape == shape and probability.min() >= 0 and probability.max() <= 1


@BY_KIND
def test_a_mark_in_the_image_is_where_its_box_is(processing):
    image = np.zeros((80, 120, 3), np.uint8)
    image[40:60, 30:90] = 200
    square, frame = processing.prepare(image)
    left, top, right, bottom = (round(edge) for edge in frame.box_to_square(Box(30, 40, 90, 60)))
    bright = square[0] > square[0].max() / 2  # padding is 0, and darker than the mark
    rows, cols = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    found = (cols[0], rows[0], cols[-1] + 1, rows[-1] + 1)
    assert np.abs(np.subtract(found, (left, top, right, bottom))).max() <= 1


@given(st.integers(1, 2000), st.integers(1, 2000))
@settings(max_examples=50)
def test_corners_of_the_image_are_corners_of_its_frame(height, width):
    frame = Frame((height, width), 50, 64)
    assert frame.to_square(0, 0) == (0, 0)
    assert frame.to_square(width, height) == pytest.approx((64, 50))

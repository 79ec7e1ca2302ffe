from math import hypot, isnan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.boundary import TOLERANCE_PX, outline, outline_agreement
from scipy import ndimage

SHAPE = (14, 17)
masks = arrays(bool, SHAPE, elements=st.integers(0, 3).map(bool)).filter(np.any)


def hd95(*masks, **options):
    return outline_agreement(*masks, **options)[0]


def nsd(predicted, truth, tolerance=TOLERANCE_PX):
    return outline_agreement(predicted, truth, tolerance)[1]


def square(row, col, side=5, shape=(20, 24)):
    mask = np.zeros(shape, bool)
    mask[row : row + side, col : col + side] = True
    return mask


def test_the_outline_of_a_square_is_its_rim_also_at_the_border_of_the_image():
    assert outline(square(3, 3)).sum() == 16
    assert outline(square(0, 0)).sum() == 16


def test_a_square_moved_by_three_pixels_by_pencil():
    truth, moved = square(5, 5), square(5, 8)
    assert hd95(moved, truth) == pytest.approx(3)
    assert hd95(moved, truth, spacing=(1.0, 0.5)) == pytest.approx(1.5)
    # Within 2 px lie all but the 5 pixels of the far side; the others are in rows that both rims share.
    assert nsd(moved, truth) == pytest.approx(nsd(truth, moved))
    assert nsd(moved, truth, tolerance=3) == 1.0


def test_identical_masks_are_at_no_distance():
    assert (hd95(square(2, 2), square(2, 2)), nsd(square(2, 2), square(2, 2))) == (0.0, 1.0)


def test_an_empty_prediction_is_as_far_as_the_image_is_wide_and_an_empty_truth_is_undefined():
    nothing = np.zeros((20, 24), bool)
    assert hd95(nothing, square(1, 1)) == hypot(20, 24)
    assert nsd(nothing, square(1, 1)) == 0.0
    assert isnan(hd95(square(1, 1), nothing)) and isnan(nsd(nothing, nothing))


@settings(max_examples=40, deadline=None)
@given(masks, masks)
def test_both_are_symmetric_and_do_not_see_flips(predicted, truth):
    assert hd95(predicted, truth) == hd95(truth, predicted)
    assert nsd(predicted[::-1, ::-1], truth[::-1, ::-1]) == pytest.approx(nsd(predicted, truth))
    assert 0 <= nsd(predicted, truth) <= 1


@settings(max_examples=15, deadline=None)
@given(masks, masks, st.sampled_from([0.0, 1.0, 2.0, 5.0]))
def test_both_equal_monai(predicted, truth, tolerance):
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    one_hot = [torch.from_numpy(np.stack([~mask, mask])[None]) for mask in (predicted, truth)]
    theirs = monai.compute_hausdorff_distance(*one_hot, include_background=False, percentile=95).item()
    assert hd95(predicted, truth) == pytest.approx(theirs, abs=1e-4)
    surface = monai.compute_surface_dice(*one_hot, [tolerance], include_background=False, use_subvoxels=False).item()
    assert nsd(predicted, truth, tolerance) == pytest.approx(surface, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(3, 8))
def test_large_distances_agree_with_deepminds_surface_distance(row, col, side):
    library = pytest.importorskip("surface_distance", reason="pip install surface-distance for this check")
    predicted, truth = square(row, col, side, (24, 24)), square(8, 8, 6, (24, 24))
    assume((predicted != truth).any())
    distances = library.compute_surface_distances(truth, predicted, (1.0, 1.0))
    # Its outline runs between pixels and its percentile is weighted by length, so results differ by about a pixel.
    assert hd95(predicted, truth) == pytest.approx(library.compute_robust_hausdorff(distances, 95), abs=1.5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 0.65), (3.0, 0.5)])
def test_distances_in_mm_are_those_of_monai(spacing):
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    rng, compared = np.random.default_rng(1), 0
    for _ in range(10):
        masks = [ndimage.binary_opening(rng.random(SHAPE) < 0.7) for _ in range(2)]
        if not all(mask.any() for mask in masks):
            continue
        predicted, truth = (torch.tensor(mask)[None, None] for mask in masks)
        options = {"include_background": True, "spacing": list(spacing)}
        theirs = metrics.compute_hausdorff_distance(predicted, truth, percentile=95, **options)
        surface = metrics.compute_surface_dice(predicted, truth, [2.0], use_subvoxels=False, **options)
        ours = outline_agreement(*masks, tolerance=2.0, spacing=spacing)
        assert ours == pytest.approx((float(theirs), float(surface)), abs=1e-5)
        compared += 1
    assert compared >= 5

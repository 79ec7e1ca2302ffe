import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity import goldens
from prsbench.harness.contract.errors import ContractError
from prsbench.metrics.mask.counts import count_maps, histograms
from prsbench.metrics.mask.grey import grey_map, grey_maps, stretched_grey_map


def float_map(*rows):
    return np.array(rows, np.float32)


def test_the_four_counts_are_those_of_the_map_at_half_inclusive():
    counts = count_maps(grey_maps(float_map([0.5, 0.49], [0.9, 0.1])), np.array([[True, True], [False, False]]))
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (1, 1, 1, 1)


def test_histograms_split_the_pixels_of_each_grey_level_by_the_truth():
    counts = count_maps(grey_maps(float_map([0.2, 0.2, 0.6])), np.array([[True, False, False]]))
    assert {level: (counts.raw_inside[level], counts.raw_outside[level]) for level in (51, 153)} == {51: (1, 1), 153: (0, 1)}
    assert (counts.stretched_inside[0], counts.stretched_outside[0], counts.stretched_outside[255]) == (1, 1, 1)
    assert counts.raw_inside.sum() + counts.raw_outside.sum() == 3


def test_grey_levels_are_rounded_half_to_even_not_truncated():
    assert grey_map(float_map([0.5 / 255, 1.5 / 255, 2.5 / 255, 0.999])).tolist() == [[0, 2, 2, 255]]


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_the_stretch_turns_a_constant_map_into_nothing(value):
    assert not stretched_grey_map(np.full((3, 4), value, np.float32)).any()


def test_the_stretch_sends_the_extremes_to_0_and_255():
    assert stretched_grey_map(float_map([0.2, 0.3, 0.4])).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("truth", [np.array([[0, 255]], np.uint8), np.array([[True], [False]])])
def test_a_mask_of_numbers_or_of_another_shape_is_refused(truth):
    with pytest.raises(ContractError, match="truth"):
        count_maps(grey_maps(float_map([0.1, 0.9])), truth)


@pytest.mark.parametrize("golden", goldens("prs_med_encoding"))
def test_the_stretched_map_is_the_file_the_official_code_saves(golden):
    for name in golden.json["outputs"]:
        logits, saved = golden.npz[f"{name}/logits"], golden.npz[f"{name}/png"].astype(int)
        ours = stretched_grey_map(torch.from_numpy(logits).sigmoid().numpy()).astype(int)  # in float32, as every method does
        assert np.abs(ours - saved).max() <= 1, name
        assert (ours != saved).mean() <= 0.005, name


@given(st.integers(0, 10_000), st.sampled_from([1.0, 1e-2, 1e-4, 1e-6, 0.0]), st.floats(-20, 20, width=32))
def test_a_map_of_any_range_is_stretched_in_float32_as_the_official_lines_do(seed, largest, middle):
    logits = (middle + largest * np.random.default_rng(seed).standard_normal((9, 11))).astype(np.float32)
    res = torch.from_numpy(logits).sigmoid()
    res = (res - res.min()) / (res.max() - res.min() + 1e-8)
    expected = (res * 255).round().to(torch.uint8).numpy()  # round halves to even, as cv2.imwrite does
    assert np.array_equal(stretched_grey_map(torch.from_numpy(logits).sigmoid().numpy()), expected)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (317, 317), (400, 300)])
def test_histograms_are_the_plain_ones_however_large_the_map(shape):
    rng = np.random.default_rng(0)
    grey, truth = rng.integers(0, 256, shape).astype(np.uint8), rng.random(shape) < 0.2
    for order in (slice(None), slice(None, None, -1)):  # also of a map that is not contiguous in memory
        inside, outside = histograms(grey[:, order], truth[:, order])
        assert inside.tolist() == [int((grey[truth] == level).sum()) for level in range(256)]
        assert outside.tolist() == [int((grey[~truth] == level).sum()) for level in range(256)]

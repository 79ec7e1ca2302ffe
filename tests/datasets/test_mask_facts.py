"""What families of questions say of a mask: by hand at the bounds of each rule, and by property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prsbench.datasets.mask_facts import check_sides, values_of
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.position import lesions_of


def mask_of(*boxes, shape=(100, 200)):
    """A mask with these boxes (top, left, bottom, right), in pixels."""
    mask = np.zeros(shape, bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def value(family, *boxes, shape=(100, 200)):
    return values_of(mask_of(*boxes, shape=shape), [family]).get(family)


TOP_LEFT, BOTTOM_RIGHT = (4, 10, 14, 20), (80, 160, 88, 168)


def test_two_lesions_in_opposite_corners_have_their_own_zones_quadrants_and_sides():
    assert value("where-lesions", TOP_LEFT, BOTTOM_RIGHT) == ("bottom right", "top left")
    assert value("quadrant", TOP_LEFT, BOTTOM_RIGHT) == ("bottom right", "top left")
    assert value("side", TOP_LEFT, BOTTOM_RIGHT) == ("left", "right")
    assert value("choice", TOP_LEFT, BOTTOM_RIGHT) is None


def test_the_patients_side_is_the_other_one():
    assert (value("side", TOP_LEFT), value("patient-side", TOP_LEFT)) == (("left",), ("right",))
    assert value("patient-side", TOP_LEFT, BOTTOM_RIGHT) == ("left", "right")


@pytest.mark.parametrize("modality", ["skin_rgb", "polyp_endoscopy", "breast_us", "lung_ct"])
def test_the_patients_side_is_refused_where_no_convention_defines_it(modality):
    with pytest.raises(ConfigError, match=f"patient-side.*got {modality}"):
        check_sides(["where", "patient-side"], modality)
    check_sides(["side"], modality)
    check_sides(["patient-side"], "brain_mri")


def test_a_cell_of_nine_is_that_of_the_centroid():
    cells = [value("where-3x3", (row, col, row + 2, col + 2)) for row in (10, 49, 88) for col in (10, 99, 188)]
    assert [cell for (cell,) in cells] == [
        "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right",
    ]  # fmt: skip
    assert value("where-3x3", (32, 98, 34, 102)) == ("top",)  # centroid in row 33 of 100


def test_near_the_centre_is_within_a_fifth_of_the_width_for_every_lesion():
    assert value("near-far", (49, 138, 51, 140)) == ("near",)  # 39 of 200 columns from the centre
    assert value("near-far", (49, 140, 51, 142)) == ("far",)
    assert value("near-far", (89, 99, 91, 101)) == ("far",)  # 40 rows, as the official rule compares heights with the width
    assert value("near-far", (49, 99, 51, 101), (2, 2, 4, 4)) is None


def test_near_the_border_is_a_pixel_in_the_outer_twentieth():
    assert [value("near-border", (row, 50, row + 9, 60)) for row in (4, 5)] == [("near",), ("far",)]
    assert [value("near-border", (50, 180, 60, column)) for column in (190, 191)] == [("far",), ("near",)]


def test_size_classes_are_shares_of_the_image():
    shares = {399: "small", 400: "medium", 1999: "medium", 2000: "large"}  # of 20,000 pixels
    mask = np.zeros(20_000, bool)
    for count, expected in shares.items():
        mask[:] = np.arange(20_000) < count
        assert values_of(mask.reshape(100, 200), ["size"]) == {"size": (expected,)}


def test_specks_below_8_percent_of_the_foreground_are_not_counted():
    assert value("count", (10, 10, 20, 20), (50, 50, 53, 53)) == ("2",)  # 9 of 109 pixels
    assert value("count", (10, 10, 20, 20), (50, 50, 52, 54)) == ("1",)  # 8 of 108


def test_lesions_that_touch_at_a_corner_are_one():
    assert value("count", (10, 10, 20, 20), (20, 20, 30, 30)) == ("1",)


def test_a_mask_in_very_many_fragments_is_asked_only_whether_it_has_anything():
    mask = np.zeros((40, 40), bool)
    mask[::4, ::4] = True
    assert values_of(mask, FAMILIES) == {"presence": ("yes",)}


def test_the_larger_lesion_lies_along_the_axis_of_the_longer_distance():
    large, small = (10, 20, 20, 40), (30, 150, 36, 156)
    assert value("relation", large, small) == value("relation", small, large) == ("left",)
    assert value("relation", (10, 20, 20, 40), (80, 30, 86, 36)) == ("above",)
    assert value("relation", (70, 20, 80, 40), (5, 30, 11, 36)) == ("below",)
    assert value("relation", (10, 10, 20, 20), (60, 60, 70, 70)) is None  # neither is larger
    assert value("relation", large) is value("relation", large, small, (80, 80, 86, 86)) is None


def test_of_an_empty_mask_only_presence_and_number_are_asked():
    assert values_of(np.zeros((9, 9), bool), FAMILIES) == {"count": ("0",), "presence": ("no",)}


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_a_mirrored_mask_has_the_mirrored_values(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros(tuple(2 * rng.integers(8, 30, 2) + 1), bool)
    for _ in range(rng.integers(1, 4)):
        top, left = rng.integers(0, mask.shape)
        mask[top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] = True
    here, there = values_of(mask, FAMILIES), values_of(mask[:, ::-1], FAMILIES)
    swap = {"left": "right", "right": "left"}
    for family in ("count", "size", "near-border", "presence", "near-far"):
        assert here.get(family) == there.get(family)
    if "relation" in here and here["relation"][0] in swap:
        assert there["relation"] == (swap[here["relation"][0]],)
    if here.get("count") == ("1",) and abs(lesions_of(mask)[0][0][0]) > 1e-9:  # not on the midline, which counts as right
        assert there["side"] == (swap[here["side"][0]],)

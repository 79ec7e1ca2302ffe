import numpy as np
import pytest
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.methods.answers import answer_from_mask
from prsbench.metrics.text.position import parse


def probability(*blocks, value=1.0, shape=(40, 40)):
    plane = np.zeros(shape, np.float32)
    for rows, cols in blocks:
        plane[rows, cols] = value
    return plane


def test_a_corner_lesion_is_named_by_its_quadrant_and_its_distance():
    far = probability((slice(0, 6), slice(34, 40)))
    near = probability((slice(14, 18), slice(15, 19)))
    assert answer_from_mask(far, "skin_rgb") == "The lesion is located in the top right and far from the center."
    assert answer_from_mask(near, "brain_mri") == "The lesion is located in the top left and near the center."


def test_two_components_in_a_lung_image_are_two_places():
    lungs = probability((slice(2, 15), slice(2, 15)), (slice(2, 15), slice(25, 38)))
    assert answer_from_mask(lungs, "lung_ct") == "The lesion is located in the top left and top right."


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_empty_map_is_described_as_showing_no_lesion(modality):
    assert parse(answer_from_mask(probability(), modality)).nothing


def test_one_half_is_foreground_and_just_below_is_not():
    block = (slice(0, 6), slice(0, 6))
    assert parse(answer_from_mask(probability(block, value=0.5), "breast_us")).zones == {"top left"}
    assert parse(answer_from_mask(probability(block, value=0.4999), "breast_us")).nothing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from prsbench.methods.sam.automatic_box import best_candidate, candidate_boxes

SIDE, GRID = 64, 16
LEFT, RIGHT = slice(8, 24), slice(40, 56)


def block(rows, cols, inside=8.0, outside=-8.0):
    logits = torch.full((SIDE, SIDE), outside)
    logits[rows, cols] = inside
    return logits


@pytest.fixture
def features():
    """Two channels: everywhere (1, 0), but (0, 1) in the block LEFT x LEFT."""
    odd = torch.zeros(GRID, GRID)
    odd[2:6, 2:6] = 1
    return torch.stack([1 - odd, odd])


@given(st.integers(1, 256), st.integers(1, 256))
def test_every_box_lies_in_the_image_and_none_fills_it(height, width):
    boxes = candidate_boxes(height, width)
    assert boxes.shape == (10, 4)
    assert (boxes >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
    assert ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) <= 0.57 * height * width).all()


def test_the_boxes_cover_the_image():
    covered = torch.zeros(100, 200)
    for left, top, right, bottom in candidate_boxes(100, 200).int().tolist():
        covered[top:bottom, left:right] = 1
    assert covered.all()


def test_among_equals_the_mask_of_the_region_unlike_the_rest_wins(features):
    logits = torch.stack([block(RIGHT, RIGHT), block(LEFT, LEFT), block(LEFT, RIGHT)])
    assert best_candidate(logits, torch.full((3,), 0.9), features, SIDE, SIDE) == 1


def test_a_mask_that_hangs_on_the_threshold_loses(features):
    logits = torch.stack([block(LEFT, LEFT, inside=0.5), block(LEFT, LEFT)])
    assert best_candidate(logits, torch.tensor([0.9, 0.8]), features, SIDE, SIDE) == 1


def test_the_predicted_iou_decides_between_equal_masks_and_an_empty_one_never_wins(features):
    logits = torch.stack([block(LEFT, LEFT), block(LEFT, LEFT), torch.full((SIDE, SIDE), -8.0)])
    assert best_candidate(logits, torch.tensor([0.6, 0.7, 0.99]), features, SIDE, SIDE) == 1


def test_what_a_mask_does_in_the_padding_does_not_count(features):
    spilled = block(LEFT, LEFT)
    spilled[32:] = 0.5  # unstable, below the image's 32 rows
    logits = torch.stack([spilled, block(LEFT, LEFT)])
    assert best_candidate(logits, torch.tensor([0.9, 0.8]), features, 32, SIDE) == 0
    assert best_candidate(logits, torch.tensor([0.9, 0.8]), features, SIDE, SIDE) == 1

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from prsbench.harness.contract.geometry import innermost_point


def test_the_innermost_point_of_a_square_is_its_middle():
    mask = np.zeros((9, 12), bool)
    mask[2:7, 4:9] = True
    assert innermost_point(mask) == (6.5, 4.5)


def test_a_ring_is_met_although_its_centroid_lies_outside_it():
    rows, cols = np.indices((41, 41))
    distance = np.hypot(rows - 20, cols - 20)
    mask = (distance < 18) & (distance > 10)
    x, y = innermost_point(mask)
    assert mask[int(y), int(x)] and not mask[20, 20]


def test_the_images_edge_counts_as_background():
    assert innermost_point(np.ones((5, 9), bool))[1] == 2.5


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()))
def test_the_point_is_foreground_and_there_is_one_if_there_is_foreground(mask):
    point = innermost_point(mask)
    if not mask.any():
        assert point is None
    else:
        assert mask[int(point[1]), int(point[0])]

import numpy as np
import pytest
from parity import goldens
from prsbench.harness.contract.position import official_lung_positions, official_position, offset_phrase, points_phrase


@pytest.mark.parametrize("golden", goldens("position_labels_golden"))
def test_every_mask_gets_the_labels_of_the_official_scripts(golden):
    for name, expected in golden.json["masks_table"].items():
        height, width = expected["shape"]
        mask = np.unpackbits(golden.npz[name])[: height * width].reshape(height, width).astype(bool)
        assert official_position(mask) == (expected["position"], expected["near_center"]), name
        assert official_lung_positions(mask) == tuple(expected["lung_positions"]), name


@pytest.mark.parametrize(
    ("x", "y", "said"), [(0.3, -0.24, "0.3 right, 0.2 up"), (-1, 1, "1.0 left, 1.0 down"), (0, 0, "0.0 left, 0.0 up")]
)
def test_a_point_is_said_as_its_distance_from_the_centre(x, y, said):
    assert offset_phrase(x, y) == said


def test_every_lesion_is_named_from_left_to_right_and_specks_are_not():
    mask = np.zeros((40, 40), bool)
    mask[2:10, 30:38], mask[30:38, 2:10] = True, True
    mask[20, 20] = True
    assert points_phrase(mask) == "0.7 left, 0.7 down and 0.7 right, 0.7 up"
    with pytest.raises(ValueError, match="nothing was found"):
        points_phrase(np.zeros((4, 4), bool))

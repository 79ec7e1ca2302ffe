import numpy as np
import pytest
from parity import goldens
from prsbench.harness.contract.position import official_lung_positions, official_position


@pytest.mark.parametrize("golden", goldens("position_labels_golden"))
def test_every_mask_gets_the_labels_of_the_official_scripts(golden):
    for name, expected in golden.json["masks_table"].items():
        height, width = expected["shape"]
        mask = np.unpackbits(golden.npz[name])[: height * width].reshape(height, width).astype(bool)
        assert official_position(mask) == (expected["position"], expected["near_center"]), name
        assert official_lung_positions(mask) == tuple(expected["lung_positions"]), name

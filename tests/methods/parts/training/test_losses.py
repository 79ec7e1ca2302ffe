import pytest
import torch
from parity import goldens
from prsbench.methods.parts.training.losses import dice_and_bce


@pytest.mark.parametrize("golden", goldens("prs_med_losses"))
def test_it_is_the_public_codes_sum_of_dice_and_cross_entropy(golden):
    for case in golden.json["inputs"]:
        logits, mask = (torch.from_numpy(golden.npz[f"{case}/{name}"]) for name in ("logits", "mask"))
        # Not closer: the public code takes the logarithm of a rounded sigmoid, which is off where the network is very sure.
        expected = pytest.approx(golden.json["values"][case]["BceDiceLoss"], rel=5e-5, abs=1e-6)
        assert dice_and_bce(logits, mask).item() == expected, case


def test_nothing_found_where_nothing_is_costs_nothing():
    assert dice_and_bce(torch.full((2, 1, 4, 4), -50.0), torch.zeros(2, 1, 4, 4)).item() == pytest.approx(0, abs=1e-6)

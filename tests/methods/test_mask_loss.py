import pytest
import torch
from parity import Parity, needs
from prsbench.methods.mask_loss import dice_and_bce


@needs("prs_med_losses")
def test_it_is_the_public_codes_sum_of_dice_and_cross_entropy():
    parity = Parity("prs_med_losses")
    for case in parity.json["inputs"]:
        logits, mask = (torch.from_numpy(parity.npz[f"{case}/{name}"]) for name in ("logits", "mask"))
        # Not closer: the public code takes the logarithm of a rounded sigmoid, which is off where the network is very sure.
        expected = pytest.approx(parity.json["values"][case]["BceDiceLoss"], rel=5e-5, abs=1e-6)
        assert dice_and_bce(logits, mask).item() == expected, case


def test_nothing_found_where_nothing_is_costs_nothing():
    assert dice_and_bce(torch.full((2, 1, 4, 4), -50.0), torch.zeros(2, 1, 4, 4)).item() == pytest.approx(0, abs=1e-6)

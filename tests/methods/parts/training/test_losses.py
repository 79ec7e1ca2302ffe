import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity import goldens
from prsbench.methods.parts.training import losses
from prsbench.methods.parts.training.losses import dice_and_bce


@pytest.mark.parametrize("golden", goldens("prs_med_losses"))
def test_it_is_the_public_codes_sum_of_dice_and_cross_entropy(golden):
    for case in golden.json["inputs"]:
        logits, mask = (torch.from_numpy(golden.npz[f"{case}/{name}"]) for name in ("logits", "mask"))
        expected = pytest.approx(golden.json["values"][case]["BceDiceLoss"], rel=1e-5, abs=1e-6)
        assert dice_and_bce(logits, mask).item() == expected, case


def test_nothing_found_where_nothing_is_costs_nothing():
    assert dice_and_bce(torch.full((2, 1, 4, 4), -50.0), torch.zeros(2, 1, 4, 4)).item() == pytest.approx(0, abs=1e-6)


def public(logits, mask):
    """PRS-Med's BceDiceLoss, written again: BCELoss and Dice of a float32 sigmoid, smoothing 1 (one image)."""
    p = logits.sigmoid()
    dice = 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)
    return dice + torch.nn.BCELoss()(p, mask)


@pytest.mark.parametrize("largest", [1.0, 10.0, 16.0, 20.0, 60.0, 300.0])
def test_saturated_logits_cost_what_the_public_loss_makes_of_their_rounded_sigmoid(largest):
    generator = torch.Generator().manual_seed(0)
    logits = ((torch.rand(1, 1, 32, 32, generator=generator) * 2 - 1) * largest).requires_grad_()
    mask = (torch.rand(1, 1, 32, 32, generator=generator) < 0.5).float()
    ours, theirs = dice_and_bce(logits, mask), public(logits, mask)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    (our_gradient,), (their_gradient,) = (torch.autograd.grad(loss, logits) for loss in (ours, theirs))
    both = logits > -25  # below, the public code's gradient of a missed pixel ends
    assert torch.allclose(our_gradient[both], their_gradient[both], rtol=1e-3, atol=1e-9)


@given(st.integers(0, 10_000))
def test_where_no_wrong_logit_saturates_loss_and_gradient_are_those_of_the_logits_to_the_last_bit(seed):
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(2, 1, 5, 7, generator=generator) < 0.5).float()
    logits = torch.rand(2, 1, 5, 7, generator=generator) * 8 + (mask * 2 - 1) * torch.rand(2, 1, 5, 7, generator=generator) * 70
    logits = logits.clamp(max=8 + 100 * mask).requires_grad_()
    ours = dice_and_bce(logits, mask)
    exact = losses._dice(logits, mask) + torch.nn.functional.binary_cross_entropy_with_logits(logits, mask)
    assert ours.item() == exact.item()
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, exact)))


def test_a_loss_of_logits_that_are_not_numbers_is_nan_and_no_error():
    assert dice_and_bce(torch.full((1, 1, 2, 2), torch.nan), torch.zeros(1, 1, 2, 2)).isnan()

import pytest
import torch
from parity import Parity, needs
from prsbench.methods.prs_med.losses import structure_loss
from torch.nn import functional as F


@needs("prs_med_losses")
@pytest.mark.parametrize(
    "case", ["binary_disk", "soft_edge_mask", "empty_mask", "full_mask", "confident_perfect", "unequal_batch"]
)
def test_the_loss_and_its_gradient_are_the_official_ones(case):
    parity = Parity("prs_med_losses")
    expected = parity.json["values"][case]
    logits = torch.from_numpy(parity.npz[f"{case}/logits"]).requires_grad_()
    loss = structure_loss(logits, torch.from_numpy(parity.npz[f"{case}/mask"]))
    loss.backward()
    assert loss.item() == pytest.approx(expected["structure_loss"], rel=1e-5, abs=1e-6)
    gradient = expected["structure_loss_grad"]
    assert logits.grad.abs().sum().item() == pytest.approx(gradient["abs_sum"], rel=1e-4, abs=1e-6)
    assert logits.grad.abs().max().item() == pytest.approx(gradient["max"], rel=1e-4, abs=1e-6)


def test_without_an_edge_the_loss_is_plain_cross_entropy_and_plain_iou():
    logits = torch.full((1, 1, 40, 40), 0.7)
    mask = torch.zeros_like(logits)
    union = torch.sigmoid(logits).sum()
    by_hand = F.softplus(torch.tensor(0.7)) + 1 - 1 / (union + 1)
    assert structure_loss(logits, mask).item() == pytest.approx(by_hand.item(), rel=1e-5)

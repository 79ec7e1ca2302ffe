import pytest
import torch
from parity import goldens
from prsbench.methods.prs_med.losses import structure_loss
from torch.nn import functional as F


@pytest.mark.parametrize("golden", goldens("prs_med_losses"))
def test_the_loss_and_its_gradient_are_the_official_ones(golden):
    for case in golden.json["inputs"]:
        expected = golden.json["values"][case]
        logits = torch.from_numpy(golden.npz[f"{case}/logits"]).requires_grad_()
        loss = structure_loss(logits, torch.from_numpy(golden.npz[f"{case}/mask"]))
        loss.backward()
        assert loss.item() == pytest.approx(expected["structure_loss"], rel=1e-5, abs=1e-6), case
        gradient = expected["structure_loss_grad"]
        assert logits.grad.abs().sum().item() == pytest.approx(gradient["abs_sum"], rel=1e-4, abs=1e-6), case
        assert logits.grad.abs().max().item() == pytest.approx(gradient["max"], rel=1e-4, abs=1e-6), case


def test_without_an_edge_the_loss_is_plain_cross_entropy_and_plain_iou():
    logits = torch.full((1, 1, 40, 40), 0.7)
    mask = torch.zeros_like(logits)
    union = torch.sigmoid(logits).sum()
    by_hand = F.softplus(torch.tensor(0.7)) + 1 - 1 / (union + 1)
    assert structure_loss(logits, mask).item() == pytest.approx(by_hand.item(), rel=1e-5)

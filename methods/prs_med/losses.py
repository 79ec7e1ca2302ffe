"""PRS-Med's structure loss, with the reduction that the official code really applies."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def structure_loss(logits_B1SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Binary cross-entropy + 1 - edge-weighted IoU, a scalar.

    The edge weights were meant for both terms. The official code reduces the cross-entropy before it applies them, so they cancel
    and the mean over the batch remains. This is reproduced because the published numbers were obtained with it.

    Args:
        logits_B1SS: mask logits.
        mask_B1SS: float, 0 to 1. An empty mask is allowed: 1 is added to the IoU's numerator and denominator.
    """
    edge = (F.avg_pool2d(mask_B1SS, kernel_size=31, stride=1, padding=15) - mask_B1SS).abs()
    weight, probability = 1 + 5 * edge, logits_B1SS.sigmoid()
    inter = (probability * mask_B1SS * weight).sum((2, 3))
    union = ((probability + mask_B1SS) * weight).sum((2, 3)) - inter
    return F.binary_cross_entropy_with_logits(logits_B1SS, mask_B1SS) + (1 - (inter + 1) / (union + 1)).mean()

"""PRS-Med's structure loss, with the reduction its code really has."""

# B batch, S image side

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def structure_loss(logits_B1SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Binary cross-entropy + 1 - edge-weighted IoU, a scalar.

    As published the edge weights were meant for both terms; the cross-entropy's is reduced before they are applied, where they
    cancel, so it is the plain mean over the batch. Reproduced, because the published numbers were made so.

    Args:
        logits_B1SS: mask logits.
        mask_B1SS: float, 0 to 1. An empty mask is defined: the IoU has 1 added above and below.
    """
    edge = (F.avg_pool2d(mask_B1SS, kernel_size=31, stride=1, padding=15) - mask_B1SS).abs()
    weight, probability = 1 + 5 * edge, logits_B1SS.sigmoid()
    inter = (probability * mask_B1SS * weight).sum((2, 3))
    union = ((probability + mask_B1SS) * weight).sum((2, 3)) - inter
    return F.binary_cross_entropy_with_logits(logits_B1SS, mask_B1SS) + (1 - (inter + 1) / (union + 1)).mean()

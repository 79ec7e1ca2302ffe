"""The loss of a mask that several methods train with."""

# B batch, S image side

from __future__ import annotations

from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional as F

_dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)  # smooth 1: an empty truth with an empty prediction costs 0


def dice_and_bce(logits_B1SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Soft Dice per image + mean binary cross-entropy, a scalar."""
    return _dice(logits_B1SS, mask_B1SS) + F.binary_cross_entropy_with_logits(logits_B1SS, mask_B1SS)

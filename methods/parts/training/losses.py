"""Mask loss that several methods train with: soft Dice plus binary cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional as F

_dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)  # smoothing 1: an empty prediction of an empty truth costs 0


def dice_and_bce(logits_B1SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Soft Dice per image + mean binary cross-entropy, a scalar; as PRS-Med's BceDiceLoss. float32, also under autocast."""
    with torch.autocast(logits_B1SS.device.type, enabled=False):  # which refuses `F.binary_cross_entropy` on CUDA
        exact = F.binary_cross_entropy_with_logits(logits_B1SS, mask_B1SS)
        return _dice(logits_B1SS, mask_B1SS) + exact + _saturated(logits_B1SS, mask_B1SS).mean()


def _saturated(logits_B1SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    """What each pixel costs more in the public code, which takes the logarithm of a rounded sigmoid; 0 unless it is very wrong.

    That logarithm is coarse and ends at -100: from a logit of 17 on, a wrong pixel costs 100 and has no gradient. A missed
    pixel keeps its gradient down to a logit of -80; that of the public code ends at -28, where the value still agrees.
    """
    is_rounded = ((logits_B1SS > 8) & (mask_B1SS < 1)) | ((logits_B1SS < -80) & (mask_B1SS > 0))
    rounded = F.binary_cross_entropy(logits_B1SS.nan_to_num().sigmoid(), mask_B1SS, reduction="none")
    exact = F.binary_cross_entropy_with_logits(logits_B1SS, mask_B1SS, reduction="none")
    return torch.where(is_rounded, rounded - exact, 0.0)


def weighted(terms: Mapping[str, Tensor], weight: Mapping[str, float]) -> Tensor:
    """The loss: the sum of all terms, each times the weight of its name."""
    return torch.stack([weight[name] * term for name, term in terms.items()]).sum()

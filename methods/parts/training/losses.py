"""Mask loss that several methods train with: soft Dice plus binary cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional as F

_dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)  # smoothing 1: an empty prediction of an empty truth costs 0


def dice_and_bce(logits_B1SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Soft Dice per image + mean binary cross-entropy, a scalar."""
    return _dice(logits_B1SS, mask_B1SS) + F.binary_cross_entropy_with_logits(logits_B1SS, mask_B1SS)


def weighted(terms: Mapping[str, Tensor], weight: Mapping[str, float]) -> Tensor:
    """The loss: the sum of all terms, each times the weight of its name."""
    return torch.stack([weight[name] * term for name, term in terms.items()]).sum()

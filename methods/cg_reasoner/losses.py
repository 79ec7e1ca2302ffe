"""CG-Reasoner's loss: L = Dice + BCE + l_txt * CE + l_sp * L_spatial (+ the bridge's distillation, ours)."""

# B batch, S image side, E sentence width

from __future__ import annotations

import torch
from monai.losses import DiceLoss
from prsbench.methods.sentence_encoder import WIDTH
from torch import Tensor, nn
from torch.nn import functional as F

_dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)  # smooth 1: an empty truth with an empty prediction costs 0


def segmentation_loss(logits_B1SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Soft Dice per image + mean binary cross-entropy."""
    return _dice(logits_B1SS, mask_B1SS) + F.binary_cross_entropy_with_logits(logits_B1SS, mask_B1SS)


class HiddenBridge(nn.Module):
    """Answer-token states to Sentence-BERT space (the `hidden` reading of how T2C reaches LoRA): masked mean, one linear map.

    The frozen T2C head on top turns the bridged embedding into a point; the spatial loss flows back through both into LoRA.
    """

    def __init__(self, width: int, head: nn.Module):
        super().__init__()
        self.linear = nn.Linear(width, WIDTH)
        self.head = head.requires_grad_(False)

    def forward(self, answer_BD: Tensor) -> tuple[Tensor, Tensor]:
        """Mean answer state (B, D) to the unit sentence embedding (B, E) and the point (B, 2)."""
        embedding_BE = F.normalize(self.linear(answer_BD), dim=1)
        return embedding_BE, self.head(embedding_BE)


def spatial_loss(point_B2: Tensor, target_B2: Tensor) -> Tensor:
    """Smooth L1 against the true centroid; rows whose target is NaN (empty truth) have no place and no loss."""
    defined = target_B2.isfinite().all(1)
    if not defined.any():
        return point_B2.sum() * 0.0
    return F.smooth_l1_loss(point_B2[defined], target_B2[defined])


def distillation_loss(embedding_BE: Tensor, reference_BE: Tensor) -> Tensor:
    """1 - cosine between the bridged embedding and Sentence-BERT of the reference answer."""
    return (1 - torch.sum(embedding_BE * reference_BE, dim=1)).mean()

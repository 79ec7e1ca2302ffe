"""CG-Reasoner's spatial loss and its gradient, the centroid of a predicted mask, and the hidden bridge's distillation (ours)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def spatial_loss(point_B2: Tensor, target_B2: Tensor) -> Tensor:
    """Smooth L1 against a centroid, over the pairs whose target is not NaN (empty mask); 0 if there is none."""
    defined = target_B2.isfinite().all(1)
    if not defined.any():
        return point_B2.sum() * 0.0
    return F.smooth_l1_loss(point_B2[defined], target_B2[defined])


def distillation_loss(embedding_BE: Tensor, reference_BE: Tensor) -> Tensor:
    """1 - cosine between the bridge's embedding and Sentence-BERT of the reference answer."""
    return (1 - torch.sum(embedding_BE * reference_BE, dim=1)).mean()


def mask_centroid(logits_B1SS: Tensor) -> Tensor:
    """Centroid of each predicted mask (probability >= 0.5), (B, 2) in -1..1 edge to edge; NaN if it is empty. No gradient."""
    mask_BSS = (logits_B1SS[:, 0].detach() >= 0).float()
    _, height, width = mask_BSS.shape
    x_S, y_S = (((torch.arange(n, device=mask_BSS.device) + 0.5) * 2 / n - 1) for n in (width, height))
    area_B = mask_BSS.sum((1, 2))  # sums, because autocast would round a matrix product to bf16
    return torch.stack([(mask_BSS.sum(1) * x_S).sum(1) / area_B, (mask_BSS.sum(2) * y_S).sum(1) / area_B], dim=1)


def restrict_gradient_to(parameters: Sequence[Tensor], loss: Tensor) -> Tensor:
    """The same loss with its gradient restricted to these parameters: no other tensor gets any."""
    if not loss.requires_grad:
        return loss
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    linear = [((p - p.detach()) * g).sum() for p, g in zip(parameters, gradients, strict=True) if g is not None]
    return loss.detach() + torch.stack(linear).sum()

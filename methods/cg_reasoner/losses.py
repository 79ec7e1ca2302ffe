"""CG-Reasoner's spatial loss and its gradients, the centroid of a predicted mask, and the hidden bridge's distillation (ours)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def spatial_loss(point_N2: Tensor, target_N2: Tensor, counts_N: Tensor) -> Tensor:
    """Smooth L1 against a centroid, mean over the answers that count (bool); 0 if there is none.

    A target of NaN, as of an empty predicted mask, costs 0.
    """
    return _mean(_smooth_l1(point_N2, target_N2), counts_N)


def sampled_spatial_loss(point_BK2: Tensor, target_B2: Tensor, counts_B: Tensor, log_likelihood_BK: Tensor) -> Tensor:
    """The same loss of K >= 2 sampled answers per image; its gradient is an unbiased estimate of the expected loss's.

    Score function (REINFORCE) with the mean loss of the image's other samples as baseline (Kool, van Hoof and Welling 2019):
    answers whose points lie nearer to the target than the others' become likelier. log_likelihood_BK: of each answer.
    """
    loss_BK = _smooth_l1(point_BK2, target_B2[:, None].expand_as(point_BK2))
    others_BK = (loss_BK.sum(1, keepdim=True) - loss_BK) / (loss_BK.shape[1] - 1)
    with_gradient = _mean(((loss_BK - others_BK) * log_likelihood_BK).mean(1), counts_B)
    return _mean(loss_BK.mean(1), counts_B) + with_gradient - with_gradient.detach()


def _smooth_l1(point: Tensor, target: Tensor) -> Tensor:
    """Mean over the last dimension, x and y; 0 where the target is NaN."""
    target = torch.where(target.isnan(), point.detach(), target)
    return F.smooth_l1_loss(point, target, reduction="none").mean(-1)


def _mean(loss_N: Tensor, counts_N: Tensor) -> Tensor:
    return torch.where(counts_N, loss_N, 0.0).sum() / counts_N.sum().clamp(min=1)


def distillation_loss(embedding_RE: Tensor, reference_RE: Tensor) -> Tensor:
    """Mean of 1 - cosine between the bridge's embeddings and Sentence-BERT's of the answers read; 0 if there are none."""
    return (1 - torch.sum(embedding_RE * reference_RE, dim=1)).sum() / max(1, len(reference_RE))


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

"""Automatic box prompt, from the image alone: predict a mask for ten fixed boxes, choose the one most like a distinct object.

The boxes and the score were chosen, by Dice against true masks, on 12 phantoms and 8 real images (brain MRI, breast
ultrasound); all candidate scores had also been evaluated on 14 real images of the other modalities before the choice was
fixed. An evaluation may contain any of these images, so its figures are slightly optimistic. Mean Dice over the six real
modalities: 0.43, against 0.30 for the network's predicted IoU alone and 0.60 for the best of the ten chosen with the truth.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# N boxes, C feature channels, E side of the feature grid, S side of the network's square

CHOSEN_WITH_TRUTH = (
    "its candidate boxes and the score that chooses one of them were chosen by Dice against the true masks of 12 phantoms and "
    "8 real images, after all scores had been tried on 14 more; the images tested may be among them"
)
_CENTRES = (0.25, 0.5, 0.75)
_STABILITY_OFFSET = 1.0  # logits; as in SAM's automatic mask generator


def candidate_boxes(height: int, width: int) -> Tensor:
    """Ten boxes: nine with half the image's sides, overlapping by half, and a central one with three quarters of the sides.

    Returns:
        (10, 4) float32: left, top, right, bottom, in the pixels of an image of `height` x `width`.
    """
    half = [(x - 0.25, y - 0.25, x + 0.25, y + 0.25) for y in _CENTRES for x in _CENTRES]
    return torch.tensor([*half, (0.125, 0.125, 0.875, 0.875)]) * torch.tensor([width, height, width, height])


def best_candidate(logits_NSS: Tensor, predicted_iou_N: Tensor, features_CEE: Tensor, height: int, width: int) -> int:
    """Index of the mask with the highest predicted IoU x stability x distinctness; the first of those that tie.

    Args:
        logits_NSS: one map per candidate.
        predicted_iou_N: the network's estimate of each mask's IoU.
        features_CEE: the image's embedding.
        height, width: the part of the square, at its top left, that is image rather than padding.
    """
    visible = logits_NSS[:, :height, :width]
    # SAM's stability: IoU of the masks at a raised and a lowered threshold; 0 for an empty mask.
    raised, lowered = ((visible > offset).sum((1, 2)) for offset in (_STABILITY_OFFSET, -_STABILITY_OFFSET))
    stability_N = raised / lowered.clamp(min=1)
    image_SS = torch.zeros_like(logits_NSS[0])
    image_SS[:height, :width] = 1
    distinctness_N = _distinctness((logits_NSS > 0) * image_SS, image_SS, features_CEE)
    return int((predicted_iou_N * stability_N * distinctness_N).argmax())


def _distinctness(masks_NSS: Tensor, image_SS: Tensor, features_CEE: Tensor) -> Tensor:
    """How much each mask differs from the rest of the image: 1 - cosine of the mean unit features inside and outside, (N,)."""
    grid = (features_CEE.shape[1], features_CEE.shape[2])
    inside = F.adaptive_avg_pool2d(masks_NSS[:, None], grid).flatten(1)
    outside = F.adaptive_avg_pool2d(image_SS[None, None], grid).flatten(1) - inside
    unit = F.normalize(features_CEE.flatten(1), dim=0)
    return 1 - F.cosine_similarity(inside @ unit.T, outside @ unit.T)

"""Images as networks take them: resizing, levels, probabilities at native size, and the distinct images of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.types import Prediction, Query
from prsbench.methods.answers import answer_from_mask
from torch import Tensor
from torch.nn import functional as F

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in [0, 1]


def distinct_images(queries: Sequence[Query]) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """The distinct images (H, W, 3) in order of first use, and each query's index into them; images with equal pixels are one."""
    images: list[NDArray[np.uint8]] = []
    index_of: dict[tuple[tuple[int, ...], bytes], int] = {}
    indices = []
    for query in queries:
        index = index_of.setdefault((query.image.shape, query.image.tobytes()), len(images))
        if index == len(images):
            images.append(query.image)
        indices.append(index)
    return images, indices


def resize(image: np.ndarray, side_px: int) -> Tensor:
    """(H, W, C) uint8 or bool to (C, S, S) float32, bilinear with antialiasing; the aspect is not preserved."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    if tensor.shape[-2:] == (side_px, side_px):
        return tensor[0].contiguous()  # what interpolation would give, for a fraction of its time
    return F.interpolate(tensor, size=(side_px, side_px), mode="bilinear", antialias=True)[0]


def resize_to_levels(image: np.ndarray, side_px: int) -> Tensor:
    """(H, W, 3) uint8 to (3, S, S) uint8."""
    return resize(image, side_px).round().clamp(0, 255).to(torch.uint8)


def native_probability(logits_1SS: Tensor, shape: tuple[int, int]) -> np.ndarray:
    """Logits resized bilinearly to the image's native (H, W), then sigmoid: float32."""
    native = F.interpolate(logits_1SS[None], size=shape, mode="bilinear", align_corners=False)
    return native[0, 0].sigmoid().cpu().numpy()


def prediction_from_logits(logits_1SS: Tensor, query: Query, seconds: float) -> Prediction:
    """The mask at native size and the sentence templated from it, for methods without a language model."""
    probability = native_probability(logits_1SS, query.image.shape[:2])
    return Prediction(probability, answer_from_mask(probability, query.modality), seconds)


def z_score(image_B3SS: Tensor) -> Tensor:
    """Each channel of each image to mean 0, standard deviation 1; a uniform channel becomes 0."""
    mean = image_B3SS.mean((2, 3), keepdim=True)
    deviation = image_B3SS.std((2, 3), keepdim=True, correction=0)
    return torch.where(deviation > 1e-6, (image_B3SS - mean) / deviation.clamp(min=1e-6), torch.zeros_like(image_B3SS))

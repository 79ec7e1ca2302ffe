"""Training images at a network's size, probabilities at native size, light augmentation and the learning-rate schedule."""

# S side of the square input

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import Sample
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """One image, its mask, and every question and answer about it."""

    image_id: str
    modality: str
    image_3SS: Tensor  # uint8
    mask_1SS: Tensor  # bool
    pairs: tuple[tuple[str, str], ...]


def resize(image: np.ndarray, side_px: int) -> Tensor:
    """(H, W, C) uint8 or bool to (C, S, S) float32, bilinear with antialiasing; the aspect is not preserved."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    return F.interpolate(tensor, size=(side_px, side_px), mode="bilinear", antialias=True)[0]


def resize_to_levels(image: np.ndarray, side_px: int) -> Tensor:
    """(H, W, 3) uint8 to (3, S, S) uint8."""
    return resize(image, side_px).round().clamp(0, 255).to(torch.uint8)


def native_probability(logits_1SS: Tensor, shape: tuple[int, int]) -> np.ndarray:
    """Logits resized bilinearly to the image's native (H, W), then sigmoid: float32."""
    native = F.interpolate(logits_1SS[None], size=shape, mode="bilinear", align_corners=False)
    return native[0, 0].sigmoid().cpu().numpy()


def image_id(sample: Sample) -> str:
    """The id of the image a sample asks about: the part before '#' if several samples ask about one image."""
    return sample.sample_id.rpartition("#")[0] or sample.sample_id


def weighted(terms: Mapping[str, Tensor], weight: Mapping[str, float]) -> Tensor:
    """The loss: the sum of all terms, each times the weight of its name."""
    return torch.stack([weight[name] * term for name, term in terms.items()]).sum()


def training_images(samples: Sequence[Sample], side_px: int) -> list[TrainingImage]:
    """Each image decoded and resized once, however many questions ask about it; in the order of the samples.

    Raises:
        DataError: there is no sample.
    """
    pictures: dict[str, tuple[str, Tensor, Tensor]] = {}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for sample in samples:
        key = image_id(sample)
        pairs.setdefault(key, []).append((sample.query.question, sample.truth.answer))
        if key not in pictures:
            pictures[key] = sample.query.modality, resize_to_levels(sample.query.image, side_px), _small(sample, side_px)
    if not pictures:
        raise DataError("The training split is empty. Check the data set's splits.")
    return [TrainingImage(key, *parts, tuple(pairs[key])) for key, parts in pictures.items()]


def _small(sample: Sample, side_px: int) -> Tensor:
    """The mask at a network's size; if a lesion would vanish there, every pixel it touches, as its answer names a position."""
    mask_1SS = resize(sample.truth.mask[..., None], side_px) >= 0.5
    if sample.truth.mask.any() and not mask_1SS.any():
        return F.adaptive_max_pool2d(torch.from_numpy(sample.truth.mask)[None].float(), side_px) > 0
    return mask_1SS


def z_score(image_B3SS: Tensor) -> Tensor:
    """Each channel of each image to mean 0, standard deviation 1; a uniform channel becomes 0."""
    mean = image_B3SS.mean((2, 3), keepdim=True)
    deviation = image_B3SS.std((2, 3), keepdim=True, correction=0)
    return torch.where(deviation > 1e-6, (image_B3SS - mean) / deviation.clamp(min=1e-6), torch.zeros_like(image_B3SS))


def relit(image_B3SS: Tensor, light_3B: np.ndarray) -> Tensor:
    """Float images in [0, 1], each with its gamma, contrast and brightness changed by `light_3B`."""
    gamma, contrast, brightness = torch.from_numpy(light_3B[..., None, None, None]).to(image_B3SS)
    mean = image_B3SS.mean((1, 2, 3), keepdim=True)
    return ((image_B3SS.clamp(min=1e-6) ** (1 + gamma) - mean) * (1 + contrast) + mean + brightness / 2).clamp(0, 1)


def jittered(image_B3SS: Tensor, reach: float, rng: np.random.Generator) -> Tensor:
    """`relit` with random changes of up to `reach` in each."""
    return relit(image_B3SS, rng.uniform(-reach, reach, (3, len(image_B3SS))))


def cosine(optimizer: torch.optim.Optimizer, steps: int, warmup_steps: int, floor: float) -> torch.optim.lr_scheduler.LRScheduler:
    """Linear warm-up, then half a cosine down to `floor` (a share of the learning rate)."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, steps - warmup_steps)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

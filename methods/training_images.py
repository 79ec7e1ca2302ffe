"""Training images at a network's size, and the pace of a training: what methods that train here share."""

# S side of the square input

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """(H, W, C) uint8 or bool to (C, S, S) float32, bilinear with antialiasing; the aspect is not kept."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    return F.interpolate(tensor, size=(side_px, side_px), mode="bilinear", antialias=True)[0]


def resize_to_levels(image: np.ndarray, side_px: int) -> Tensor:
    """(H, W, 3) uint8 to (3, S, S) uint8."""
    return resize(image, side_px).round().clamp(0, 255).to(torch.uint8)


def image_id(sample: Sample) -> str:
    """The image a sample asks about: what stands before '#' where several samples ask about one."""
    return sample.sample_id.rpartition("#")[0] or sample.sample_id


def weighted(terms: Mapping[str, Tensor], weight: Mapping[str, float]) -> Tensor:
    """The loss: every term by the weight of its name."""
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
            mask = resize(sample.truth.mask[..., None], side_px) >= 0.5
            pictures[key] = sample.query.modality, resize_to_levels(sample.query.image, side_px), mask
    if not pictures:
        raise DataError("The training split is empty. Check the data set's splits.")
    return [TrainingImage(key, *parts, tuple(pairs[key])) for key, parts in pictures.items()]


def batches(count: int, epochs: int, size: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    """Indices of each step's images: every image once an epoch, in a new order."""
    for _ in range(epochs):
        order = chance.permutation(count)
        yield from (order[start : start + size] for start in range(0, count, size))


def cosine(optimizer: torch.optim.Optimizer, steps: int, warmup_steps: int, floor: float) -> torch.optim.lr_scheduler.LRScheduler:
    """A linear warm-up, then half a cosine down to `floor` (a share of the rate)."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, steps - warmup_steps)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def descend(
    loss: Tensor,
    parameters: Iterable[Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    gradient_clip: float,
) -> None:
    """One step down the gradient of `loss`, its norm over `parameters` clipped."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, gradient_clip)
    optimizer.step()
    schedule.step()

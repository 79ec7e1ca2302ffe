"""Training images at a network's size: each decoded and resized once, with its mask and all questions and answers about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import Sample
from prsbench.methods.images import resize, resize_to_levels
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


def image_id(sample: Sample) -> str:
    """The id of the image a sample asks about: the part before '#' if several samples ask about one image."""
    return sample.sample_id.rpartition("#")[0] or sample.sample_id


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

"""One training batch for methods on a frozen encoder: features (original or mirrored), masks, question-answer pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.methods.parts.language.small_llama import draw
from prsbench.methods.parts.training.images import TrainingImage
from prsbench.methods.parts.training.word_augmentation import mirror_words
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """B images on the CPU and their rows (index of the image, question, answer); first rows of all images precede the others."""

    features_BCHW: Tensor
    mask_B1SS: Tensor  # bool
    drawing_BNN: Tensor
    rows: Sequence[tuple[int, str, str]]


def sample_batch(
    images: Sequence[TrainingImage],
    features_2NCHW: Tensor,
    numbers: Sequence[int],
    questions_per_image: int,
    drawing_side: int,
    horizontal_flip: float,
    rng: np.random.Generator,
) -> FeatureBatch:
    """Sample the rows of some images. With a mirrored image go its mirrored mask, layout and words left and right.

    Args:
        features_2NCHW: of each image, original and mirrored.
        numbers: indices of the images.
    """
    flips = rng.random(len(numbers)) < horizontal_flip
    chosen = [images[i] for i in numbers]
    masks = [image.mask_1SS.flip(-1) if flip else image.mask_1SS for image, flip in zip(chosen, flips, strict=True)]
    layouts = [torch.from_numpy(draw(mask[0].numpy(), drawing_side)) for mask in masks]
    first, more = [], []
    for k, image in enumerate(chosen):
        for nth, pair in enumerate(rng.permutation(len(image.pairs))[:questions_per_image]):
            question, answer = (mirror_words(text) if flips[k] else text for text in image.pairs[pair])
            (more if nth else first).append((k, question, answer))
    features = torch.stack([features_2NCHW[int(flip), i] for flip, i in zip(flips, numbers, strict=True)])
    return FeatureBatch(features, torch.stack(masks), torch.stack(layouts), [*first, *more])

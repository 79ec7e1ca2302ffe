"""A step's images and question-answer rows for methods that train on features embedded both ways round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.methods.language_base import draw
from prsbench.methods.training_images import TrainingImage
from prsbench.methods.wording import mirror_words
from torch import Tensor


@dataclass(frozen=True, slots=True)
class EmbeddedRows:
    """B images on the CPU and their rows (number of the image, question, answer), every image's first row before the others."""

    features_BCHW: Tensor
    mask_B1SS: Tensor  # bool
    drawing_BNN: Tensor
    rows: Sequence[tuple[int, str, str]]


def draw_rows(
    images: Sequence[TrainingImage],
    features_2NCHW: Tensor,
    numbers: Sequence[int],
    questions_per_image: int,
    drawing_side: int,
    horizontal_flip: float,
    chance: np.random.Generator,
) -> EmbeddedRows:
    """Where an image is flipped, so are its mask, its drawing and the words left and right.

    Args:
        features_2NCHW: of each image as it is, and flipped.
        numbers: which images.
    """
    flips = chance.random(len(numbers)) < horizontal_flip
    chosen = [images[i] for i in numbers]
    masks = [one.mask_1SS.flip(-1) if flip else one.mask_1SS for one, flip in zip(chosen, flips, strict=True)]
    drawings = [torch.from_numpy(draw(mask[0].numpy(), drawing_side)) for mask in masks]
    first, more = [], []
    for k, one in enumerate(chosen):
        for nth, pair in enumerate(chance.permutation(len(one.pairs))[:questions_per_image]):
            question, answer = (mirror_words(text) if flips[k] else text for text in one.pairs[pair])
            (more if nth else first).append((k, question, answer))
    features = torch.stack([features_2NCHW[int(flip), i] for flip, i in zip(flips, numbers, strict=True)])
    return EmbeddedRows(features, torch.stack(masks), torch.stack(drawings), [*first, *more])

"""One training batch for methods on a frozen encoder: features (original or mirrored), masks, question-answer pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.methods.parts.frozen_features.config import MultimodalConfig
from prsbench.methods.parts.language.small_llama import layout_of
from prsbench.methods.parts.training.images import TrainingImage
from prsbench.methods.parts.training.word_augmentation import mirror_words
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """B images and R >= B question-answer pairs; the first B pairs, one per image in order, prompt the masks."""

    features_BCHW: Tensor
    mask_B1SS: Tensor  # float, 0 or 1
    layout_BNN: Tensor
    modalities: Sequence[str]  # of the images
    row_image_R: Tensor
    questions: Sequence[str]
    answers: Sequence[str]


def sample_batch(
    images: Sequence[TrainingImage],
    features_2NCHW: Tensor,
    numbers: Sequence[int],
    config: MultimodalConfig,
    rng: np.random.Generator,
    device: str,
) -> FeatureBatch:
    """Sample mirroring and question-answer pairs of some images. Masks, layouts, left and right are mirrored with the image.

    Args:
        features_2NCHW: of each image, original and mirrored.
        numbers: indices of the images.
    """
    flips = rng.random(len(numbers)) < config.augmentation.horizontal_flip
    chosen = [images[i] for i in numbers]
    masks = [image.mask_1SS.flip(-1) if flip else image.mask_1SS for image, flip in zip(chosen, flips, strict=True)]
    layouts = [torch.from_numpy(layout_of(mask[0].numpy(), config.language.layout_side)) for mask in masks]
    first: list[tuple[int, str, str]] = []
    more: list[tuple[int, str, str]] = []
    for k, image in enumerate(chosen):
        for nth, pair in enumerate(rng.permutation(len(image.pairs))[: config.questions_per_image]):
            question, answer = (mirror_words(text) if flips[k] else text for text in image.pairs[pair])
            (more if nth else first).append((k, question, answer))
    features = torch.stack([features_2NCHW[int(flip), i] for flip, i in zip(flips, numbers, strict=True)])
    row_image, questions, answers = zip(*first, *more, strict=True)
    return FeatureBatch(
        features.to(device).float(),
        torch.stack(masks).to(device).float(),
        torch.stack(layouts).to(device),
        [image.modality for image in chosen],
        torch.tensor(row_image, device=device),
        questions,
        answers,
    )

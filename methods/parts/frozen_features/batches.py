"""One training batch for multimodal methods on a frozen encoder: features of a view, mask, question-answer pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.methods.parts.frozen_features.config import MultimodalConfig
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews, PictureViews
from prsbench.methods.parts.language.small_llama import layout_of
from prsbench.methods.parts.training.augmentation import ImageAndScene, view_of_mask
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """B images and R >= B question-answer pairs; the first B pairs, one per image in order, prompt the masks."""

    features_BCHW: Tensor  # or the images (B, 3, S, S), for a network that holds the encoder
    mask_B1SS: Tensor  # float, 0 or 1
    layout_BNN: Tensor
    modalities: Sequence[str]  # of the images
    row_image_R: Tensor
    questions: Sequence[str]
    answers: Sequence[str]


def sample_batch(
    images: Sequence[ImageAndScene],
    features: FeatureViews | PictureViews,
    numbers: Sequence[int],
    config: MultimodalConfig,
    rng: np.random.Generator,
    device: str,
) -> FeatureBatch:
    """Sample a view and question-answer pairs of some images. Masks, layouts and answers follow the view.

    Args:
        numbers: indices of the images.
    """
    sampled, masks, layouts = [], [], []
    rows: list[tuple[int, int, str, str]] = []
    for k, (image, scene) in enumerate(images[i] for i in numbers):
        view, features_CHW = features.sample(numbers[k], rng)
        mask_HW = scene.mask_in(view)
        sampled.append(features_CHW)
        masks.append(view_of_mask(image.mask_1SS[0].numpy(), view, (config.image_size_px, config.image_size_px)))
        layouts.append(layout_of(mask_HW, config.language.layout_side))
        pairs = scene.sample_pairs(view, mask_HW, config.questions_per_image, config.augmentation.word_dropout, rng)
        rows += [(nth, k, question, answer) for nth, (question, answer, _) in enumerate(pairs)]
    rows.sort(key=lambda row: row[0] > 0)
    _, row_image, questions, answers = zip(*rows, strict=True)
    return FeatureBatch(
        torch.stack(sampled).to(device).float(),
        torch.from_numpy(np.stack(masks))[:, None].to(device).float(),
        torch.from_numpy(np.stack(layouts)).to(device),
        [images[i][0].modality for i in numbers],
        torch.tensor(row_image, device=device),
        questions,
        answers,
    )

"""Training of a multimodal model on a frozen encoder's features of images in a few views: PRS-Med, small LISA and PixelLM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.frozen_features.batches import sample_batch
from prsbench.methods.parts.frozen_features.config import MultimodalConfig
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews, PictureViews
from prsbench.methods.parts.training.augmentation import ImageAndScene
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, steps_per_epoch
from torch import Tensor


def train_on_features(
    model: Any,
    optimizer: torch.optim.Optimizer,
    config: MultimodalConfig,
    images: Sequence[ImageAndScene],
    features: FeatureViews | PictureViews,
    context: FitContext,
    weigh: Callable[[Mapping[str, Tensor], int], Tensor],
) -> Loop:
    """Train in place and return the loop with its losses.

    Args:
        model: a module whose `losses` gives unweighted loss terms of a `FeatureBatch`.
        weigh: the loss, from its terms and the epoch (0 for the first).

    Raises:
        PrsbenchError: a loss is not finite; the error names the images.
    """
    n_steps = steps_per_epoch(len(images), config.batch_size)
    model.to(context.device)
    loop = Loop.of(config, model, optimizer, n_steps, [image.modality for image, _ in images], context)

    def sample_step() -> Step:
        numbers = loop.numbers(len(images), config.batch_size)
        batch = sample_batch(images, features, numbers, config, loop.rng, context.device)
        return Step([MicroBatch(lambda: model.losses(batch), {})], [images[i][0].image_id for i in numbers])

    loop.run(sample_step, lambda terms: weigh(terms, loop.step // n_steps))
    return loop

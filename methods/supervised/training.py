"""Training of the supervised references, with the data, image size, augmentation and budget of CG-Reasoner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.images import z_score
from prsbench.methods.parts.training.augmentation import AugmentationRange, jitter_intensity, view_of_images, view_of_mask
from prsbench.methods.parts.training.config import ImageAugmentationConfig
from prsbench.methods.parts.training.images import read_ahead, training_images
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, steps_per_epoch
from prsbench.methods.parts.training.lora import adamw
from prsbench.methods.parts.training.losses import dice_and_bce
from prsbench.methods.supervised.config import SupervisedConfig
from prsbench.methods.supervised.networks import deep_supervision_weights
from torch import Tensor, nn


def train(network: nn.Module, config: SupervisedConfig, samples: Sequence[Sample], context: FitContext) -> Loop:
    """Train in place and return the loop with its losses.

    Raises:
        PrsbenchError: a loss is not finite; the error names the images.
    """
    images = training_images(samples, config.image_size_px)
    network.to(context.device)
    of_encoder = {} if config.encoder_learning_rate is None else {"encoder.": config.encoder_learning_rate}
    optimizer = adamw(network, {**of_encoder, "new": config.learning_rate}, config.weight_decay, config.adam_eps)
    modalities = [image.modality for image in images]
    epoch_steps = steps_per_epoch(len(images), config.batch_size)
    loop = Loop.of(config, network, optimizer, epoch_steps, modalities, context, config.amp)

    def sample_step() -> Step:
        chosen = [images[i] for i in loop.numbers(len(images), config.batch_size)]
        read_ahead(images[i] for i in loop.soon)
        image = torch.stack([one.image_3SS for one in chosen]).to(context.device)
        mask = torch.stack([one.mask_1SS for one in chosen]).to(context.device)
        image, mask = augmented(image, mask, config.augmentation, loop.rng)
        return Step([MicroBatch(lambda: {"loss": _loss(network, image, mask)}, {})], [one.image_id for one in chosen])

    loop.run(sample_step, lambda terms: terms["loss"])
    return loop


def _loss(network: nn.Module, image_B3SS: Tensor, mask_B1SS: Tensor) -> Tensor:
    logits = network(z_score(image_B3SS))
    with torch.autocast(image_B3SS.device.type, enabled=False):
        return segmentation_loss(logits.float(), mask_B1SS)


def segmentation_loss(logits: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Soft Dice + mean binary cross-entropy; (B, K, 1, S, S) logits are weighted by resolution."""
    if logits.ndim == 4:
        return dice_and_bce(logits, mask_B1SS)
    weights = deep_supervision_weights(logits.shape[1])
    return torch.stack([w * segmentation_loss(logits[:, k], mask_B1SS) for k, w in enumerate(weights)]).sum()


def augmented(
    image_B3SS: Tensor, mask_B1SS: Tensor, config: ImageAugmentationConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Float images in [0, 1] and float masks in random views; gamma, contrast and brightness are jitter_intensity per image."""
    augmentation = AugmentationRange.of(config)
    views = [augmentation.sample(rng) for _ in image_B3SS]
    image = view_of_images(image_B3SS.float() / 255, views)
    masks = [view_of_mask(one[0].cpu().numpy(), view, one.shape[-2:]) for one, view in zip(mask_B1SS, views, strict=True)]
    mask = torch.from_numpy(np.stack(masks))[:, None].to(image)
    return jitter_intensity(image, config.intensity_jitter, rng), mask

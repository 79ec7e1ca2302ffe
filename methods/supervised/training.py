"""One training for all supervised references: the data, image size, augmentation and budget of CG-Reasoner."""

# B batch, S side of the square input, K supervised resolutions

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.mask_loss import dice_and_bce
from prsbench.methods.supervised.config import SupervisedConfig
from prsbench.methods.supervised.networks import deep_supervision_weights, z_score
from prsbench.methods.training_images import batches, cosine, descend, jittered, training_images
from torch import Tensor, nn


def train(network: nn.Module, config: SupervisedConfig, samples: Sequence[Sample], context: FitContext) -> list[float]:
    """Train in place; returns the loss of every step. A loss that is not finite stops and names the images."""
    images = training_images(samples, config.image_size_px)
    chance = np.random.default_rng(context.seed)
    steps = config.epochs * math.ceil(len(images) / config.batch_size)
    network.to(context.device).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, eps=config.adam_eps
    )
    schedule = cosine(optimizer, steps, config.warmup_steps, config.final_learning_rate / config.learning_rate)
    amp = config.amp and context.device.startswith("cuda")
    history = []
    for step, numbers in enumerate(batches(len(images), config.epochs, config.batch_size, chance)):
        chosen = [images[i] for i in numbers]
        image = torch.stack([one.image_3SS for one in chosen]).to(context.device)
        mask = torch.stack([one.mask_1SS for one in chosen]).to(context.device)
        image, mask = augmented(image, mask, config, chance)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
            logits = network(z_score(image))
        loss = segmentation_loss(logits.float(), mask)
        if not torch.isfinite(loss):
            raise PrsbenchError(
                f"Step {step}: the loss is not finite on images {[one.image_id for one in chosen]}. "
                "Lower the learning rate or look at those images."
            )
        descend(loss, network.parameters(), optimizer, schedule, config.gradient_clip)
        history.append(loss.item())
        context.progress(step + 1, steps, f"loss {loss.item():.3f}")
    network.eval()
    return history


def segmentation_loss(logits: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Soft Dice + mean binary cross-entropy; (B, K, 1, S, S) logits are weighted by resolution."""
    if logits.ndim == 4:
        return dice_and_bce(logits, mask_B1SS)
    weights = deep_supervision_weights(logits.shape[1])
    return torch.stack([w * segmentation_loss(logits[:, k], mask_B1SS) for k, w in enumerate(weights)]).sum()


def augmented(
    image_B3SS: Tensor, mask_B1SS: Tensor, config: SupervisedConfig, chance: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Float image in [0, 1] and float mask, some flipped left to right; gamma, contrast and brightness jittered per image."""
    image, mask = image_B3SS.float() / 255, mask_B1SS.float()
    for k in np.flatnonzero(chance.random(len(image)) < config.horizontal_flip):
        image[k], mask[k] = image[k].flip(-1), mask[k].flip(-1)
    return jittered(image, config.intensity_jitter, chance), mask

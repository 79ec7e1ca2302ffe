"""One training for all supervised references: the data, image size, augmentation and budget of CG-Reasoner."""

# B batch, S side of the square input, K supervised resolutions

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from monai.losses import DiceLoss
from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.supervised.config import SupervisedConfig
from prsbench.methods.supervised.networks import deep_supervision_weights, z_score
from torch import Tensor, nn
from torch.nn import functional as F

_dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)  # smooth 1: an empty truth with an empty prediction costs 0


def resize(image: np.ndarray, side_px: int) -> Tensor:
    """(H, W, C) uint8 or bool to (C, S, S) float32, bilinear with antialiasing; the aspect is not kept."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    return F.interpolate(tensor, size=(side_px, side_px), mode="bilinear", antialias=True)[0]


def prepare(samples: Sequence[Sample], side_px: int) -> tuple[list[str], Tensor, Tensor]:
    """Ids, images (N, 3, S, S) uint8 and masks (N, 1, S, S) bool, each image once however many questions ask about it."""
    prepared: dict[str, tuple[Tensor, Tensor]] = {}
    for sample in samples:
        image_id = sample.sample_id.rpartition("#")[0] or sample.sample_id
        if image_id not in prepared:
            image = resize(sample.query.image, side_px).round().clamp(0, 255).to(torch.uint8)
            prepared[image_id] = image, resize(sample.truth.mask[..., None], side_px) >= 0.5
    if not prepared:
        raise DataError("The training split is empty. Check the data set's splits.")
    images, masks = zip(*prepared.values(), strict=True)
    return list(prepared), torch.stack(images), torch.stack(masks)


def train(network: nn.Module, config: SupervisedConfig, samples: Sequence[Sample], context: FitContext) -> list[float]:
    """Train in place; returns the loss of every step. A loss that is not finite stops and names the images."""
    ids, images, masks = prepare(samples, config.image_size_px)
    chance = np.random.default_rng(context.seed)
    steps = config.epochs * math.ceil(len(ids) / config.batch_size)
    optimizer, schedule = _optimizer(network, config, steps)
    network.to(context.device).train()
    amp = config.amp and context.device.startswith("cuda")
    history = []
    for step, chosen in enumerate(_batches(len(ids), config, chance)):
        image, mask = augmented(images[chosen].to(context.device), masks[chosen].to(context.device), config, chance)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
            logits = network(z_score(image))
        loss = segmentation_loss(logits.float(), mask)
        if not torch.isfinite(loss):
            raise PrsbenchError(
                f"Step {step}: the loss is not finite on images {[ids[i] for i in chosen]}. "
                "Lower the learning rate or look at those images."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimizer.step()
        schedule.step()
        history.append(loss.item())
        context.progress(step + 1, steps, f"loss {loss.item():.3f}")
    network.eval()
    return history


def segmentation_loss(logits: Tensor, mask_B1SS: Tensor) -> Tensor:
    """Soft Dice + mean binary cross-entropy; (B, K, 1, S, S) logits are weighted by resolution."""
    if logits.ndim == 4:
        return _dice(logits, mask_B1SS) + F.binary_cross_entropy_with_logits(logits, mask_B1SS)
    weights = deep_supervision_weights(logits.shape[1])
    return torch.stack([w * segmentation_loss(logits[:, k], mask_B1SS) for k, w in enumerate(weights)]).sum()


def augmented(
    image_B3SS: Tensor, mask_B1SS: Tensor, config: SupervisedConfig, chance: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Float image in [0, 1] and float mask, some flipped left to right; gamma, contrast and brightness jittered per image."""
    image, mask = image_B3SS.float() / 255, mask_B1SS.float()
    for k in np.flatnonzero(chance.random(len(image)) < config.horizontal_flip):
        image[k], mask[k] = image[k].flip(-1), mask[k].flip(-1)
    reach = config.intensity_jitter
    gamma, contrast, brightness = torch.from_numpy(chance.uniform(-reach, reach, (3, len(image), 1, 1, 1))).to(image)
    mean = image.mean((1, 2, 3), keepdim=True)
    return ((image.clamp(min=1e-6) ** (1 + gamma) - mean) * (1 + contrast) + mean + brightness / 2).clamp(0, 1), mask


def _batches(count: int, config: SupervisedConfig, chance: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(config.epochs):
        order = chance.permutation(count)
        yield from (order[start : start + config.batch_size] for start in range(0, count, config.batch_size))


def _optimizer(network: nn.Module, config: SupervisedConfig, steps: int):
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, eps=config.adam_eps
    )
    floor = config.final_learning_rate / config.learning_rate

    def factor(step: int) -> float:
        if step < config.warmup_steps:
            return (step + 1) / config.warmup_steps
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

"""Training of LISA and PixelLM at the embedded size, on the frozen encoder's features of images and mirror images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.frozen_features.batches import sample_batch
from prsbench.methods.parts.seg_token.config import TinyConfig
from prsbench.methods.parts.seg_token.tiny_network import Batch, MaskTokenSegmenter, asking
from prsbench.methods.parts.training.images import TrainingImage
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, steps_per_epoch
from prsbench.methods.parts.training.losses import weighted
from prsbench.methods.parts.training.schedule import cosine
from torch import Tensor


def train(
    model: MaskTokenSegmenter, features_2NCHW: Tensor, config: TinyConfig, images: Sequence[TrainingImage], context: FitContext
) -> Loop:
    """Train in place and return the loop with its losses.

    Args:
        features_2NCHW: of each image and of its mirror image.

    Raises:
        PrsbenchError: a loss is not finite; the error names the images.
    """
    steps = config.epochs * steps_per_epoch(len(images), config.batch_size)
    model.to(context.device)
    optimizer = _optimizer(model, config)
    schedule = cosine(optimizer, steps, config.warmup_steps, config.final_learning_rate / config.learning_rate)
    weight = {
        "text": config.text_weight,
        "bce": config.bce_weight,
        "dice": config.dice_weight,
        "alignment": config.alignment_weight,
    }
    loop = Loop(model, optimizer, schedule, steps, context, config.gradient_clip)

    def sample_step() -> Step:
        numbers = loop.numbers(len(images), config.batch_size)
        batch = collate(images, features_2NCHW, numbers, config, model.decoder.tokens, loop.chance, context.device)
        return Step([MicroBatch(lambda: model.losses(batch), {})], [images[i].image_id for i in numbers])

    loop.run(sample_step, lambda terms: weighted(terms, weight))
    return loop


def collate(
    images: Sequence[TrainingImage],
    features_2NCHW: Tensor,
    numbers: Sequence[int],
    config: TinyConfig,
    tokens: Sequence[str],
    rng: np.random.Generator,
    device: str,
) -> Batch:
    """A step's batch; see `sample_batch`. The answer for an empty mask gets no [SEG] tokens."""
    step = sample_batch(
        images, features_2NCHW, numbers, config.questions_per_image, config.language.drawing_side, config.horizontal_flip, rng
    )
    pairs = [(k, question, asking(answer, tokens) if step.mask_B1SS[k].any() else answer) for k, question, answer in step.rows]
    row_image, questions, answers = zip(*pairs, strict=True)
    return Batch(
        step.features_BCHW.to(device).float(),
        step.mask_B1SS.to(device).float(),
        step.drawing_BNN.to(device),
        torch.tensor(row_image, device=device),
        questions,
        answers,
    )


def _optimizer(model: MaskTokenSegmenter, config: TinyConfig) -> torch.optim.Optimizer:
    rates = {"lora": config.lora_learning_rate, "decoder": config.decoder_learning_rate, "new": config.learning_rate}
    groups: dict[str, list[Tensor]] = {name: [] for name in rates}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups["lora" if "lora_" in name else "decoder" if name.startswith("decoder.") else "new"].append(parameter)
    return torch.optim.AdamW(
        [{"params": groups[name], "lr": rate} for name, rate in rates.items()], weight_decay=config.weight_decay
    )

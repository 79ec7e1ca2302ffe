"""Training of PRS-Med at the embedded size, on the frozen encoder's features of images and mirror images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.frozen_features.batches import sample_batch
from prsbench.methods.parts.training.images import TrainingImage
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, steps_per_epoch
from prsbench.methods.parts.training.losses import weighted
from prsbench.methods.parts.training.schedule import cosine
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.model import CLASS_IDS, Batch, PRSMed
from torch import Tensor


def train(
    model: PRSMed, features_2NCHW: Tensor, config: PRSMedConfig, images: Sequence[TrainingImage], context: FitContext
) -> Loop:
    """Train in place and return the loop with its losses.

    Args:
        features_2NCHW: of each image and of its mirror image.

    Raises:
        PrsbenchError: a loss is not finite; the error names the images.
        DataError: the public code has no class for a modality.
    """
    unknown = {one.modality for one in images} - set(CLASS_IDS)
    if unknown:
        raise DataError(f"PRS-Med has no class for modality {', '.join(sorted(unknown))}. Known: {', '.join(CLASS_IDS)}.")
    n_steps = steps_per_epoch(len(images), config.batch_size)
    steps = config.epochs * n_steps
    model.to(context.device)
    optimizer = _optimizer(model, config)
    schedule = cosine(optimizer, steps, config.warmup_steps, config.final_learning_rate / config.learning_rate)
    loop = Loop(model, optimizer, schedule, steps, context, config.gradient_clip)

    def sample_step() -> Step:
        numbers = loop.numbers(len(images), config.batch_size)
        batch = collate(images, features_2NCHW, numbers, config, loop.chance, context.device)
        return Step([MicroBatch(lambda: model.losses(batch), {})], [images[i].image_id for i in numbers])

    loop.run(sample_step, lambda terms: weighted_sum(terms, config, epoch=loop.step // n_steps))
    return loop


def weighted_sum(terms: Mapping[str, Tensor], config: PRSMedConfig, epoch: int) -> Tensor:
    """Structure loss + CE of the text + 0.5 * CE of the modality (first 5 epochs) + our alignment loss."""
    weight = {
        "segmentation": 1.0,
        "text": config.text_weight,
        "alignment": config.alignment_weight,
        "modality": config.modality_weight if epoch < config.modality_epochs else 0.0,
    }
    return weighted(terms, weight)


def collate(
    images: Sequence[TrainingImage],
    features_2NCHW: Tensor,
    numbers: Sequence[int],
    config: PRSMedConfig,
    rng: np.random.Generator,
    device: str,
) -> Batch:
    """A step's batch; see `sample_batch`."""
    step = sample_batch(
        images, features_2NCHW, numbers, config.questions_per_image, config.language.drawing_side, config.horizontal_flip, rng
    )
    row_image, questions, answers = zip(*step.rows, strict=True)
    return Batch(
        step.features_BCHW.to(device).float(),
        step.mask_B1SS.to(device).float(),
        step.drawing_BNN.to(device),
        torch.tensor([CLASS_IDS[images[i].modality] for i in numbers], device=device),
        torch.tensor(row_image, device=device),
        questions,
        answers,
    )


def _optimizer(model: PRSMed, config: PRSMedConfig) -> torch.optim.Optimizer:
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    lora = [p for name, p in named if "lora_" in name]
    new = [p for name, p in named if "lora_" not in name]
    groups = [{"params": lora, "lr": config.lora_learning_rate}, {"params": new, "lr": config.learning_rate}]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)

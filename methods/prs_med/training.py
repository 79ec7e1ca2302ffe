"""The training of PRS-Med at the embedded size: images embedded once, both ways round; everything behind the encoder trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.language_base import draw
from prsbench.methods.lite_medsam_features import LiteMedSAMEncoder, embed_both_ways
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.model import CLASS_IDS, Batch, PRSMed
from prsbench.methods.training_images import TrainingImage, batches, cosine, descend, weighted
from prsbench.methods.wording import mirror_words
from torch import Tensor


def train(
    model: PRSMed, encoder: LiteMedSAMEncoder, config: PRSMedConfig, images: Sequence[TrainingImage], context: FitContext
) -> list[dict[str, float]]:
    """Train in place; returns the loss terms of every step. A loss that is not finite stops and names the images."""
    unknown = {one.modality for one in images} - set(CLASS_IDS)
    if unknown:
        raise DataError(f"PRS-Med has no class for modality {', '.join(sorted(unknown))}. Known: {', '.join(CLASS_IDS)}.")
    chance = np.random.default_rng(context.seed)
    per_epoch = math.ceil(len(images) / config.batch_size)
    steps = config.epochs * per_epoch
    features = embed_both_ways(encoder, [one.image_3SS for one in images], config.feature_side, context)
    optimizer = _optimizer(model, config)
    schedule = cosine(optimizer, steps, config.warmup_steps, config.final_learning_rate / config.learning_rate)
    model.to(context.device).train()
    history = []
    for step, numbers in enumerate(batches(len(images), config.epochs, config.batch_size, chance)):
        terms = model.losses(collate(images, features, numbers, config, chance, context.device))
        loss = weighted_sum(terms, config, epoch=step // per_epoch)
        if not torch.isfinite(loss):
            raise PrsbenchError(
                f"Step {step}: the loss is not finite on images {[images[i].image_id for i in numbers]}. "
                "Lower the learning rate or look at those images."
            )
        trainable = (p for p in model.parameters() if p.requires_grad)
        descend(loss, trainable, optimizer, schedule, config.gradient_clip)
        history.append({"step": step, "loss": loss.item(), **{name: term.item() for name, term in terms.items()}})
        context.progress(step + 1, steps, f"loss {loss.item():.3f}")
    model.eval()
    return history


def weighted_sum(terms: dict[str, Tensor], config: PRSMedConfig, epoch: int) -> Tensor:
    """structure loss + CE of the text + 0.5 * CE of the modality (first 5 epochs), plus our alignment."""
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
    numbers: np.ndarray,
    config: PRSMedConfig,
    chance: np.random.Generator,
    device: str,
) -> Batch:
    """A step's batch; where an image is flipped, so are its mask, its drawing and the words left and right."""
    flips = chance.random(len(numbers)) < config.horizontal_flip
    chosen = [images[i] for i in numbers]
    masks = [one.mask_1SS.flip(-1) if flip else one.mask_1SS for one, flip in zip(chosen, flips, strict=True)]
    drawings = [torch.from_numpy(draw(mask[0].numpy(), config.language.drawing_side)) for mask in masks]
    first, more = [], []  # the first row of every image, then the others
    for k, one in enumerate(chosen):
        for nth, pair in enumerate(chance.permutation(len(one.pairs))[: config.questions_per_image]):
            words = [mirror_words(text) if flips[k] else text for text in one.pairs[pair]]
            (more if nth else first).append((k, *words))
    row_image, questions, answers = zip(*first, *more, strict=True)
    return Batch(
        torch.stack([features_2NCHW[int(flip), i] for flip, i in zip(flips, numbers, strict=True)]).to(device),
        torch.stack(masks).to(device).float(),
        torch.stack(drawings).to(device),
        torch.tensor([CLASS_IDS[one.modality] for one in chosen], device=device),
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

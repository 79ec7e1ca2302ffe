"""The training of CG-Reasoner: images prepared once, question and answer drawn per epoch, one LLM pass per step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner, weighted_sum
from prsbench.methods.language_base import draw
from prsbench.methods.sentence_encoder import sentence_encoder
from prsbench.methods.training_images import TrainingImage, batches, cosine, descend, image_id, jittered, training_images
from prsbench.methods.wording import drop_words, mirror_words
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """One training image with what is read off its mask at native size."""

    training: TrainingImage
    drawing_NN: Tensor  # int64 levels
    centroid: tuple[float, float]  # NaN if the mask is empty


def prepare(samples: Sequence[Sample], side_px: int, drawing_side: int) -> list[PreparedImage]:
    """Every image once, however many questions are asked about it.

    Raises:
        DataError: there is no sample.
    """
    masks: dict[str, np.ndarray] = {}
    for sample in samples:
        masks.setdefault(image_id(sample), sample.truth.mask)
    prepared = []
    for one in training_images(samples, side_px):
        point = centroid(masks[one.image_id])
        place = (point.x, point.y) if point else (math.nan, math.nan)
        prepared.append(PreparedImage(one, torch.from_numpy(draw(masks[one.image_id], drawing_side)), place))
    return prepared


def train(model: CGReasoner, config: CGReasonerConfig, samples: Sequence[Sample], context: FitContext) -> list[dict[str, float]]:
    """Train in place; returns the loss terms of every step. A non-finite loss stops and names the samples."""
    images = prepare(samples, config.image_size_px, config.language.drawing_side)
    chance = np.random.default_rng(context.seed)
    steps = config.epochs * math.ceil(len(images) / config.batch_size)
    optimizer, schedule = _optimizer(model, config, steps)
    model.to(context.device).train()
    amp = config.amp and context.device.startswith("cuda")
    history = []
    for step, numbers in enumerate(batches(len(images), config.epochs, config.batch_size, chance)):
        chosen = [images[i] for i in numbers]
        batch = _collate(chosen, config, chance, context.device, with_reference=model.bridge is not None)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
            terms = model.losses(batch)
        loss = weighted_sum(terms, config)
        if not torch.isfinite(loss):
            values = {name: term.item() for name, term in terms.items()}
            raise PrsbenchError(
                f"Step {step}: the loss is not finite ({values}) on samples {[i.training.image_id for i in chosen]}. "
                "Lower the learning rate or look at those images."
            )
        trainable = (p for p in model.parameters() if p.requires_grad)
        descend(loss, trainable, optimizer, schedule, config.gradient_clip)
        history.append({"step": step, "loss": loss.item(), **{name: term.item() for name, term in terms.items()}})
        context.progress(step + 1, steps, f"loss {loss.item():.3f}")
    model.eval()
    return history


def _optimizer(model: CGReasoner, config: CGReasonerConfig, steps: int):
    rates = {"backbone": config.backbone_learning_rate, "lora": config.lora_learning_rate, "new": config.learning_rate}
    groups: dict[str, list[Tensor]] = {name: [] for name in rates}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = "backbone" if name.startswith("encoder.backbone.") else "lora" if "lora_" in name else "new"
            groups[part].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": groups[name], "lr": rate} for name, rate in rates.items()],
        weight_decay=config.weight_decay,
        eps=config.adam_eps,
    )
    floor = config.final_learning_rate / config.learning_rate
    return optimizer, cosine(optimizer, steps, config.warmup_steps, floor)


def _collate(
    chosen: Sequence[PreparedImage], config: CGReasonerConfig, chance: np.random.Generator, device: str, with_reference: bool
) -> Batch:
    image = torch.stack([i.training.image_3SS for i in chosen]).to(device).float() / 255
    mask = torch.stack([i.training.mask_1SS for i in chosen]).to(device).float()
    place = torch.tensor([i.centroid for i in chosen], device=device)
    drawing = torch.stack([i.drawing_NN for i in chosen]).to(device)
    flips = chance.random(len(chosen)) < config.horizontal_flip
    for k in np.flatnonzero(flips):
        image[k], mask[k], drawing[k] = image[k].flip(-1), mask[k].flip(-1), drawing[k].flip(-1)
        place[k, 0] = -place[k, 0]
    image = jittered(image, config.intensity_jitter, chance)
    first, more = [], []  # the first row of every image, then the others
    for k, prepared in enumerate(chosen):
        for nth, pair in enumerate(chance.permutation(len(prepared.training.pairs))[: config.questions_per_image]):
            question, answer = (mirror_words(words) if flips[k] else words for words in prepared.training.pairs[pair])
            (more if nth else first).append((k, drop_words(question, config.word_dropout, chance), answer))
    row_image, questions, answers = zip(*first, *more, strict=True)
    reference = sentence_encoder(device).encode(answers).to(device) if with_reference else None
    return Batch(image, mask, drawing, place, torch.tensor(row_image, device=device), reference, questions, answers)

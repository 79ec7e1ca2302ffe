"""The training of CG-Reasoner: images prepared once, question and answer drawn per epoch, one LLM pass per step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner, weighted_sum
from prsbench.methods.language_base import draw
from prsbench.methods.sentence_encoder import sentence_encoder
from prsbench.methods.wording import drop_words, mirror_words
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """One training image at the network's size, with every question and answer asked about it."""

    sample_id: str
    image_3SS: Tensor  # uint8
    mask_1SS: Tensor  # bool
    drawing_NN: Tensor  # int64 levels
    centroid: tuple[float, float]  # NaN if the mask is empty
    pairs: tuple[tuple[str, str], ...]


def resize_image(image: np.ndarray, side_px: int) -> Tensor:
    """(H, W, 3) uint8 to (3, side, side) uint8, bilinear with antialiasing; the aspect is not kept, as positions are relative."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    resized = torch.nn.functional.interpolate(tensor, size=(side_px, side_px), mode="bilinear", antialias=True)
    return resized[0].round().clamp(0, 255).to(torch.uint8)


def prepare(samples: Sequence[Sample], side_px: int, drawing_side: int) -> list[PreparedImage]:
    """Decode and resize each image once, however many questions are asked about it."""
    rows: dict[str, list[Sample]] = defaultdict(list)
    prepared = []
    for sample in samples:
        image_id = sample.sample_id.rpartition("#")[0] or sample.sample_id
        rows[image_id].append(sample)
        if len(rows[image_id]) > 1:
            continue
        mask = torch.from_numpy(sample.truth.mask)[None, None].float()
        mask = torch.nn.functional.interpolate(mask, size=(side_px, side_px), mode="bilinear", antialias=True)[0] >= 0.5
        point = centroid(sample.truth.mask)
        place = (point.x, point.y) if point else (math.nan, math.nan)
        drawing = torch.from_numpy(draw(sample.truth.mask, drawing_side))
        prepared.append((image_id, resize_image(sample.query.image, side_px), mask, drawing, place))
    return [PreparedImage(*parts, pairs=tuple((s.query.question, s.truth.answer) for s in rows[parts[0]])) for parts in prepared]


def train(model: CGReasoner, config: CGReasonerConfig, samples: Sequence[Sample], context: FitContext) -> list[dict[str, float]]:
    """Train in place; returns the loss terms of every step. A non-finite loss stops and names the samples."""
    images = prepare(samples, config.image_size_px, config.language.drawing_side)
    if not images:
        raise DataError("CG-Reasoner: the training split is empty. Check the data set's splits.")
    chance = np.random.default_rng(context.seed)
    steps = config.epochs * math.ceil(len(images) / config.batch_size)
    optimizer, schedule = _optimizer(model, config, steps)
    model.to(context.device).train()
    amp = config.amp and context.device.startswith("cuda")
    history = []
    for step, chosen in enumerate(_epochs(images, config, chance)):
        batch = _collate(chosen, config, chance, context.device, with_reference=model.bridge is not None)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
            terms = model.losses(batch)
        loss = weighted_sum(terms, config)
        if not torch.isfinite(loss):
            values = {name: term.item() for name, term in terms.items()}
            raise PrsbenchError(
                f"Step {step}: the loss is not finite ({values}) on samples {[i.sample_id for i in chosen]}. "
                "Lower the learning rate or look at those images."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_((p for p in model.parameters() if p.requires_grad), config.gradient_clip)
        optimizer.step()
        schedule.step()
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

    def factor(step: int) -> float:
        if step < config.warmup_steps:
            return (step + 1) / config.warmup_steps
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _epochs(
    images: Sequence[PreparedImage], config: CGReasonerConfig, chance: np.random.Generator
) -> Iterator[list[PreparedImage]]:
    for _ in range(config.epochs):
        order = chance.permutation(len(images))
        for start in range(0, len(order), config.batch_size):
            yield [images[i] for i in order[start : start + config.batch_size]]


def _collate(
    chosen: Sequence[PreparedImage], config: CGReasonerConfig, chance: np.random.Generator, device: str, with_reference: bool
) -> Batch:
    image = torch.stack([i.image_3SS for i in chosen]).to(device).float() / 255
    mask = torch.stack([i.mask_1SS for i in chosen]).to(device).float()
    place = torch.tensor([i.centroid for i in chosen], device=device)
    drawing = torch.stack([i.drawing_NN for i in chosen]).to(device)
    flips = chance.random(len(chosen)) < config.horizontal_flip
    for k in np.flatnonzero(flips):
        image[k], mask[k], drawing[k] = image[k].flip(-1), mask[k].flip(-1), drawing[k].flip(-1)
        place[k, 0] = -place[k, 0]
    image = _jitter(image, config.intensity_jitter, chance)
    first, more = [], []  # the first row of every image, then the others
    for k, prepared in enumerate(chosen):
        for nth, pair in enumerate(chance.permutation(len(prepared.pairs))[: config.questions_per_image]):
            question, answer = (mirror_words(words) if flips[k] else words for words in prepared.pairs[pair])
            (more if nth else first).append((k, drop_words(question, config.word_dropout, chance), answer))
    row_image, questions, answers = zip(*first, *more, strict=True)
    reference = sentence_encoder(device).encode(answers).to(device) if with_reference else None
    return Batch(image, mask, drawing, place, torch.tensor(row_image, device=device), reference, questions, answers)


def _jitter(image_B3SS: Tensor, reach: float, chance: np.random.Generator) -> Tensor:
    """Per-image gamma, contrast and brightness, each by up to `reach`."""
    gamma, contrast, brightness = torch.from_numpy(chance.uniform(-reach, reach, (3, len(image_B3SS), 1, 1, 1))).to(
        image_B3SS.device, image_B3SS.dtype
    )
    mean = image_B3SS.mean((1, 2, 3), keepdim=True)
    return (((image_B3SS.clamp(min=1e-6) ** (1 + gamma)) - mean) * (1 + contrast) + mean + brightness / 2).clamp(0, 1)

"""The training of CG-Reasoner: images prepared once, question and answer drawn per epoch, one LLM pass per step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods import data_parallel
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner, weighted_sum
from prsbench.methods.language_base import answer_ids, draw
from prsbench.methods.sentence_encoder import sentence_encoder
from prsbench.methods.training_images import TrainingImage, cosine, relit, training_images
from prsbench.methods.training_loop import Loop, Part, Step, Validation, steps_an_epoch
from prsbench.methods.views import Reach, Scene, View, scenes, view_of_images, view_of_mask
from prsbench.methods.wording import drop_words
from torch import Tensor

# Validation asks one whole question of each image as it is: cheap, and the same every epoch.
AS_IT_IS: Mapping[str, object] = {
    "horizontal_flip": 0.0,
    "shift": 0.0,
    "zoom": 0.0,
    "intensity_jitter": 0.0,
    "word_dropout": 0.0,
    "questions_per_image": 1,
}


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """One training image at the network's size, and its scene: mask, questions and answers, however it is shown."""

    training: TrainingImage
    scene: Scene


def prepare(samples: Sequence[Sample], side_px: int) -> list[PreparedImage]:
    """Every image once, however many questions are asked about it.

    Raises:
        DataError: there is no sample.
    """
    return [PreparedImage(one, scene) for one, scene in zip(training_images(samples, side_px), scenes(samples), strict=True)]


def train(
    model: CGReasoner, config: CGReasonerConfig, samples: Sequence[Sample], val: Sequence[Sample], context: FitContext
) -> Loop:
    """Train in place; returns the loop with its losses. A non-finite loss stops and names the samples."""
    images = prepare(samples, config.image_size_px)
    size = config.batch_size * config.accumulate * data_parallel.workers()
    per_epoch = steps_an_epoch(len(images), size)
    steps = config.epochs * per_epoch
    model.to(context.device)
    optimizer, schedule = _optimizer(model, config, steps)
    loop = Loop(model, optimizer, schedule, steps, context, config.gradient_clip, config.amp)

    def part(shown: Sequence[Shown]) -> Part:
        batch = _batch(shown, config.language.drawing_side, context.device, with_reference=model.bridge is not None)
        return Part(lambda: model.losses(batch), _counts(batch, model))

    def draw_step() -> Step:
        chosen = [images[i] for i in loop.numbers(len(images), size)]
        mine = _draw(chosen, config, loop.chance)[data_parallel.share(chosen)]
        return Step([part(some) for some in _cut(mine, config.batch_size)], [one.training.image_id for one in chosen])

    def validation_parts() -> Iterator[Part]:
        shown = _draw(unseen, config.model_copy(update=AS_IT_IS), np.random.default_rng(0))
        yield from map(part, _cut(shown, config.batch_size))

    if config.keep == "best" and not len(val):
        raise DataError("keep: best needs a val split, and no data set has one. Set keep: last.")
    unseen = prepare(val, config.image_size_px) if len(val) else []
    validation = Validation(validation_parts, per_epoch, config.keep) if unseen else None
    loop.run(draw_step, lambda terms: weighted_sum(terms, config), validation)
    return loop


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


def _cut(shown: Sequence[Shown], size: int) -> list[Sequence[Shown]]:
    return [shown[start : start + size] for start in range(0, len(shown), size)]


@dataclass(frozen=True, slots=True)
class Shown:
    """How one image is shown in a step: its view, its light (gamma, contrast, brightness), its questions and answers."""

    prepared: PreparedImage
    view: View
    seen_HW: np.ndarray  # bool, in the image's own proportions
    light_3: np.ndarray
    rows: Sequence[tuple[str, str]]


def _draw(chosen: Sequence[PreparedImage], config: CGReasonerConfig, chance: np.random.Generator) -> list[Shown]:
    """All choices of a step, whoever will make tensors of them."""
    reach = Reach(left_right=config.horizontal_flip, shift=config.shift, zoom=config.zoom)
    light_3B = chance.uniform(-config.intensity_jitter, config.intensity_jitter, (3, len(chosen)))
    shown = []
    for k, prepared in enumerate(chosen):
        scene = prepared.scene
        view, seen_HW = scene.view(reach, chance)
        pairs = scene.said(view, seen_HW, chance.permutation(len(scene.pairs))[: config.questions_per_image])
        rows = [(drop_words(question, config.word_dropout, chance), answer) for question, answer in pairs]
        shown.append(Shown(prepared, view, seen_HW, light_3B[:, k], rows))
    return shown


def _batch(shown: Sequence[Shown], drawing_side: int, device: str, with_reference: bool) -> Batch:
    image = torch.stack([one.prepared.training.image_3SS for one in shown]).to(device).float() / 255
    image = view_of_images(image, [one.view for one in shown])
    side = image.shape[-1]
    masks = [view_of_mask(one.prepared.training.mask_1SS[0].numpy(), one.view, (side, side)) for one in shown]
    mask = torch.from_numpy(np.stack(masks))[:, None].to(device).float()
    drawing = torch.from_numpy(np.stack([draw(one.seen_HW, drawing_side) for one in shown])).to(device)
    points = [centroid(one.seen_HW) for one in shown]
    place = torch.tensor([(point.x, point.y) if point else (math.nan, math.nan) for point in points], device=device)
    image = relit(image, np.stack([one.light_3 for one in shown], axis=1))
    rows = [(nth, k, *row) for k, one in enumerate(shown) for nth, row in enumerate(one.rows)]
    rows.sort(key=lambda row: row[0] > 0)  # the first row of every image, then the others
    _, row_image, questions, answers = zip(*rows, strict=True)
    reference = sentence_encoder(device).encode(answers).to(device) if with_reference else None
    return Batch(image, mask, drawing, place, torch.tensor(row_image, device=device), reference, questions, answers)


def _counts(batch: Batch, model: CGReasoner) -> dict[str, int]:
    """Of how many things each term of `CGReasoner.losses` is the mean."""
    images, rows = len(batch.image_B3SS), len(batch.answers)
    return {
        "segmentation": images,
        "text": sum(len(answer_ids(model.llm.tokenizer, answer)) for answer in batch.answers),
        "alignment": images,
        "spatial": int(batch.centroid_B2[batch.row_image_R].isfinite().all(1).sum()),
        "distillation": rows,
    }

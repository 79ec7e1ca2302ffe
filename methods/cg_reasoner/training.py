"""Training of CG-Reasoner: images prepared once, views and question-answer pairs sampled per step, one LLM pass per step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner, weighted_sum
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.language.small_llama import draw
from prsbench.methods.parts.language.text_rows import answer_ids
from prsbench.methods.parts.training import data_parallel
from prsbench.methods.parts.training.augmentation import (
    AugmentationRange,
    Scene,
    View,
    relit,
    scenes,
    view_of_images,
    view_of_mask,
)
from prsbench.methods.parts.training.images import TrainingImage, training_images
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, Validation, steps_per_epoch
from prsbench.methods.parts.training.schedule import cosine
from prsbench.methods.parts.training.word_augmentation import drop_words
from torch import Tensor

# Validation asks one unchanged question about each unchanged image: cheap, and the same every epoch.
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
    """One training image at the network's size, and its scene: mask, questions and answers for any view."""

    training: TrainingImage
    scene: Scene


def prepare(samples: Sequence[Sample], side_px: int) -> list[PreparedImage]:
    """Each distinct image once, with all its questions.

    Raises:
        DataError: there are no samples.
    """
    return [PreparedImage(image, scene) for image, scene in zip(training_images(samples, side_px), scenes(samples), strict=True)]


def train(
    model: CGReasoner, config: CGReasonerConfig, samples: Sequence[Sample], val: Sequence[Sample], context: FitContext
) -> Loop:
    """Train in place and return the loop with its losses.

    Raises:
        DataError: `keep: best` without a val split.
        PrsbenchError: a loss is not finite; the error names the images.
    """
    images = prepare(samples, config.image_size_px)
    size = config.batch_size * config.accumulate * data_parallel.workers()
    n_steps = steps_per_epoch(len(images), size)
    steps = config.epochs * n_steps
    model.to(context.device)
    optimizer, schedule = _optimizer(model, config, steps)
    loop = Loop(model, optimizer, schedule, steps, context, config.gradient_clip, config.amp)

    def micro_batch(shown: Sequence[AugmentedImage]) -> MicroBatch:
        batch = _batch(shown, config.language.drawing_side, context.device, with_reference=model.bridge is not None)
        return MicroBatch(lambda: model.losses(batch), _counts(batch, model))

    def sample_step() -> Step:
        chosen = [images[i] for i in loop.numbers(len(images), size)]
        mine = _draw(chosen, config, loop.chance)[data_parallel.share(chosen)]
        return Step([micro_batch(shown) for shown in _cut(mine, config.batch_size)], [one.training.image_id for one in chosen])

    def validation_batches() -> Iterator[MicroBatch]:
        shown = _draw(unseen, config.model_copy(update=AS_IT_IS), np.random.default_rng(0))
        yield from map(micro_batch, _cut(shown, config.batch_size))

    if config.keep == "best" and not len(val):
        raise DataError("cg_reasoner: `keep: best` needs a val split, and no data set has one. Set `keep: last`.")
    unseen = prepare(val, config.image_size_px) if len(val) else []
    validation = Validation(validation_batches, n_steps, config.keep) if unseen else None
    loop.run(sample_step, lambda terms: weighted_sum(terms, config), validation)
    return loop


def _optimizer(model: CGReasoner, config: CGReasonerConfig, steps: int):
    rates = {"backbone": config.backbone_learning_rate, "lora": config.lora_learning_rate, "new": config.learning_rate}
    groups: dict[str, list[Tensor]] = {name: [] for name in rates}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            group = "backbone" if name.startswith("encoder.backbone.") else "lora" if "lora_" in name else "new"
            groups[group].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": groups[name], "lr": rate} for name, rate in rates.items()],
        weight_decay=config.weight_decay,
        eps=config.adam_eps,
    )
    floor = config.final_learning_rate / config.learning_rate
    return optimizer, cosine(optimizer, steps, config.warmup_steps, floor)


def _cut(shown: Sequence[AugmentedImage], size: int) -> list[Sequence[AugmentedImage]]:
    return [shown[start : start + size] for start in range(0, len(shown), size)]


@dataclass(frozen=True, slots=True)
class AugmentedImage:
    """One image as augmented for a step: its view, gamma, contrast and brightness (`light_3`), questions and answers."""

    prepared: PreparedImage
    view: View
    seen_HW: np.ndarray  # bool, the mask in that view, in the image's proportions
    light_3: np.ndarray
    rows: Sequence[tuple[str, str]]


def _draw(chosen: Sequence[PreparedImage], config: CGReasonerConfig, rng: np.random.Generator) -> list[AugmentedImage]:
    """Sample the augmentation and questions of all a step's images, whichever worker will process them."""
    reach = AugmentationRange(left_right=config.horizontal_flip, shift=config.shift, zoom=config.zoom)
    light_3B = rng.uniform(-config.intensity_jitter, config.intensity_jitter, (3, len(chosen)))
    shown = []
    for k, prepared in enumerate(chosen):
        scene = prepared.scene
        view, seen_HW = scene.view(reach, rng)
        pairs = scene.said(view, seen_HW, rng.permutation(len(scene.pairs))[: config.questions_per_image])
        rows = [(drop_words(question, config.word_dropout, rng), answer) for question, answer in pairs]
        shown.append(AugmentedImage(prepared, view, seen_HW, light_3B[:, k], rows))
    return shown


def _batch(shown: Sequence[AugmentedImage], drawing_side: int, device: str, with_reference: bool) -> Batch:
    image = torch.stack([one.prepared.training.image_3SS for one in shown]).to(device).float() / 255
    image = view_of_images(image, [one.view for one in shown])
    side = image.shape[-1]
    masks = [view_of_mask(one.prepared.training.mask_1SS[0].numpy(), one.view, (side, side)) for one in shown]
    mask = torch.from_numpy(np.stack(masks))[:, None].to(device).float()
    layout = torch.from_numpy(np.stack([draw(one.seen_HW, drawing_side) for one in shown])).to(device)
    points = [centroid(one.seen_HW) for one in shown]
    centroids = torch.tensor([(point.x, point.y) if point else (math.nan, math.nan) for point in points], device=device)
    image = relit(image, np.stack([one.light_3 for one in shown], axis=1))
    rows = [(nth, k, *row) for k, one in enumerate(shown) for nth, row in enumerate(one.rows)]
    rows.sort(key=lambda row: row[0] > 0)  # the first pair of every image, then the others
    _, row_image, questions, answers = zip(*rows, strict=True)
    reference = sentence_encoder(device).encode(answers).to(device) if with_reference else None
    return Batch(image, mask, layout, centroids, torch.tensor(row_image, device=device), reference, questions, answers)


def _counts(batch: Batch, model: CGReasoner) -> dict[str, int]:
    """How many images, tokens or pairs each term of `CGReasoner.losses` averages."""
    images, pairs = len(batch.image_B3SS), len(batch.answers)
    return {
        "segmentation": images,
        "text": sum(len(answer_ids(model.llm.tokenizer, answer)) for answer in batch.answers),
        "alignment": images,
        "spatial": int(batch.centroid_B2[batch.row_image_R].isfinite().all(1).sum()),
        "distillation": pairs,
    }

"""Training of CG-Reasoner: images prepared once, views and question-answer pairs sampled per step, one LLM pass per step."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner.bridge import HiddenBridge
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner, weighted_sum
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.language.small_llama import layout_of
from prsbench.methods.parts.language.text_rows import answer_ids
from prsbench.methods.parts.training import augmentation, data_parallel
from prsbench.methods.parts.training.augmentation import ImageAndScene, prepare
from prsbench.methods.parts.training.config import NO_AUGMENTATION
from prsbench.methods.parts.training.images import TrainingImage, image_id, read_ahead
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, Validation, steps_per_epoch
from prsbench.methods.parts.training.lora import adamw

# Validation asks one question about each image, without augmentation: cheap, and the same every epoch.
VALIDATION: Mapping[str, object] = {"augmentation": NO_AUGMENTATION, "questions_per_image": 1}


def train(
    model: CGReasoner,
    config: CGReasonerConfig,
    samples: Sequence[Sample],
    val: Sequence[Sample],
    context: FitContext,
    answered: Collection[str] | None = None,
) -> Loop:
    """Train in place and return the loop with its losses. answered: ids of the images whose answers are read; None: all.

    Raises:
        DataError: there are no samples, or fewer images than workers.
        PrsbenchError: a loss is not finite; the error names the images.
    """
    images = prepare(samples, config.image_size_px)
    size = config.batch_size * config.accumulate * data_parallel.workers()
    epoch_steps = steps_per_epoch(len(images), size)
    model.to(context.device)
    rates = {"encoder.backbone.": config.backbone.learning_rate, "lora": config.lora.learning_rate, "new": config.learning_rate}
    optimizer = adamw(model, rates, config.weight_decay, config.adam_eps)
    loop = Loop.of(config, model, optimizer, epoch_steps, [image.modality for image, _ in images], context, config.amp)

    def micro_batches(augmented: Sequence[AugmentedImage]) -> Iterator[MicroBatch]:
        for start in range(0, len(augmented), config.batch_size):
            chunk = augmented[start : start + config.batch_size]
            reads_references = isinstance(model.bridge, HiddenBridge)
            batch = collate(chunk, config.language.layout_side, context.device, with_reference=reads_references)
            yield MicroBatch(partial(model.losses, batch), _counts(batch, model))

    def sample_step() -> Step:
        model.spatial_is_on = loop.step >= config.losses.spatial_start * loop.steps
        chosen = [images[i] for i in loop.numbers(len(images), size)]
        read_ahead(images[i][0] for i in loop.soon)
        augmented = augment(chosen, config, loop.rng, answered)[data_parallel.share(chosen)]
        return Step(list(micro_batches(augmented)), [image.image_id for image, _ in chosen])

    def validation_batches() -> Iterator[MicroBatch]:
        augmented = augment(val_images, config.model_copy(update=VALIDATION), np.random.default_rng(0))
        for start in range(0, len(augmented), config.batch_size):
            read_ahead(one.image for one in augmented[start : start + 2 * config.batch_size])
            yield from micro_batches(augmented[start : start + config.batch_size])

    val_images = prepare(val, config.image_size_px) if len(val) else []
    validation = Validation(validation_batches, epoch_steps, config.keep) if val_images else None
    loop.run(sample_step, lambda terms: weighted_sum(terms, config, model.spatial_is_on), validation)
    return loop


@dataclass(frozen=True, slots=True)
class AugmentedImage:
    """One image as augmented for a step: its view, the change of gamma, contrast and brightness, questions and answers.

    pairs: question, answer (None if it is not to be read), and whether it names zones.
    """

    image: TrainingImage
    view: augmentation.View
    mask_HW: np.ndarray  # bool, in that view and in the image's proportions
    intensity_3: np.ndarray
    pairs: Sequence[tuple[str, str | None, bool]]


def answered_images(samples: Sequence[Sample], share: float, seed: int) -> frozenset[str]:
    """Ids of the images whose answers are read: this share of each modality's, at least one, chosen by the training's seed."""
    of_modality: dict[str, dict[str, None]] = {}
    for sample in samples:
        of_modality.setdefault(sample.query.modality, {})[image_id(sample)] = None
    rng = np.random.default_rng(seed)
    chosen = (rng.choice(list(ids), max(1, round(share * len(ids))), replace=False) for _, ids in sorted(of_modality.items()))
    return frozenset(str(one) for ids in chosen for one in ids)


def augment(
    chosen: Sequence[ImageAndScene], config: CGReasonerConfig, rng: np.random.Generator, answered: Collection[str] | None = None
) -> list[AugmentedImage]:
    """Sample the augmentation and questions of all a step's images, whichever worker will process them.

    answered: ids of the images whose answers are read, the others get one question; None: all.
    """
    views = augmentation.AugmentationRange.of(config.augmentation)
    limit = config.augmentation.intensity_jitter
    intensity_3B = rng.uniform(-limit, limit, (3, len(chosen)))
    augmented = []
    for k, (image, scene) in enumerate(chosen):
        view, mask_HW = scene.sample_view(views, rng)
        pairs: list[tuple[str, str | None, bool]] = [
            *scene.sample_pairs(view, mask_HW, config.questions_per_image, config.augmentation.word_dropout, rng)
        ]
        if answered is not None and image.image_id not in answered:
            pairs = [(pairs[0][0], None, pairs[0][2])]
        augmented.append(AugmentedImage(image, view, mask_HW, intensity_3B[:, k], pairs))
    return augmented


def collate(images: Sequence[AugmentedImage], layout_side: int, device: str, with_reference: bool) -> Batch:
    """The batch of these images and all their question-answer pairs; the first pair of every image precedes the others."""
    image_B3SS = torch.stack([one.image.image_3SS for one in images]).to(device).float() / 255
    image_B3SS = augmentation.view_of_images(image_B3SS, [one.view for one in images])
    side = image_B3SS.shape[-1]
    masks = [augmentation.view_of_mask(one.image.mask_1SS[0].numpy(), one.view, (side, side)) for one in images]
    mask = torch.from_numpy(np.stack(masks))[:, None].to(device).float()
    layout = torch.from_numpy(np.stack([layout_of(one.mask_HW, layout_side) for one in images])).to(device)
    points = [centroid(one.mask_HW) for one in images]
    centroids = torch.tensor([(point.x, point.y) if point else (math.nan, math.nan) for point in points], device=device)
    image_B3SS = augmentation.change_intensity(image_B3SS, np.stack([one.intensity_3 for one in images], axis=1))
    rows = [(nth, k, *pair) for k, one in enumerate(images) for nth, pair in enumerate(one.pairs)]
    rows.sort(key=lambda row: row[0] > 0)
    _, row_image, questions, answers, names_zones = zip(*rows, strict=True)
    reference = sentence_encoder(device).encode([answer or "" for answer in answers]).to(device) if with_reference else None
    row_image_R, names_zones_R = (torch.tensor(column, device=device) for column in (row_image, names_zones))
    return Batch(image_B3SS, mask, layout, centroids, row_image_R, names_zones_R, reference, questions, answers)


def _counts(batch: Batch, model: CGReasoner) -> dict[str, int]:
    """How many images, tokens or answers each term of `CGReasoner.losses` averages."""
    answers = [answer for answer in batch.answers if answer is not None]
    has_answer_R = torch.tensor([answer is not None for answer in batch.answers], device=batch.row_image_R.device)
    reads_references = isinstance(model.bridge, HiddenBridge)
    placed = batch.is_placed_R & has_answer_R if reads_references else batch.is_placed_R[: len(batch.image_B3SS)]
    return {
        "segmentation": len(batch.image_B3SS),
        "text": sum(len(answer_ids(model.llm.tokenizer, answer)) for answer in answers),
        "alignment": len(batch.image_B3SS),
        "spatial": int(placed.sum()),
        "distillation": len(answers),
    }

"""Training of CG-Reasoner: images prepared once, views and question-answer pairs sampled per step, one LLM pass per step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner.config import CGReasonerAugmentationConfig, CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner, weighted_sum
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.language.small_llama import layout_of
from prsbench.methods.parts.language.text_rows import answer_ids
from prsbench.methods.parts.training import augmentation, data_parallel
from prsbench.methods.parts.training.images import TrainingImage, training_images
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, Validation, steps_per_epoch
from prsbench.methods.parts.training.lora import adamw
from prsbench.methods.parts.training.word_augmentation import drop_words

# Validation asks one question about each image, without augmentation: cheap, and the same every epoch.
VALIDATION: Mapping[str, object] = {"augmentation": CGReasonerAugmentationConfig(), "questions_per_image": 1}
# An image at the network's size; its mask, questions and answers for any view.
ImageAndScene = tuple[TrainingImage, augmentation.Scene]


def prepare(samples: Sequence[Sample], side_px: int) -> list[ImageAndScene]:
    """Each distinct image once, with all its questions.

    Raises:
        DataError: there are no samples.
    """
    return list(zip(training_images(samples, side_px), augmentation.scenes(samples), strict=True))


def train(
    model: CGReasoner, config: CGReasonerConfig, samples: Sequence[Sample], val: Sequence[Sample], context: FitContext
) -> Loop:
    """Train in place and return the loop with its losses.

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
    loop = Loop.of(config, model, optimizer, epoch_steps, context, config.amp)

    def micro_batches(augmented: Sequence[AugmentedImage]) -> Iterator[MicroBatch]:
        for start in range(0, len(augmented), config.batch_size):
            chunk = augmented[start : start + config.batch_size]
            batch = collate(chunk, config.language.layout_side, context.device, with_reference=model.bridge is not None)
            yield MicroBatch(partial(model.losses, batch), _counts(batch, model))

    def sample_step() -> Step:
        chosen = [images[i] for i in loop.numbers(len(images), size)]
        augmented = augment(chosen, config, loop.rng)[data_parallel.share(chosen)]
        return Step(list(micro_batches(augmented)), [image.image_id for image, _ in chosen])

    def validation_batches() -> Iterator[MicroBatch]:
        return micro_batches(augment(val_images, config.model_copy(update=VALIDATION), np.random.default_rng(0)))

    val_images = prepare(val, config.image_size_px) if len(val) else []
    validation = Validation(validation_batches, epoch_steps, config.keep) if val_images else None
    loop.run(sample_step, lambda terms: weighted_sum(terms, config), validation)
    return loop


@dataclass(frozen=True, slots=True)
class AugmentedImage:
    """One image as augmented for a step: its view, the change of gamma, contrast and brightness, questions and answers."""

    image: TrainingImage
    view: augmentation.View
    mask_HW: np.ndarray  # bool, in that view and in the image's proportions
    intensity_3: np.ndarray
    pairs: Sequence[tuple[str, str]]


def augment(chosen: Sequence[ImageAndScene], config: CGReasonerConfig, rng: np.random.Generator) -> list[AugmentedImage]:
    """Sample the augmentation and questions of all a step's images, whichever worker will process them."""
    views = augmentation.AugmentationRange.of(config.augmentation)
    limit = config.augmentation.intensity_jitter
    intensity_3B = rng.uniform(-limit, limit, (3, len(chosen)))
    augmented = []
    for k, (image, scene) in enumerate(chosen):
        view, mask_HW = scene.sample_view(views, rng)
        pairs = scene.pairs_in(view, mask_HW, rng.permutation(len(scene.pairs))[: config.questions_per_image].tolist())
        pairs = [(drop_words(question, config.augmentation.word_dropout, rng), answer) for question, answer in pairs]
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
    _, row_image, questions, answers = zip(*rows, strict=True)
    reference = sentence_encoder(device).encode(answers).to(device) if with_reference else None
    return Batch(image_B3SS, mask, layout, centroids, torch.tensor(row_image, device=device), reference, questions, answers)


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

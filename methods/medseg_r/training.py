"""Training of MedSeg-R-style, and its two passes over an image, which are the same in training and at test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.medseg_r.config import MedSegRConfig
from prsbench.methods.medseg_r.network import MedSegR
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.training.images import TrainingImage
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, steps_per_epoch
from prsbench.methods.parts.training.losses import dice_and_bce
from prsbench.methods.parts.training.word_augmentation import mirror_words
from torch import Tensor
from torch.nn import functional as F


def read_twice(
    network: MedSegR, features_BCHW: Tensor, questions: Sequence[str], modalities: Sequence[str], side_px: int
) -> tuple[Tensor, Tensor]:
    """Mask logits (B, 1, S, S) with the question as the report, then with the question and the first mask's sentence."""
    question_BE = _embedded(questions, features_BCHW)
    first = _sized(network(features_BCHW, question_BE[:, None]), side_px)
    maps = first.detach().sigmoid()[:, 0].cpu().numpy()
    answers = [answer_from_mask(p, modality) for p, modality in zip(maps, modalities, strict=True)]
    report_BRE = torch.stack([question_BE, _embedded(answers, features_BCHW)], dim=1)
    return first, _sized(network(features_BCHW, report_BRE), side_px)


def train(
    network: MedSegR, features_2NCHW: Tensor, config: MedSegRConfig, images: Sequence[TrainingImage], context: FitContext
) -> Loop:
    """Train in place and return the loop with its losses.

    Args:
        features_2NCHW: of each image and of its mirror image.

    Raises:
        PrsbenchError: a loss is not finite; the error names the images.
    """
    network.to(context.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    loop = Loop.of(config, network, optimizer, steps_per_epoch(len(images), config.batch_size), context)

    def sample_step() -> Step:
        numbers = loop.numbers(len(images), config.batch_size)
        chosen = [images[i] for i in numbers]
        flips = loop.rng.random(len(numbers)) < config.augmentation.horizontal_flip
        features_BCHW = torch.stack([features_2NCHW[int(flip), i] for flip, i in zip(flips, numbers, strict=True)])
        masks = [one.mask_1SS.flip(-1) if flip else one.mask_1SS for one, flip in zip(chosen, flips, strict=True)]
        questions = [_question(one, bool(flip), loop.rng) for one, flip in zip(chosen, flips, strict=True)]
        mask = torch.stack(masks).to(context.device).float()

        def terms() -> dict[str, Tensor]:
            modalities = [one.modality for one in chosen]
            passes = read_twice(network, features_BCHW.to(context.device).float(), questions, modalities, mask.shape[-1])
            return {"segmentation": torch.stack([dice_and_bce(logits, mask) for logits in passes]).mean()}

        return Step([MicroBatch(terms, {})], [one.image_id for one in chosen])

    loop.run(sample_step, lambda terms: terms["segmentation"])
    return loop


def _question(image: TrainingImage, is_flipped: bool, rng: np.random.Generator) -> str:
    question, _ = image.pairs[rng.integers(len(image.pairs))]
    return mirror_words(question) if is_flipped else question


def _embedded(sentences: Sequence[str], like: Tensor) -> Tensor:
    return sentence_encoder(str(like.device)).encode(sentences).to(like)


def _sized(logits_B1HW: Tensor, side_px: int) -> Tensor:
    return F.interpolate(logits_B1HW, size=(side_px, side_px), mode="bilinear", align_corners=False)

"""Training of MedSeg-R-style, and its two passes over an image, which are the same in training and at test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.medseg_r.config import MedSegRConfig
from prsbench.methods.medseg_r.network import MedSegR
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.training.augmentation import ImageAndScene, view_of_mask
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, steps_per_epoch
from prsbench.methods.parts.training.lora import adamw
from prsbench.methods.parts.training.losses import dice_and_bce
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
    network: MedSegR, config: MedSegRConfig, images: Sequence[ImageAndScene], features: FeatureViews, context: FitContext
) -> Loop:
    """Train in place and return the loop with its losses.

    Raises:
        PrsbenchError: a loss is not finite; the error names the images.
    """
    network.to(context.device)
    optimizer = adamw(network, {"new": config.learning_rate}, config.weight_decay, config.adam_eps)
    modalities = [image.modality for image, _ in images]
    loop = Loop.of(config, network, optimizer, steps_per_epoch(len(images), config.batch_size), modalities, context)

    def sample_step() -> Step:
        sampled, masks, questions, chosen = [], [], [], []
        for number in loop.numbers(len(images), config.batch_size):
            image, scene = images[number]
            view, features_CHW = features.sample(number, loop.rng)
            [(question, *_)] = scene.sample_pairs(view, scene.mask_in(view), 1, config.augmentation.word_dropout, loop.rng)
            sampled.append(features_CHW)
            masks.append(view_of_mask(image.mask_1SS[0].numpy(), view, (config.image_size_px, config.image_size_px)))
            questions.append(question)
            chosen.append(image)
        features_BCHW = torch.stack(sampled).to(context.device).float()
        mask = torch.from_numpy(np.stack(masks))[:, None].to(context.device).float()

        def terms() -> dict[str, Tensor]:
            passes = read_twice(network, features_BCHW, questions, [one.modality for one in chosen], mask.shape[-1])
            return {"segmentation": torch.stack([dice_and_bce(logits, mask) for logits in passes]).mean()}

        return Step([MicroBatch(terms, {})], [one.image_id for one in chosen])

    loop.run(sample_step, lambda terms: terms["segmentation"])
    return loop


def _embedded(sentences: Sequence[str], like: Tensor) -> Tensor:
    return sentence_encoder(str(like.device)).encode(sentences).to(like)


def _sized(logits_B1HW: Tensor, side_px: int) -> Tensor:
    return F.interpolate(logits_B1HW, size=(side_px, side_px), mode="bilinear", align_corners=False)

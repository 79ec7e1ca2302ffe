"""Method base of PRS-Med and the small LISA and PixelLM, trained here: LiteMedSAM's frozen encoder, a small language model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Prediction, Query, Sample
from prsbench.methods.images import distinct_images, native_probability
from prsbench.methods.parts.frozen_features.lite_medsam import Layer, LiteMedSAMEncoder, embed, features_of
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.training.images import TrainingImage, training_images
from prsbench.methods.parts.training.loop import Loop, write_losses
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

WEIGHTS = "weights.safetensors"


class FrozenEncoderMethod:
    """A subclass defines its `labels`, how its network is built on `self._base` (`_build`) and how it is trained (`_train`).

    `_train` gets the features of the images, (2, N, C, H, W) float16: original and mirrored. The network has a method `answer`
    from features, questions, generation limit and image side to mask logits (None for no mask) and answers.
    """

    layer: Layer = "neck"  # the encoder layer that the network reads

    def __init__(self, config):
        self.config = config

    def fit(self, train_samples: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        torch.manual_seed(context.seed)
        self._load_encoder(context.device)
        self._base = SmallLlama(self.config.language)
        self._base.load(context.needs["small_llama"], context.device)
        self._model = self._build()
        images = training_images(train_samples, self.config.image_size_px)
        self._loop = self._train(images, features_of(images, self.layer, self.config.feature_side, context), context)

    @torch.no_grad()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        images, numbers = distinct_images(queries)
        features, embedding_s = embed(self._encoder, images, self.config.feature_side)
        start, questions, side = time.perf_counter(), [q.question for q in queries], self.config.image_size_px
        logits, answers = self._model.answer(features[numbers], questions, self.config.answer_tokens, side)
        maps = [_to_native(row, q.image.shape[:2]) for row, q in zip(logits, queries, strict=True)]
        seconds = (embedding_s + time.perf_counter() - start) / len(queries)
        return [Prediction(probability, answer, seconds) for probability, answer in zip(maps, answers, strict=True)]

    def save(self, folder: Path) -> None:
        save_model(self._model, str(folder / WEIGHTS))  # the language model's head shares its embedding's tensor, saved once
        self._base.save_shape(folder)
        write_losses(folder, self._loop.history)

    def load(self, folder: Path, device: str) -> None:
        """The file and the network must have the same tensors; a partial load is an error."""
        self._load_encoder(device)
        self._base = SmallLlama(self.config.language)
        self._base.load_shape(folder)
        self._model = self._build()
        load_model(self._model, folder / WEIGHTS)
        self._model.to(device).eval()

    def _load_encoder(self, device: str) -> None:
        self._encoder = LiteMedSAMEncoder(self.config.image_size_px, self.layer)
        self._encoder.load_packaged()
        self._encoder.to(device)

    def _build(self) -> nn.Module:
        raise NotImplementedError

    def _train(self, images: Sequence[TrainingImage], features_2NCHW: Tensor, context: FitContext) -> Loop:
        raise NotImplementedError


def _to_native(logits_1SS: Tensor | None, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32; without logits, no foreground."""
    return np.zeros(shape, np.float32) if logits_1SS is None else native_probability(logits_1SS, shape)

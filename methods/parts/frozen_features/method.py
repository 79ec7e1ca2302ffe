"""Base of PRS-Med, small LISA and small PixelLM: a trained network on LiteMedSAM's frozen encoder and a small Llama."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Prediction, Query, Sample
from prsbench.methods.images import distinct_images, native_probability
from prsbench.methods.parts.frozen_features.config import MultimodalConfig
from prsbench.methods.parts.frozen_features.lite_medsam import (
    FeatureViews,
    Layer,
    LiteMedSAMEncoder,
    PictureViews,
    embed,
    features_of,
)
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.training.augmentation import ImageAndScene, prepare
from prsbench.methods.parts.training.loop import Loop, write_losses
from safetensors.torch import load_model, save_model
from torch import Tensor

WEIGHTS = "weights.safetensors"


class MultimodalMethod:
    """Trains, predicts, saves and loads; the subclass builds the network (`_build`) and says how it is trained (`_train`).

    The network's `answer` takes features, questions, generation limit and image side, and gives mask logits (None for no mask)
    and answers.
    """

    _layer: Layer = "neck"  # of the frozen encoder

    def __init__(self, config: MultimodalConfig):
        self.config = config

    def fit(self, train_samples: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        torch.manual_seed(context.seed)
        self._encoder = LiteMedSAMEncoder.packaged(self.config.image_size_px, self._layer, context.device)
        self._language = SmallLlama.of(self.config.language, context.needs.get("small_llama"), context.device)
        self._model = self._build()
        images = prepare(train_samples, self.config.image_size_px)
        self._loop = self._train(images, self._features(images, context), context)

    @torch.no_grad()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query; each distinct image is embedded once."""
        images, numbers = distinct_images(queries)
        features, embedding_s = embed(self._encoder, images, self.config.feature_side)
        start, questions, side = time.perf_counter(), [query.question for query in queries], self.config.image_size_px
        logits, answers = self._model.answer(features[numbers], questions, self.config.answer_tokens, side)
        maps = [_to_native(row, query.image.shape[:2]) for row, query in zip(logits, queries, strict=True)]
        seconds = (embedding_s + time.perf_counter() - start) / len(queries)
        return [Prediction(probability, answer, seconds) for probability, answer in zip(maps, answers, strict=True)]

    def save(self, folder: Path) -> None:
        """Write the weights, the language model's shape and the losses."""
        save_model(self._model, str(folder / WEIGHTS))  # the language model's head shares its embedding's tensor, saved once
        self._language.save_shape(folder)
        write_losses(folder, self._loop.history)

    def load(self, folder: Path, device: str) -> None:
        """Load for prediction. The file and the network must have the same tensors; a partial load is an error."""
        self._encoder = LiteMedSAMEncoder.packaged(self.config.image_size_px, self._layer, device)
        self._language = SmallLlama(self.config.language)
        self._language.load_shape(folder)
        self._model = self._build()
        load_model(self._model, folder / WEIGHTS)
        self._model.to(device).eval()

    def _features(self, images: Sequence[ImageAndScene], context: FitContext) -> FeatureViews | PictureViews:
        """What the network is trained on."""
        return features_of(images, self._layer, self.config.feature_side, context)

    def _build(self) -> Any:
        """The untrained network around `_language`."""
        raise NotImplementedError

    def _train(self, images: Sequence[ImageAndScene], features: FeatureViews | PictureViews, context: FitContext) -> Loop:
        """Train `_model` in place."""
        raise NotImplementedError


def _to_native(logits_1SS: Tensor | None, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32; without logits, no foreground."""
    return np.zeros(shape, np.float32) if logits_1SS is None else native_probability(logits_1SS, shape)

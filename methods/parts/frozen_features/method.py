"""Base of PRS-Med, small LISA and small PixelLM: a trained network on LiteMedSAM's frozen encoder and a small Llama."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from prsbench.harness.contract.types import Prediction, Query
from prsbench.methods.images import distinct_images, native_probability
from prsbench.methods.parts.frozen_features.config import MultimodalConfig
from prsbench.methods.parts.frozen_features.lite_medsam import LiteMedSAMEncoder, embed
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.training.loop import Loop, write_losses
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

WEIGHTS = "weights.safetensors"
Network = TypeVar("Network", bound=nn.Module)


class MultimodalMethod:
    """Predicts and saves. `fit` and `load` are in the subclass: they build the models, and `fit` trains.

    The network's `answer` takes features, questions, generation limit and image side, and gives mask logits (None for no mask)
    and answers.
    """

    _encoder: LiteMedSAMEncoder
    _language: SmallLlama
    _model: Any
    _loop: Loop

    def __init__(self, config: MultimodalConfig):
        self.config = config

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


def load_weights(model: Network, folder: Path, device: str) -> Network:
    """Fill the model, for prediction. The file and the model must have the same tensors; a partial load is an error."""
    load_model(model, folder / WEIGHTS)
    return model.to(device).eval()


def _to_native(logits_1SS: Tensor | None, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32; without logits, no foreground."""
    return np.zeros(shape, np.float32) if logits_1SS is None else native_probability(logits_1SS, shape)

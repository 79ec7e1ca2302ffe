"""What PRS-Med, small LISA and small PixelLM do alike to predict, save and load, on LiteMedSAM's features."""

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


@torch.no_grad()
def predict(encoder: LiteMedSAMEncoder, model: Any, config: MultimodalConfig, queries: Sequence[Query]) -> list[Prediction]:
    """One prediction per query; each distinct image is embedded once.

    Args:
        model: its `answer` takes features, questions, generation limit and image side, and gives mask logits (None for no mask)
            and answers.
    """
    images, numbers = distinct_images(queries)
    features, embedding_s = embed(encoder, images, config.feature_side)
    start, questions = time.perf_counter(), [query.question for query in queries]
    logits, answers = model.answer(features[numbers], questions, config.answer_tokens, config.image_size_px)
    maps = [_to_native(row, query.image.shape[:2]) for row, query in zip(logits, queries, strict=True)]
    seconds = (embedding_s + time.perf_counter() - start) / len(queries)
    return [Prediction(probability, answer, seconds) for probability, answer in zip(maps, answers, strict=True)]


def save(folder: Path, model: nn.Module, language: SmallLlama, loop: Loop) -> None:
    """Write the weights, the language model's shape and the losses."""
    save_model(model, str(folder / WEIGHTS))  # the language model's head shares its embedding's tensor, saved once
    language.save_shape(folder)
    write_losses(folder, loop.history)


def load_weights(model: Network, folder: Path, device: str) -> Network:
    """Fill the model, for prediction. The file and the model must have the same tensors; a partial load is an error."""
    load_model(model, folder / WEIGHTS)
    return model.to(device).eval()


def _to_native(logits_1SS: Tensor | None, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32; without logits, no foreground."""
    return np.zeros(shape, np.float32) if logits_1SS is None else native_probability(logits_1SS, shape)

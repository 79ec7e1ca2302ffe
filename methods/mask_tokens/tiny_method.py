"""The embedded size as a `Method`, trained here on LiteMedSAM's frozen encoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.exposure import exposure_note
from prsbench.methods.language_base import LanguageBase
from prsbench.methods.lite_medsam_features import LiteMedSAMEncoder, embed, embed_both_ways
from prsbench.methods.mask_tokens.config import TinyConfig
from prsbench.methods.mask_tokens.tiny_network import MaskTokenLLM, MaskTokenSegmenter, PromptedDecoder
from prsbench.methods.mask_tokens.tiny_training import train
from prsbench.methods.training_images import native_probability, resize_to_levels, training_images
from prsbench.methods.training_loop import write_losses
from safetensors.torch import load_model, save_model
from torch import Tensor

WEIGHTS = "weights.safetensors"


class TinyMethod:
    """A subclass says what its decoder is, whether its weights have a start, and what the encoder hands over."""

    note: str  # what stands in for what

    def __init__(self, config: TinyConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = (self.note, "an answer without its mask tokens gives an empty mask", exposure_note("lite_medsam"))
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, notes)

    def fit(self, train_samples: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        torch.manual_seed(context.seed)
        self._load_encoder(context.device)
        self._base = LanguageBase(self.config.language)
        self._base.load(context.needs["language_base"], context.device)
        self._model = self._build()
        self._start(self._model.decoder)
        images = training_images(train_samples, self.config.image_size_px)
        pixels = [one.image_3SS for one in images]
        features = embed_both_ways(self._encoder, pixels, self.config.feature_side, context, torch.float16)
        self._loop = train(self._model, features, self.config, images, context)

    @torch.no_grad()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        start = time.perf_counter()
        side = self.config.image_size_px
        image = torch.stack([resize_to_levels(q.image, side) for q in queries]).to(self._device)
        features = embed(self._encoder, image, self.config.feature_side)
        logits, answers = self._model.answer(features, [q.question for q in queries], self.config.answer_tokens, side)
        maps = [_to_native(row, q.image.shape[:2]) for row, q in zip(logits, queries, strict=True)]
        seconds = (time.perf_counter() - start) / len(queries)
        return [Prediction(probability, answer, seconds) for probability, answer in zip(maps, answers, strict=True)]

    def save(self, folder: Path) -> None:
        save_model(self._model, str(folder / WEIGHTS))  # the language model's head is its embedding: written once
        self._base.save_shape(folder)
        write_losses(folder, self._loop.history)

    def load(self, folder: Path, device: str) -> None:
        """Every tensor of the file must find its place and the other way round; a partial load is an error."""
        self._load_encoder(device)
        self._base = LanguageBase(self.config.language)
        self._base.load_shape(folder)
        self._model = self._build()
        load_model(self._model, folder / WEIGHTS)
        self._model.to(device).eval()

    def _build(self) -> MaskTokenSegmenter:
        decoder = self._decoder()
        return MaskTokenSegmenter(MaskTokenLLM(self._base, decoder.language_channels, decoder.tokens, self.config), decoder)

    def _load_encoder(self, device: str) -> None:
        self._device, self._encoder = device, self._new_encoder()
        self._encoder.load_packaged()
        self._encoder.to(device)

    def _new_encoder(self) -> LiteMedSAMEncoder:
        return LiteMedSAMEncoder(self.config.image_size_px)

    def _decoder(self) -> PromptedDecoder:
        raise NotImplementedError

    def _start(self, decoder: PromptedDecoder) -> None:
        """Weights the decoder's training starts from, if not random."""


def _to_native(logits_1SS: Tensor | None, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32; no logits, no foreground."""
    return np.zeros(shape, np.float32) if logits_1SS is None else native_probability(logits_1SS, shape)

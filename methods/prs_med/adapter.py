"""PRS-Med as a `Method`, trained here at the embedded size on LiteMedSAM's frozen encoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.exposure import exposure_note
from prsbench.methods.language_base import LanguageBase
from prsbench.methods.lite_medsam_features import LiteMedSAMEncoder, embed
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.model import build
from prsbench.methods.prs_med.training import train
from prsbench.methods.training_images import native_probability, resize_to_levels, training_images
from prsbench.methods.training_loop import write_losses
from safetensors.torch import load_model, save_model

WEIGHTS = "prs_med.safetensors"
NOTE = "embedded size: LiteMedSAM's frozen encoder for TinySAM's, a small language model for LLaVA-Med"


class PRSMedMethod:
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    def __init__(self, config: PRSMedConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, (NOTE, exposure_note("lite_medsam")))

    def fit(self, train_samples: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        torch.manual_seed(context.seed)
        self._load_encoder(context.device)
        self._base = LanguageBase(self.config.language)
        self._base.load(context.needs["language_base"], context.device)
        self._model = build(self.config, self._base)
        images = training_images(train_samples, self.config.image_size_px)
        self._history = train(self._model, self._encoder, self.config, images, context).history

    @torch.no_grad()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        start = time.perf_counter()
        side = self.config.image_size_px
        image = torch.stack([resize_to_levels(q.image, side) for q in queries]).to(self._device)
        features = embed(self._encoder, image, self.config.feature_side)
        logits, answers = self._model.answer(features, [q.question for q in queries], self.config.answer_tokens, side)
        maps = [native_probability(row, q.image.shape[:2]) for row, q in zip(logits, queries, strict=True)]
        seconds = (time.perf_counter() - start) / len(queries)
        return [Prediction(probability, answer, seconds) for probability, answer in zip(maps, answers, strict=True)]

    def save(self, folder: Path) -> None:
        save_model(self._model, str(folder / WEIGHTS))  # the language model's head is its embedding: written once
        self._base.save_shape(folder)
        write_losses(folder, self._history)

    def load(self, folder: Path, device: str) -> None:
        """Every tensor of the file must find its place and the other way round; a partial load is an error."""
        self._load_encoder(device)
        self._base = LanguageBase(self.config.language)
        self._base.load_shape(folder)
        self._model = build(self.config, self._base)
        load_model(self._model, folder / WEIGHTS)
        self._model.to(device).eval()

    def _load_encoder(self, device: str) -> None:
        self._device, self._encoder = device, LiteMedSAMEncoder(self.config.image_size_px)
        self._encoder.load_packaged()
        self._encoder.to(device)

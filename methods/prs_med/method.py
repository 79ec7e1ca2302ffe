"""PRS-Med as a `Method`, trained here at the embedded size on LiteMedSAM's frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from prsbench.harness.contract.types import FitContext, Labels, Sample, TextSource, Weights
from prsbench.methods.parts.frozen_features.lite_medsam import LiteMedSAMEncoder, features_of
from prsbench.methods.parts.frozen_features.method import MultimodalMethod, load_weights
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.training.images import training_images
from prsbench.methods.parts.weights.exposure import exposure_note
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.model import build
from prsbench.methods.prs_med.training import train

NOTE = "embedded size: LiteMedSAM's frozen encoder replaces TinySAM's, a small language model replaces LLaVA-Med"


class PRSMedMethod(MultimodalMethod):
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    config: PRSMedConfig

    @property
    def labels(self) -> Labels:
        notes = (NOTE, exposure_note("lite_medsam"))
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, notes)

    def fit(self, train_samples: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        torch.manual_seed(context.seed)
        self._encoder = LiteMedSAMEncoder.packaged(self.config.image_size_px, device=context.device)
        self._language = SmallLlama(self.config.language)
        self._language.load(context.needs["small_llama"], context.device)
        self._model = build(self.config, self._language)
        images = training_images(train_samples, self.config.image_size_px)
        features_2NCHW = features_of(images, "neck", self.config.feature_side, context)
        self._loop = train(self._model, features_2NCHW, self.config, images, context)

    def load(self, folder: Path, device: str) -> None:
        self._encoder = LiteMedSAMEncoder.packaged(self.config.image_size_px, device=device)
        self._language = SmallLlama(self.config.language)
        self._language.load_shape(folder)
        self._model = load_weights(build(self.config, self._language), folder, device)

"""PRS-Med as a `Method`, trained here at the embedded size on LiteMedSAM's frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.types import FitContext, Labels, TextSource, Weights
from prsbench.methods.parts.frozen_features.method import MultimodalMethod
from prsbench.methods.parts.training.images import TrainingImage
from prsbench.methods.parts.training.loop import Loop
from prsbench.methods.parts.weights.exposure import exposure_note
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.model import PRSMed, build
from prsbench.methods.prs_med.training import train
from torch import Tensor

NOTE = "embedded size: LiteMedSAM's frozen encoder replaces TinySAM's, a small language model replaces LLaVA-Med"


class PRSMedMethod(MultimodalMethod):
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    config: PRSMedConfig

    @property
    def labels(self) -> Labels:
        notes = (NOTE, exposure_note("lite_medsam"))
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, notes)

    def _build(self) -> PRSMed:
        return build(self.config, self._language)

    def _train(self, features_2NCHW: Tensor, images: Sequence[TrainingImage], context: FitContext) -> Loop:
        return train(self._model, features_2NCHW, self.config, images, context)

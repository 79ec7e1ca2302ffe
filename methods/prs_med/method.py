"""PRS-Med as a `Method`, trained here at the embedded size on LiteMedSAM's encoder, frozen or trained."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.types import FitContext, Labels, TextSource, Weights
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews, PictureViews
from prsbench.methods.parts.frozen_features.method import MultimodalMethod
from prsbench.methods.parts.training.augmentation import ImageAndScene
from prsbench.methods.parts.training.loop import Loop
from prsbench.methods.parts.training.recipe import difference_note
from prsbench.methods.parts.weights.exposure import exposure_note
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.model import PRSMed, build
from prsbench.methods.prs_med.training import train

NOTE = "embedded size: LiteMedSAM's encoder ({}) replaces TinySAM's (trained), a small language model replaces LLaVA-Med"


class PRSMedMethod(MultimodalMethod):
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    config: PRSMedConfig

    @property
    def labels(self) -> Labels:
        note = NOTE.format("trained" if self.config.trains_encoder else "frozen")
        notes = (note, self.config.language.note, difference_note(self.config), exposure_note("lite_medsam"))
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, notes)

    def _build(self) -> PRSMed:
        return build(self.config, self._language, self._encoder if self.config.trains_encoder else None)

    def _features(self, images: Sequence[ImageAndScene], context: FitContext) -> FeatureViews | PictureViews:
        if self.config.trains_encoder:
            return PictureViews(images, self.config.augmentation)
        return super()._features(images, context)

    def _train(self, images: Sequence[ImageAndScene], features: FeatureViews | PictureViews, context: FitContext) -> Loop:
        return train(self._model, self.config, images, features, context)

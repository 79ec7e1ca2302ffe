"""LISA and PixelLM at the embedded size as a `Method`, trained here on LiteMedSAM's frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.types import FitContext, Labels, TextSource, Weights
from prsbench.methods.parts.frozen_features.method import FrozenEncoderMethod
from prsbench.methods.parts.seg_token.config import TinyConfig
from prsbench.methods.parts.seg_token.tiny_network import MaskTokenLLM, MaskTokenSegmenter, PromptedDecoder
from prsbench.methods.parts.seg_token.tiny_training import train
from prsbench.methods.parts.training.images import TrainingImage
from prsbench.methods.parts.training.loop import Loop
from prsbench.methods.parts.weights.exposure import exposure_note
from torch import Tensor


class TinyMethod(FrozenEncoderMethod):
    """A subclass builds its decoder (`_decoder`), may initialise it (`_start`), and names the encoder's `layer`."""

    note: str  # which component replaces which
    config: TinyConfig

    @property
    def labels(self) -> Labels:
        notes = (self.note, "an answer without its [SEG] tokens gives an empty mask", exposure_note("lite_medsam"))
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, notes)

    def _build(self) -> MaskTokenSegmenter:
        decoder = self._decoder()
        return MaskTokenSegmenter(MaskTokenLLM(self._base, decoder.language_channels, decoder.tokens, self.config), decoder)

    def _train(self, images: Sequence[TrainingImage], features_2NCHW: Tensor, context: FitContext) -> Loop:
        self._start(self._model.decoder)
        return train(self._model, features_2NCHW, self.config, images, context)

    def _decoder(self) -> PromptedDecoder:
        raise NotImplementedError

    def _start(self, decoder: PromptedDecoder) -> None:
        """Load the decoder's initial weights; the default leaves them random."""

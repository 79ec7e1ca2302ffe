"""PixelLM at the embedded size: three [SEG] tokens per scale; LiteMedSAM's last two stages replace two layers of CLIP."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from prsbench.harness.contract.types import FitContext, Labels
from prsbench.methods.parts.frozen_features.lite_medsam import STAGE_CHANNELS, FeatureViews, PictureViews
from prsbench.methods.parts.frozen_features.method import MultimodalMethod
from prsbench.methods.parts.sam.networks import EMBED
from prsbench.methods.parts.seg_token.tiny_network import MaskTokenSegmenter, PromptedDecoder, segmenter
from prsbench.methods.parts.seg_token.tiny_training import tiny_labels, train
from prsbench.methods.parts.training.augmentation import ImageAndScene
from prsbench.methods.parts.training.loop import Loop
from prsbench.methods.pixellm import decoder
from prsbench.methods.pixellm.config import PixelLMTinyConfig
from segment_anything.modeling import PromptEncoder
from torch import Tensor

NOTE = "embedded size: LiteMedSAM's frozen encoder replaces CLIP, a small language model replaces LLaVA"
FEATURE_PX = 14  # pixels per feature in the prompt encoder; any value would do, as it gets no points or boxes


class LightDecoder(PromptedDecoder):
    """Stages through a projector to language width, a neck and the multi-scale decoder, as officially. All are trained."""

    tokens, language_channels = decoder.MASK_TOKENS, STAGE_CHANNELS

    def __init__(self, feature_side: int, width: int):
        super().__init__()
        self.out_mm_projector = decoder.projector(STAGE_CHANNELS, width)
        self.image_feature_neck = decoder.image_feature_neck(width)
        square = (feature_side * FEATURE_PX,) * 2
        self.prompt_encoder = PromptEncoder(EMBED, (feature_side,) * 2, square, mask_in_chans=16).requires_grad_(False)
        self.mask_decoder = decoder.MultiScaleMaskDecoder()

    def forward(self, features_BCHW: Tensor, prompt_BKC: Tensor) -> Tensor:
        fine, coarse = (self._level(stage) for stage in features_BCHW.chunk(decoder.SCALES, dim=1))
        prompt_BLC = torch.cat([decoder.fuse(prompt_KC) for prompt_KC in prompt_BKC])
        return decoder.decode_scales(self.prompt_encoder, self.mask_decoder, torch.stack([coarse, fine]), prompt_BLC)

    def _level(self, stage_BCHW: Tensor) -> Tensor:
        projected = self.out_mm_projector(stage_BCHW.permute(0, 2, 3, 1))
        return self.image_feature_neck(projected.permute(0, 3, 1, 2))


class PixelLMTinyMethod(MultimodalMethod):
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    config: PixelLMTinyConfig
    _layer = "stages"

    @property
    def labels(self) -> Labels:
        return tiny_labels(self.config, NOTE)

    def _build(self) -> MaskTokenSegmenter:
        return segmenter(self._language, LightDecoder(self.config.feature_side, self.config.language.width), self.config)

    def _train(self, images: Sequence[ImageAndScene], features: FeatureViews | PictureViews, context: FitContext) -> Loop:
        return train(self._model, self.config, images, features, context)

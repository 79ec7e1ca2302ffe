"""LISA at the embedded size: [SEG]'s state prompts SAM's mask decoder, which starts from LiteMedSAM's weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from prsbench.harness.contract.types import FitContext, Labels
from prsbench.methods.lisa.config import LISATinyConfig
from prsbench.methods.parts.frozen_features.lite_medsam import CHANNELS, FeatureViews, PictureViews
from prsbench.methods.parts.frozen_features.method import MultimodalMethod
from prsbench.methods.parts.sam.networks import decode, prompt_and_mask_decoder
from prsbench.methods.parts.sam.variants import read_lite_medsam
from prsbench.methods.parts.seg_token.tiny_network import MaskTokenSegmenter, PromptedDecoder, segmenter
from prsbench.methods.parts.seg_token.tiny_training import tiny_labels, train
from prsbench.methods.parts.training.augmentation import ImageAndScene
from prsbench.methods.parts.training.loop import Loop
from torch import Tensor

NOTE = "embedded size: LiteMedSAM's frozen encoder replaces CLIP and SAM ViT-H, a small language model replaces LLaVA"
FEATURE_PX = 4  # SAM's decoder enlarges its features by this factor


class TextPromptedSam(PromptedDecoder):
    """As officially, the prompt encoder is frozen and the mask decoder trained."""

    tokens, language_channels = ("[SEG]",), CHANNELS

    def __init__(self, feature_side: int):
        super().__init__()
        self.prompt_encoder, self.mask_decoder = prompt_and_mask_decoder(FEATURE_PX * feature_side, feature_side)
        self.prompt_encoder.requires_grad_(False)

    def load_lite_medsam(self) -> None:
        """Load every tensor; see `read_lite_medsam` for errors."""
        state, _ = read_lite_medsam()
        self.load_state_dict({key: tensor for key, tensor in state.items() if not key.startswith("image_encoder.")})

    def forward(self, features_BCHW: Tensor, prompt_BKC: Tensor) -> Tensor:
        pairs = zip(features_BCHW, prompt_BKC, strict=True)
        return torch.cat([decode(self, features[None], texts_NC=prompt_KC)[0] for features, prompt_KC in pairs])


class LISATinyMethod(MultimodalMethod):
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    config: LISATinyConfig

    @property
    def labels(self) -> Labels:
        return tiny_labels(self.config, NOTE)

    def _build(self) -> MaskTokenSegmenter:
        return segmenter(self._language, TextPromptedSam(self.config.feature_side), self.config)

    def _train(self, images: Sequence[ImageAndScene], features: FeatureViews | PictureViews, context: FitContext) -> Loop:
        self._model.decoder.load_lite_medsam()
        return train(self._model, self.config, images, features, context)

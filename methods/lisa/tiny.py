"""LISA at the embedded size: [SEG]'s state prompts SAM's mask decoder, which starts from LiteMedSAM's weights."""

from __future__ import annotations

import torch
from prsbench.methods.parts.frozen_features.lite_medsam import CHANNELS
from prsbench.methods.parts.seg_token.tiny_method import TinyMethod
from prsbench.methods.parts.seg_token.tiny_network import PromptedDecoder
from prsbench.methods.sam.config import LiteMedSAMConfig
from prsbench.methods.sam.networks import decode, prompt_and_mask_decoder
from prsbench.methods.sam.variants import checkpoint_of
from torch import Tensor

FEATURE_PX = 4  # SAM's decoder enlarges its features by this factor


class TextPromptedSam(PromptedDecoder):
    """As officially, the prompt encoder is frozen and the mask decoder trained."""

    tokens, language_channels = ("[SEG]",), CHANNELS

    def __init__(self, feature_side: int):
        super().__init__()
        self.prompt_encoder, self.mask_decoder = prompt_and_mask_decoder(FEATURE_PX * feature_side, feature_side)
        self.prompt_encoder.requires_grad_(False)

    def start_from_lite_medsam(self) -> None:
        """Load every tensor; see `sam_variants.checkpoint_of` for errors."""
        state, _ = checkpoint_of(LiteMedSAMConfig(prompt_source="automatic"))
        self.load_state_dict({key: tensor for key, tensor in state.items() if not key.startswith("image_encoder.")})

    def forward(self, features_BCHW: Tensor, prompt_BKC: Tensor) -> Tensor:
        pairs = zip(features_BCHW, prompt_BKC, strict=True)
        return torch.cat([decode(self, features[None], texts_NC=prompt_KC)[0] for features, prompt_KC in pairs])


class LISATinyMethod(TinyMethod):
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    note = "embedded size: LiteMedSAM's frozen encoder replaces CLIP and SAM ViT-H, a small language model replaces LLaVA"

    def _decoder(self) -> TextPromptedSam:
        return TextPromptedSam(self.config.feature_side)

    def _start(self, decoder: TextPromptedSam) -> None:
        decoder.start_from_lite_medsam()

"""PixelLM's network under its official tensor names: a Llama that reads CLIP's patches, and a light decoder on them."""

from __future__ import annotations

import math
from typing import ClassVar

from prsbench.methods.parts.sam.networks import EMBED
from prsbench.methods.parts.seg_token.llama import MaskTokenLlama
from prsbench.methods.pixellm.decoder import MultiScaleMaskDecoder, decode_scales, fuse, image_feature_neck, projector
from segment_anything.modeling import PromptEncoder
from torch import Tensor
from transformers import LlamaConfig

SIDE_PX, PATCH_PX = 448, 14


class PixelLM(MaskTokenLlama):
    """One projector takes CLIP's patches to the language model; another one and a neck take them to the decoder."""

    decoder_parts: ClassVar[tuple[str, ...]] = ("prompt_encoder", "mask_decoder", "image_feature_neck")

    def __init__(self, config: LlamaConfig, patch_width: int = 1024, side_px: int = SIDE_PX):
        super().__init__(config)
        width, grid = config.hidden_size, side_px // PATCH_PX
        self.model.mm_projector = projector(patch_width, width)
        self.model.out_mm_projector = projector(patch_width, width)
        self.model.image_feature_neck = image_feature_neck(width)
        self.model.prompt_encoder = PromptEncoder(EMBED, (grid, grid), (side_px, side_px), mask_in_chans=16)
        self.model.mask_decoder = MultiScaleMaskDecoder()

    def masks(self, levels_LPC: Tensor, token_MC: Tensor) -> Tensor:
        """Mask logits (N, 1, 4H, 4W) from CLIP's patches of two layers and the prompts of all generated [SEG] tokens."""
        prompt_NLC = fuse(token_MC)
        modules, side = self.model, math.isqrt(levels_LPC.shape[1])
        if not len(prompt_NLC):
            return prompt_NLC.new_zeros(0, 1, 4 * side, 4 * side)
        seen_LPD = modules.out_mm_projector(levels_LPC).float()
        levels = modules.image_feature_neck(seen_LPD.transpose(1, 2).unflatten(2, (side, side)))
        return decode_scales(modules.prompt_encoder, modules.mask_decoder, levels[:, None], prompt_NLC)

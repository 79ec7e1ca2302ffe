"""LISA's network under its official tensor names: a Llama that reads image patches, and SAM prompted by [SEG] states.

Lai et al., "LISA: Reasoning segmentation via large language model", 2024. CLIP, which makes the patches, is outside: the
official checkpoint does not hold its weights.
"""

from __future__ import annotations

from typing import ClassVar

from prsbench.methods.parts.sam.networks import SamNetwork, decode
from prsbench.methods.parts.seg_token.llama import MaskTokenLlama
from torch import Tensor, nn
from transformers import LlamaConfig


class LISA(MaskTokenLlama):
    """One linear layer projects CLIP's patches to the language model's width."""

    decoder_parts: ClassVar[tuple[str, ...]] = ("visual_model",)

    def __init__(self, config: LlamaConfig, visual_model: SamNetwork, patch_width: int = 1024):
        super().__init__(config)
        self.model.mm_projector = nn.Linear(patch_width, config.hidden_size)
        self.model.visual_model = visual_model

    def masks(self, features_1CEE: Tensor, prompts_NC: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits (N, 1, L, L) and predicted IoU (N, 1)."""
        return decode(self.model.visual_model, features_1CEE, texts_NC=prompts_NC)

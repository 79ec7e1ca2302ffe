"""Network shared by the official LISA and PixelLM: a Llama that reads image patches, and an MLP from [SEG] states to prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from prsbench.methods.parts.language.continuation import Prompt
from prsbench.methods.parts.sam.networks import EMBED
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM


def text_hidden_fcs(width: int) -> nn.ModuleList:
    """The MLP from a hidden state to a mask prompt, under its official tensor names."""
    return nn.ModuleList([nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, EMBED), nn.Dropout(0.0))])


class MaskTokenLlama(LlamaForCausalLM):
    """Vicuna or Llama 2. A subclass adds `model.mm_projector`, from CLIP's patches, and the mask modules (`decoder_parts`)."""

    decoder_parts: ClassVar[tuple[str, ...]]  # modules of `model` that stay in float32 and are never quantised

    def __init__(self, config: LlamaConfig):
        super().__init__(config)
        self.model.text_hidden_fcs = text_hidden_fcs(config.hidden_size)

    def prompt(self, before: Sequence[int], patches_PC: Tensor, after: Sequence[int], is_seen_P: Tensor | None = None) -> Prompt:
        """Token ids, CLIP's patches and token ids, embedded. A patch that is not seen keeps its position but is masked."""
        embed = self.get_input_embeddings()
        words = [embed(torch.tensor(ids, device=self.device)) for ids in (before, after)]
        embedded_TD = torch.cat([words[0], self.model.mm_projector(patches_PC), words[1]])
        if is_seen_P is None:
            return Prompt(embedded_TD)
        return Prompt(embedded_TD, torch.cat([is_seen_P.new_ones(len(before)), is_seen_P, is_seen_P.new_ones(len(after))]))

    def text_prompts(self, states_ND: Tensor) -> Tensor:
        """(N, 256) float32 prompts for the mask decoder."""
        return self.model.text_hidden_fcs[0](states_ND).float()

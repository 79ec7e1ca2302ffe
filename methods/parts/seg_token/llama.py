"""Network shared by the official LISA and PixelLM: a Llama that reads image patches, and an MLP from [SEG] states to prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from prsbench.methods.parts.sam.networks import EMBED
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM


@dataclass(frozen=True, slots=True)
class Answer:
    """Greedy answer. states_TD: of all tokens read and generated, except the last one, which predicts nothing."""

    ids: list[int]
    states_TD: Tensor


def text_hidden_fcs(width: int) -> nn.ModuleList:
    """The MLP from a hidden state to a mask prompt, under its official tensor names."""
    return nn.ModuleList([nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, EMBED), nn.Dropout(0.0))])


class MaskTokenLlama(LlamaForCausalLM):
    """Vicuna or Llama 2. A subclass adds `model.mm_projector`, from CLIP's patches, and the mask modules (`decoder_parts`)."""

    decoder_parts: ClassVar[tuple[str, ...]]  # modules of `model` that stay in float32 and are never quantised

    def __init__(self, config: LlamaConfig):
        super().__init__(config)
        self.model.text_hidden_fcs = text_hidden_fcs(config.hidden_size)

    def answer(
        self,
        before: list[int],
        patches_PC: Tensor,
        after: list[int],
        answer_tokens: int,
        end: int,
        is_seen_P: Tensor | None = None,
    ) -> Answer:
        """Continue token ids, CLIP's patches and token ids. A patch that is not seen keeps its position but is masked."""
        embed = self.get_input_embeddings()
        words = [embed(torch.tensor(ids, device=self.device)) for ids in (before, after)]
        embedded_TD = torch.cat([words[0], self.model.mm_projector(patches_PC), words[1]])
        is_read_T = torch.ones(len(embedded_TD), dtype=torch.long, device=self.device)
        if is_seen_P is not None:
            is_read_T[len(before) : len(before) + len(is_seen_P)] = is_seen_P.long()
        out = self.generate(
            inputs_embeds=embedded_TD[None],
            attention_mask=is_read_T[None],
            position_ids=torch.arange(len(embedded_TD), device=self.device)[None],
            max_new_tokens=answer_tokens,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
            return_dict_in_generate=True,
            output_hidden_states=True,
        )
        states_TD = torch.cat([step[-1][0] for step in out.hidden_states])
        return Answer(out.sequences[0].tolist(), states_TD)

    def text_prompts(self, states_ND: Tensor) -> Tensor:
        """(N, 256) float32 prompts for the mask decoder."""
        return self.model.text_hidden_fcs[0](states_ND).float()

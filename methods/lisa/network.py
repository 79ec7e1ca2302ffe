"""LISA's network under the tensor names of its release: a Llama that reads image patches, and SAM asked in words.

Lai et al., "LISA: Reasoning segmentation via large language model", 2024. CLIP, which makes the patches, is outside: the release
does not hold its weights.
"""

# N masks, P patches, T tokens, D language width, E side of the embedding grid, L side of the logits

from __future__ import annotations

from dataclasses import dataclass

import torch
from prsbench.methods.sam_networks import EMBED, SamNetwork
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM


@dataclass(frozen=True, slots=True)
class Said:
    """Greedy answer. states_TD: of everything read and said but the last token, which nothing was predicted from."""

    ids: list[int]
    states_TD: Tensor


class LISA(LlamaForCausalLM):
    """Vicuna or Llama 2, one linear layer from CLIP's patches, a two-layer MLP from a state to a prompt, SAM."""

    def __init__(self, config: LlamaConfig, visual_model: SamNetwork, patch_width: int = 1024):
        super().__init__(config)
        width = config.hidden_size
        self.model.mm_projector = nn.Linear(patch_width, width)
        self.model.text_hidden_fcs = nn.ModuleList(
            [nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, EMBED), nn.Dropout(0.0))]
        )
        self.model.visual_model = visual_model

    def say(self, before: list[int], patches_PC: Tensor, after: list[int], answer_tokens: int, end: int) -> Said:
        """What follows token ids, CLIP's patches and token ids."""
        embed = self.get_input_embeddings()
        words = [embed(torch.tensor(ids, device=self.device)) for ids in (before, after)]
        embedded_TD = torch.cat([words[0], self.model.mm_projector(patches_PC), words[1]])
        out = self.generate(
            inputs_embeds=embedded_TD[None],
            attention_mask=torch.ones(1, len(embedded_TD), dtype=torch.long, device=self.device),
            max_new_tokens=answer_tokens,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
            return_dict_in_generate=True,
            output_hidden_states=True,
        )
        states_TD = torch.cat([step[-1][0] for step in out.hidden_states])
        return Said(out.sequences[0].tolist(), states_TD)

    def text_prompts(self, states_ND: Tensor) -> Tensor:
        """(N, 256) float32, what SAM is asked with."""
        return self.model.text_hidden_fcs[0](states_ND).float()

    def masks(self, features_1CEE: Tensor, prompts_NC: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits (N, 1, L, L) and predicted IoU (N, 1): each text is the only sparse prompt, nothing is added to it."""
        sam = self.model.visual_model
        _, dense_1CEE = sam.prompt_encoder(points=None, boxes=None, masks=None)
        return sam.mask_decoder(
            image_embeddings=features_1CEE,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=prompts_NC[:, None],
            dense_prompt_embeddings=dense_1CEE,
            multimask_output=False,
        )

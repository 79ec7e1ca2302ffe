"""LLaVA of the 1.5 layout (LLaVA-Med v1.5: CLIP tower, two-layer projector, Mistral) from a local folder, with LoRA.

The papers' language model. It reads the image through its own CLIP tower and projector, both frozen.
"""

# B batch, S image side, N image tokens, D language width

from __future__ import annotations

from pathlib import Path

import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.methods.multimodal_llm import AdaptedLLM, ImageTokens
from torch import Tensor, nn
from torch.nn import functional as F

BEFORE_IMAGE, AFTER_QUESTION = "[INST] ", " [/INST]"  # Mistral's instruction form, in which LLaVA-Med v1.5 was tuned


class LlavaBase:
    """`.tokenizer` and `.model`, a LlavaForConditionalGeneration. Given, or `read` from a folder."""

    def __init__(self, tokenizer, model: nn.Module):
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token  # padding is masked: any id serves
        self.tokenizer = tokenizer
        self.model = model

    @classmethod
    def read(cls, folder: Path, dtype: str, device: str) -> LlavaBase:
        """A Hugging Face folder (config, weights, tokenizer); nothing is downloaded.

        Raises:
            MissingPrerequisite: the folder holds no such model, or lacks tensors of it, or holds more.
        """
        from transformers import AutoTokenizer, LlavaForConditionalGeneration

        if not (folder / "config.json").is_file():
            raise MissingPrerequisite(
                f"{folder}: no config.json here. Set `language_model` to a folder of LLaVA-Med v1.5 in transformers' Llava form."
            )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, found = LlavaForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, dtype=getattr(torch, dtype), output_loading_info=True
        )
        # transformers draws what is missing at random, and only warns.
        strange = {kind: sorted(map(str, names))[:3] for kind, names in found.items() if names}
        if strange:
            raise MissingPrerequisite(f"{folder}: the weights do not fit its config.json: {strange}. Fetch or convert it again.")
        return cls(tokenizer, model.to(device))


class LlavaLLM(AdaptedLLM):
    """LoRA stands wherever a projection has one of `LORA_TARGETS`' names, so on the CLIP tower's q, k, v too, as in the public
    adapter (144 of its 400 tensors). The tower's last layer gets no gradient: LLaVA reads the layer before it.
    """

    reads_pixels = True

    def __init__(self, base: LlavaBase, rank: int, alpha: int, dropout: float, gradient_checkpointing: bool):
        super().__init__(base.tokenizer, base.model, rank, alpha, dropout)
        if gradient_checkpointing:
            base.model.gradient_checkpointing_enable({"use_reentrant": False})  # the reentrant one needs inputs with gradients

    def _see(self, seen_BCHW: Tensor) -> ImageTokens:
        """`<s>[INST] ` and the image's tokens, so that the text begins behind the image."""
        llava = self.language.get_base_model()
        seen = llava.get_image_features(pixel_values=self._pixels(seen_BCHW), return_dict=True)
        image_BND = torch.stack(tuple(seen.pooler_output))
        begin = [self.tokenizer.bos_token_id, *self.tokenizer.encode(BEFORE_IMAGE, add_special_tokens=False)]
        return self._after(begin, ImageTokens(image_BND, None))

    def _pixels(self, image_B3SS: Tensor) -> Tensor:
        """At the tower's side and statistics. The whole image, its aspect not kept: CLIP's centre crop would lose places."""
        from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

        llava = self.language.get_base_model()
        side = llava.config.vision_config.image_size
        resized = F.interpolate(image_B3SS, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (resized.new_tensor(values)[:, None, None] for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
        return ((resized - mean) / std).to(llava.dtype)

    def _question_ids(self, question: str) -> list[int]:
        return self.tokenizer.encode(f"\n{question}{AFTER_QUESTION}", add_special_tokens=False)

    @property
    def _decoder(self) -> nn.Module:
        return self.language.get_base_model().model.language_model

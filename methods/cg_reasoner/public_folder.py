"""The official folder layout: `image_encoder.pth`, `mask_decoder.pth`, `lora_adapter/` as peft writes it, `tokenizer/`.

Exports add what it has no name for: `rest.safetensors` (the embedded sizes' projector, the bridge), `small_llama/` (the tiny
size's language model) and `config.yaml`. A folder without `config.yaml` is read as the paper's size.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.cg_reasoner import checkpoint
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Base, CGReasoner
from prsbench.methods.parts.language.multimodal_llm import LORA_TARGETS
from prsbench.methods.parts.weights.checkpoints import Matched, read_checkpoint
from prsbench.methods.parts.weights.described_folder import DESCRIPTION, describe, described
from safetensors.torch import load_file, save_file
from torch import Tensor

ENCODER, DECODER = "image_encoder.pth", "mask_decoder.pth"
ADAPTER, TOKENIZER, REST = "lora_adapter", "tokenizer", "rest.safetensors"
REQUIRED = (ENCODER, DECODER, ADAPTER)  # the published folder lacks the others
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
ROW = "cg_reasoner_checkpoint"
_MODEL = "base_model.model.model."
_LLAVA_NAMES = (  # LLaVA's original code and transformers name modules differently; transformers' versions differ in the tower
    (f"{_MODEL}layers.", f"{_MODEL}language_model.layers."),
    (f"{_MODEL}vision_tower.vision_tower.", f"{_MODEL}vision_tower."),
    (f"{_MODEL}vision_tower.vision_tower.vision_model.", f"{_MODEL}vision_tower."),
)
_NOT_PLAIN = ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "layers_to_transform", "modules_to_save")


def write(folder: Path, model: CGReasoner, config: CGReasonerConfig, base: Base, notes: tuple[str, ...]) -> None:
    """Write the model into an empty folder."""
    state = checkpoint.trained_state(model)
    torch.save(_state_under(state, "encoder."), folder / ENCODER)
    torch.save(_state_under(state, "decoder."), folder / DECODER)
    adapter = model.llm.language.active_peft_config  # its path holds only on this machine
    base_name = checkpoint.LANGUAGE_BASE if config.language_model is None else Path(config.language_model).name
    adapter.base_model_name_or_path = base_name
    model.llm.language.save_pretrained(str(folder / ADAPTER), save_embedding_layers=False)
    model.llm.tokenizer.save_pretrained(folder / TOKENIZER)
    save_file({n: t for n, t in state.items() if not n.startswith(("encoder.", "decoder.", "llm.language."))}, folder / REST)
    checkpoint.write_base(folder, base)
    describe(folder, checkpoint.METHOD, checkpoint.description_of(model, config, notes))


def read(folder: Path, language_model: str | None, device: str) -> tuple[CGReasoner, CGReasonerConfig, Matched, dict[str, Any]]:
    """The model in eval mode, its config, how many tensors were matched, and the contents of config.yaml ({} without one).

    Raises:
        PrsbenchError: a file is missing or changed, a tensor is missing, unknown or of another shape, or LoRA differs from ours.
    """
    description = described(folder, checkpoint.METHOD) if (folder / DESCRIPTION).is_file() else {}
    given = description["config"] if description else {"size": "paper", "bridge": "none", "lora": _lora_of(folder)}
    config = checkpoint.stored_config({**given, **({"language_model": language_model} if language_model else {})}, folder)
    base = checkpoint.read_base(config, folder / checkpoint.LANGUAGE_BASE, device)
    model = checkpoint.assemble(config, base, description.get("language_model"), str(folder))
    matched = checkpoint.load_trained(model, _state(folder, model), str(folder))
    return model.to(device).eval(), config, matched, description


def _state(folder: Path, model: CGReasoner) -> dict[str, Tensor]:
    """All tensors of the folder, under our network's names."""
    encoder, decoder = (read_checkpoint(folder / name, ROW, name) for name in (ENCODER, DECODER))
    known = model.state_dict().keys()
    lora = read_checkpoint(folder / ADAPTER / ADAPTER_WEIGHTS, ROW, ADAPTER)
    named = [(f"encoder.{n}", t) for n, t in encoder.items()] + [(f"decoder.{n}", t) for n, t in decoder.items()]
    named += [(lora_name(n, known), t) for n, t in lora.items()]
    named += load_file(folder / REST).items() if (folder / REST).is_file() else []
    if twice := sorted(name for name, n in Counter(name for name, _ in named).items() if n > 1):
        raise PrsbenchError(f"{folder}: {len(twice)} tensors come twice ({', '.join(twice[:3])}). Remove one of each.")
    return dict(named)


def unknown_files(folder: Path) -> list[str]:
    """Tensor files in the folder that do not belong to this network, such as the public code's modality head (`cls.pth`)."""
    files = (path.name for path in folder.iterdir() if path.suffix in (".pth", ".pt", ".bin", ".safetensors"))
    return sorted(set(files) - {ENCODER, DECODER, REST})


def lora_name(name: str, known: Collection[str]) -> str:
    """Our network's name of a tensor in an adapter file: peft omits "default", and LLaVA's original names are accepted too."""
    for ours in (name, *(name.replace(theirs, ours) for theirs, ours in _LLAVA_NAMES if name.startswith(theirs))):
        full = "llm.language." + ours.replace(".lora_A.weight", ".lora_A.default.weight").replace(
            ".lora_B.weight", ".lora_B.default.weight"
        )
        if full in known:
            return full
    return f"llm.language.{name}"  # `load_trained` will report it as unknown


def _lora_of(folder: Path) -> dict[str, Any]:
    """Rank, alpha and dropout of the adapter.

    Raises:
        PrsbenchError: there is no adapter, it adapts other projections than ours, or it is not plain LoRA.
    """
    path = folder / ADAPTER / ADAPTER_CONFIG
    if not path.is_file():
        raise PrsbenchError(f"{path}: not found. Set `checkpoint` to a folder with {ENCODER}, {DECODER}, {ADAPTER}/.")
    lora = json.loads(path.read_text(encoding="utf-8"))
    plain = {"peft_type": "LORA", "bias": "none", **dict.fromkeys(_NOT_PLAIN)}
    other = {key: lora[key] for key, value in plain.items() if (lora.get(key) or value) != value}
    if other or set(lora["target_modules"]) != set(LORA_TARGETS):
        got = f"{lora['target_modules']} {other or ''}"
        raise PrsbenchError(f"{path}: expected plain LoRA on {', '.join(LORA_TARGETS)}, got {got}.")
    return {"rank": lora["r"], "alpha": lora["lora_alpha"], "dropout": lora["lora_dropout"]}


def _state_under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}

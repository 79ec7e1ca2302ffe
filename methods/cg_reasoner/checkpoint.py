"""CG-Reasoner's checkpoint folder: the trained tensors and config.yaml, without the user's or packaged language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Base, CGReasoner, build
from prsbench.methods.parts.language.llava_med import LlavaBase
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.language.smollm2 import CausalBase
from prsbench.methods.parts.training.lora import is_lora
from prsbench.methods.parts.weights.checkpoints import Matched, match
from prsbench.methods.parts.weights.described_folder import DESCRIPTION, describe, described, fingerprint
from prsbench.methods.text2centroid.model import CentroidHead
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

METHOD = "cg_reasoner"
PREDICTS: Any = {  # config keys that decide whether the tensors fit and what they predict
    **dict.fromkeys(("size", "image_size_px", "language", "bridge", "mask_condition"), True),
    "backbone": {"name", "stages", "feature_channels"},
    "lora": {"rank", "alpha"},
}
WEIGHTS, LANGUAGE_BASE = "cg_reasoner.safetensors", "small_llama"


def read_base(config: CGReasonerConfig, folder: Path | None, device: str) -> Base:
    """The frozen language model: the tiny size's from `folder` (None: packaged), the others from the config's `language_model`.

    Raises:
        MissingPrerequisite: it is missing.
    """
    if config.size == "tiny":
        return SmallLlama.of(config.language, folder, device)
    if config.language_model is None:
        wanted = {"paper": "LLaVA-Med v1.5's folder, in transformers' Llava form", "small": "'packaged' or a folder"}[config.size]
        raise MissingPrerequisite(
            f"cg_reasoner: the {config.size} size needs `language_model`, none is set. "
            f"Set methods.cg_reasoner.language_model to {wanted}."
        )
    if config.size == "paper":
        return LlavaBase.read(Path(config.language_model), config.language_dtype, device)
    return CausalBase.read(config.language_model, config.language.layout_side, config.language_dtype, device)


def write(folder: Path, model: CGReasoner, config: CGReasonerConfig, base: Base, notes: Sequence[str]) -> None:
    """Write `config.yaml`, the trained tensors as safetensors, and the tiny size's language model."""
    save_file(trained_state(model), folder / WEIGHTS)
    write_base(folder, base)
    describe(folder, METHOD, description_of(model, config, notes))


def write_base(folder: Path, base: Base) -> None:
    """Write the language model of the tiny size; the other sizes' stay in their folder or package."""
    if isinstance(base, SmallLlama):
        (folder / LANGUAGE_BASE).mkdir(exist_ok=True)
        base.save(folder / LANGUAGE_BASE)


def description_of(model: CGReasoner, config: CGReasonerConfig, notes: Sequence[str]) -> dict[str, Any]:
    """The contents of config.yaml, except the files' hashes."""
    frozen = fingerprint(frozen_state(model))
    return {"size": config.size, "sources": list(notes), "language_model": frozen, "config": config.model_dump(mode="json")}


def read(folder: Path, config: CGReasonerConfig, device: str) -> tuple[CGReasoner, Base, Matched, tuple[str, ...]]:
    """The model, its language model, how many trained tensors were matched, and the notes of its training.

    Raises:
        PrsbenchError: a file is missing or changed, a tensor is missing, unknown or of another shape, or the configs differ.
    """
    stored = described(folder, METHOD)
    here, there = (c.model_dump(mode="json", include=PREDICTS) for c in (config, stored_config(stored["config"], folder)))
    different = [f"{key}: {there[key]}, here {value}" for key, value in here.items() if there[key] != value]
    if different:
        raise PrsbenchError(
            f"{folder}: trained with another config: {'; '.join(different)}. Load it with the one it was trained with."
        )
    base = read_base(config, folder / LANGUAGE_BASE, device)
    model = assemble(config, base, stored["language_model"], str(folder))
    matched = load_trained(model, load_file(folder / WEIGHTS), str(folder))
    model.to(device).eval()
    return model, base, matched, tuple(stored["sources"])


def stored_config(values: Mapping[str, Any], folder: Path) -> CGReasonerConfig:
    """The config in a folder's config.yaml.

    Raises:
        PrsbenchError: an earlier version wrote it, whose keys were others.
    """
    try:
        return CGReasonerConfig.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(problem["msg"] for problem in error.errors())
        raise PrsbenchError(
            f"{folder / DESCRIPTION}: not a config of this version ({problems}). "
            "Read it with the version of prsbench that wrote it, or train it again."
        ) from None


def assemble(config: CGReasonerConfig, base: Base, trained_on: str | None, source: str) -> CGReasoner:
    """The network before its trained weights are loaded. `trained_on`: the language model's expected fingerprint, if known.

    Raises:
        PrsbenchError: the language model has another fingerprint.
    """
    head = CentroidHead(config.text2centroid.hidden) if config.bridge != "none" else None
    # The file holds all weights: reading the packaged backbone first would be wasted.
    random = config.backbone.model_copy(update={"weights": None})
    model, _ = build(config.model_copy(update={"backbone": random}), base, head)
    if trained_on is not None and (here := fingerprint(frozen_state(model))) != trained_on:
        raise PrsbenchError(
            f"{source}: trained on a language model of fingerprint {trained_on[:12]}, got one of {here[:12]}. "
            "Set `language_model` to the one it was trained on."
        )
    return model


def load_trained(model: CGReasoner, state: Mapping[str, Tensor], source: str) -> Matched:
    """Load every tensor except the frozen language model's; names and shapes must match."""
    matched = match(_trained(model), state, source)
    model.load_state_dict(dict(state), strict=False)  # not strict: frozen tensors are loaded, BatchNorm's counters optional
    return matched


def trained_state(model: CGReasoner) -> dict[str, Tensor]:
    """The trained tensors, contiguous and on the CPU."""
    return {name: tensor.contiguous().cpu() for name, tensor in _trained(model).items()}


def frozen_state(model: CGReasoner) -> dict[str, Tensor]:
    """The frozen language model's tensors, under their names without LoRA."""
    return {n.replace(".base_layer", ""): t for n, t in model.state_dict().items() if _is_frozen(n)}


def _trained(model: CGReasoner) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if not _is_frozen(name)}


def _is_frozen(name: str) -> bool:
    return name.startswith("llm.language.") and not is_lora(name)

"""PRS-Med's published folder, tensor by tensor: image_encoder.pth, mask_decoder.pth, lora_adapter/, and cls.pth and tokenizer/
where they are there (the published folder lacks both)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.checkpoints import Matched, fill, read_checkpoint
from prsbench.methods.prs_med.config import PRSMedOfficialConfig
from prsbench.methods.prs_med.decoder import MaskDecoder
from prsbench.methods.prs_med.model import modality_head
from prsbench.methods.sam_networks import tiny_vit
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

ENCODER, DECODER, HEAD, ADAPTER, TOKENIZER = "image_encoder.pth", "mask_decoder.pth", "cls.pth", "lora_adapter", "tokenizer"
_LORA = re.compile(r"base_model\.model\.model\.(?P<layer>.+)\.lora_(?P<part>[AB])\.weight")
_TOWER = "vision_tower.vision_tower.vision_model."


def folder_of(config: PRSMedOfficialConfig, key: str) -> Path:
    """The folder named by a config key.

    Raises:
        MissingPrerequisite: none is named, or it is not there.
    """
    path = getattr(config, key)
    if path is not None and Path(path).is_dir():
        return Path(path)
    official = {
        "checkpoint": "the published PRS-Med folder (image_encoder.pth, mask_decoder.pth, lora_adapter/)",
        "llava": "a folder with LLaVA-Med v1.5 in transformers' Llava form",
    }[key]
    where = f"no {key} is set" if path is None else f"no folder at {path}"
    raise MissingPrerequisite(
        f"prs_med_official: skipped, {where}. Set methods.prs_med_official.{key} to {official}, or leave it out with --only."
    )


def load_encoder(folder: Path) -> tuple[nn.Module, Matched]:
    """TinySAM's frozen encoder. The file holds it twice, beside SAM's other parts; the copy that the release runs is taken."""
    state = _read(folder, ENCODER)
    own = {key.removeprefix("image_encoder."): t for key, t in state.items() if key.startswith("image_encoder.")}
    encoder = build_encoder()
    return encoder, fill(encoder, own, ENCODER)


def build_encoder() -> nn.Module:
    return tiny_vit()


def load_decoder(folder: Path, prompt_width: int) -> tuple[nn.Module, Matched]:
    """The frozen mask decoder, of the version whose tensors the file holds: an older one would run, and give other numbers.

    cls.pth, which nothing needs at test, is checked where it is there.
    """
    state = _read(folder, DECODER)
    decoder = MaskDecoder(prompt_width, version=5 if "image_norm.weight" in state else 6)
    matched = fill(decoder, state, DECODER)
    if (folder / HEAD).is_file():
        fill(modality_head(), _read(folder, HEAD), HEAD)
    return decoder, matched


def load_tokenizer(folder: Path, llava: Path) -> PreTrainedTokenizerBase:
    """From tokenizer/, else from beside the adapter, as in the published folder, else LLaVA's."""
    places = (folder / TOKENIZER, folder / ADAPTER, llava)
    place = next(place for place in places if place == llava or (place / "tokenizer_config.json").is_file())
    return AutoTokenizer.from_pretrained(place, local_files_only=True)


@torch.no_grad()
def merge_adapter(llava: nn.Module, folder: Path) -> Matched:
    """Add each LoRA product to the weight it adapts, in the language model and in CLIP's tower.

    Raises:
        PrsbenchError: a tensor of the adapter has no place, or half of a pair is missing.
    """
    place = folder / ADAPTER
    settings = json.loads((place / "adapter_config.json").read_text())
    file = next((name for name in ("adapter_model.safetensors", "adapter_model.bin") if (place / name).is_file()), None)
    if file is None:
        raise MissingPrerequisite(f"{place}: holds no adapter_model.safetensors. Copy the whole published folder.")
    state = read_checkpoint(place / file, "prs_med_official", file)
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        found = _LORA.fullmatch(key)
        if found is None:
            raise PrsbenchError(f"{place / file}: tensor '{key}' is none of PRS-Med's adapter. Is it another model's?")
        pairs.setdefault(found["layer"], {})[found["part"]] = tensor
    layers = _adaptable(llava)
    for layer, pair in pairs.items():
        target = layers.get(layer)
        if target is None or pair.keys() != {"A", "B"} or target.weight.shape != (len(pair["B"]), pair["A"].shape[1]):
            raise PrsbenchError(f"{place / file}: the pair of '{layer}' does not fit the LLaVA folder. Is it LLaVA-Med v1.5?")
        delta = (pair["B"].float() @ pair["A"].float()) * (settings["lora_alpha"] / settings["r"])
        target.weight.copy_(target.weight.float() + delta.to(target.weight.device))
    return Matched(2 * len(pairs), len(state))


def _adaptable(llava: nn.Module) -> Mapping[str, nn.Linear]:
    """Linear layers under the names they have in LLaVA's own code."""
    language = {f"{name}": layer for name, layer in llava.model.language_model.named_modules()}
    # transformers has had the tower's encoder one level deeper and not: what counts is the name from `encoder` on.
    tower = {f"{_TOWER}encoder{name.rpartition('encoder')[2]}": m for name, m in llava.model.vision_tower.named_modules()}
    return {name: layer for name, layer in {**language, **tower}.items() if isinstance(layer, nn.Linear)}


def _read(folder: Path, name: str) -> dict[str, Tensor]:
    if not (folder / name).is_file():
        raise MissingPrerequisite(f"{folder}: holds no {name}. Copy the whole published folder of PRS-Med.")
    return read_checkpoint(folder / name, "prs_med_official", name)

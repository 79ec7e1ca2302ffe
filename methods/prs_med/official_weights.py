"""Loading of PRS-Med's official folder, with every tensor matched by name and shape.

It holds image_encoder.pth, mask_decoder.pth and lora_adapter/; cls.pth and tokenizer/ are optional (the official one lacks both).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.parts.sam.networks import tiny_vit
from prsbench.methods.parts.weights.checkpoints import Matched, fill
from prsbench.methods.parts.weights.tensor_files import read_tensors
from prsbench.methods.prs_med.decoder import MaskDecoder
from prsbench.methods.prs_med.model import modality_head
from torch import Tensor, nn
from transformers import AutoTokenizer, LlavaForConditionalGeneration, PreTrainedTokenizerBase

ENCODER, DECODER, HEAD, ADAPTER, TOKENIZER = "image_encoder.pth", "mask_decoder.pth", "cls.pth", "lora_adapter", "tokenizer"
_LORA = re.compile(r"base_model\.model\.model\.(?P<layer>.+)\.lora_(?P<half>[AB])\.weight")
_TOWER = "vision_tower.vision_tower.vision_model."


def load_encoder(folder: Path) -> tuple[nn.Module, Matched]:
    """TinySAM's frozen encoder. The file holds it twice, with the rest of SAM; the copy that the official code runs is loaded."""
    state = _read(folder, ENCODER)
    tensors = {key.removeprefix("image_encoder."): t for key, t in state.items() if key.startswith("image_encoder.")}
    encoder = tiny_vit()
    return encoder, fill(encoder, tensors, ENCODER)


def load_decoder(folder: Path, prompt_width: int) -> tuple[nn.Module, Matched]:
    """The frozen mask decoder, in the version whose tensors the file holds: the other one would run, but give other numbers.

    cls.pth is not needed at test; it is checked if present.
    """
    state = _read(folder, DECODER)
    decoder = MaskDecoder(prompt_width, version=5 if "image_norm.weight" in state else 6)
    matched = fill(decoder, state, DECODER)
    if (folder / HEAD).is_file():
        fill(modality_head(), _read(folder, HEAD), HEAD)
    return decoder, matched


def load_tokenizer(folder: Path, llava: Path) -> PreTrainedTokenizerBase:
    """From tokenizer/, else from lora_adapter/, where the official folder has it, else LLaVA's."""
    folders = (folder / TOKENIZER, folder / ADAPTER, llava)
    source = next(path for path in folders if path == llava or (path / "tokenizer_config.json").is_file())
    return AutoTokenizer.from_pretrained(source, local_files_only=True)


@torch.no_grad()
def merge_adapter(llava: LlavaForConditionalGeneration, folder: Path) -> Matched:
    """Add each LoRA product to the weight it adapts, in the language model and in CLIP's tower.

    Raises:
        MissingPrerequisite: the adapter's weights are missing.
        PrsbenchError: a tensor of the adapter fits no layer, or half of a pair is missing.
    """
    adapter = folder / ADAPTER
    settings = json.loads((adapter / "adapter_config.json").read_text())
    file = next((name for name in ("adapter_model.safetensors", "adapter_model.bin") if (adapter / name).is_file()), None)
    if file is None:
        raise MissingPrerequisite(f"{adapter}: found no adapter_model.safetensors. Copy the complete official folder of PRS-Med.")
    state = read_tensors(adapter / file)
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        match = _LORA.fullmatch(key)
        if match is None:
            raise PrsbenchError(f"{adapter / file}: tensor '{key}' is not part of PRS-Med's adapter. Is it another model's?")
        pairs.setdefault(match["layer"], {})[match["half"]] = tensor
    layers = _adaptable(llava)
    for layer, pair in pairs.items():
        target = layers.get(layer)
        if target is None or pair.keys() != {"A", "B"} or target.weight.shape != (len(pair["B"]), pair["A"].shape[1]):
            raise PrsbenchError(f"{adapter / file}: the pair of '{layer}' does not fit the LLaVA folder. Is it LLaVA-Med v1.5?")
        delta = (pair["B"].float() @ pair["A"].float()) * (settings["lora_alpha"] / settings["r"])
        target.weight.copy_(target.weight.float() + delta.to(target.weight.device))
    return Matched(2 * len(pairs), len(state))


def _adaptable(llava: LlavaForConditionalGeneration) -> Mapping[str, nn.Linear]:
    """Linear layers under their names in LLaVA's original code."""
    language = dict(llava.model.language_model.named_modules())
    # The depth of the tower's encoder differs between versions of transformers: only the name from `encoder` on counts.
    tower = {f"{_TOWER}encoder{name.rpartition('encoder')[2]}": m for name, m in llava.model.vision_tower.named_modules()}
    return {name: layer for name, layer in {**language, **tower}.items() if isinstance(layer, nn.Linear)}


def _read(folder: Path, name: str) -> dict[str, Tensor]:
    if not (folder / name).is_file():
        raise MissingPrerequisite(f"{folder}: found no {name}. Copy the complete official folder of PRS-Med.")
    return read_tensors(folder / name)

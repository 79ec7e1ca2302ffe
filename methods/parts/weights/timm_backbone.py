"""timm image backbone by name, with ImageNet weights from a package where one has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.types import Weights
from prsbench.methods.parts.weights.checkpoints import match
from prsbench.methods.parts.weights.packaged import EFFICIENTNET_LITE0, locate
from prsbench.methods.parts.weights.tensor_files import read_tensors
from torch import Tensor, nn


def build_backbone(name: str, stages: Sequence[int], weights: str | None) -> tuple[Any, Weights, str]:
    """A timm feature extractor returning the maps of `stages`.

    Args:
        name: timm's model name, such as "convnext_tiny" (the paper) or "tf_efficientnet_lite0" (the embedded stand-in).
        stages: indices into the extractor's feature list, finest first.
        weights: "packaged", a path to that model's state dict (safetensors, or .pth read with weights_only), or None for random.

    Returns:
        timm's module (normalised RGB in), where its weights come from, and the note that every row must carry.
    """
    import timm

    source, note = Weights.RANDOM, f"backbone {name}: RANDOM initialisation"
    model = timm.create_model(name, pretrained=False)
    if weights == "packaged":
        path = locate(EFFICIENTNET_LITE0) if name == "tf_efficientnet_lite0" else None
        if path is not None:
            model.load_state_dict(_in_timm_order(torch.load(path, map_location="cpu", weights_only=True), model))
            source, note = Weights.PACKAGED, f"backbone {name}: ImageNet-1k weights (packaged)"
        else:
            note += f" ({EFFICIENTNET_LITE0.requirement} is not installed or has no weights for it)"
    elif weights is not None:
        state = _read(Path(weights))
        match(model.state_dict(), state, weights)
        model.load_state_dict(state, strict=False)  # not strict: BatchNorm's step counters may be missing
        source, note = Weights.OFFICIAL, f"backbone {name}: {Path(weights).name}"
    extractor = timm.create_model(name, pretrained=False, features_only=True, out_indices=tuple(stages))
    # The extractor names its tensors like the model (flattened or not), so all its tensors must be found.
    flat = {key.replace(".", "_"): value for key, value in model.state_dict().items()}
    extractor.load_state_dict({key: flat[key.replace(".", "_")] for key in extractor.state_dict()})
    return extractor, source, note


def freeze_statistics(backbone: nn.Module) -> None:
    """Put every batch norm of a pre-trained backbone into eval mode: a few images of six modalities have other statistics."""
    for norm in (m for m in backbone.modules() if hasattr(m, "running_mean")):  # any batch-norm class
        norm.eval()


def _in_timm_order(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The packaged tensors under timm's names: they have other names in the same order, so all shapes must agree."""
    ours = model.state_dict()
    if [tuple(t.shape) for t in state.values()] != [tuple(t.shape) for t in ours.values()]:
        raise MissingPrerequisite(
            f"{EFFICIENTNET_LITE0.requirement}: its {len(state)} tensors do not fit timm's {len(ours)}. Check timm's version."
        )
    return dict(zip(ours, state.values(), strict=True))


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise MissingPrerequisite(f"Backbone weights not found at {path}. Set `backbone.weights` to a file, 'packaged' or null.")
    return read_tensors(path)

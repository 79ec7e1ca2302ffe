"""LiteMedSAM's image encoder at a reduced size: real medical features for methods that train here on a CPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.checkpoints import Matched, fill
from prsbench.methods.parts import LiteMedSAMFeaturesConfig
from prsbench.methods.sam_config import LiteMedSAMConfig
from prsbench.methods.sam_networks import tiny_vit_blocks
from prsbench.methods.sam_variants import checkpoint_of
from prsbench.methods.training_images import TrainingImage, training_images
from prsbench.methods.training_state import read_state, write_state
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4  # image pixels a feature, in each direction
FEATURES = "features.safetensors"
CHUNK = 32  # images between two writes: half a minute's work on a CPU
Layer = Literal["neck", "stages"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
CHANNELS, STAGE_CHANNELS = 256, 320  # after the neck, and of each of the last two stages before it


class LiteMedSAMEncoder(nn.Module):
    """Frozen; (B, 3, S, S) RGB in any range to (B, 256, S / 4, S / 4). At S = 256 it is LiteMedSAM's own.

    Its weights do not depend on S; at another S than it was trained at it is a stand-in, and rows must say so.
    """

    def __init__(self, side_px: int):
        super().__init__()
        self.side_px = side_px
        self.blocks = tiny_vit_blocks(side_px)

    def load_packaged(self) -> Matched:
        """See `sam_variants.load_variant` for errors."""
        state, source = checkpoint_of(LiteMedSAMConfig(prompt_source="automatic"))
        of_encoder = {key.removeprefix("image_encoder."): t for key, t in state.items() if key.startswith("image_encoder.")}
        return fill(self.blocks, of_encoder, source.split("@")[0])

    @torch.no_grad()
    def forward(self, image_B3SS: Tensor) -> Tensor:
        return self.blocks.neck(self._stages(image_B3SS)[-1])

    def _stages(self, image_B3SS: Tensor) -> list[Tensor]:
        """What the last two stages give, before the neck."""
        low, high = image_B3SS.amin((1, 2, 3), keepdim=True), image_B3SS.amax((1, 2, 3), keepdim=True)
        x = self.blocks.patch_embed((image_B3SS - low) / (high - low).clamp(min=1e-8))
        given = [x := layer(x) for layer in self.blocks.layers]
        side = self.side_px // STRIDE
        return [x.transpose(1, 2).reshape(len(x), -1, side, side) for x in given[-2:]]


class LiteMedSAMStages(LiteMedSAMEncoder):
    """Its last two stages side by side, (B, 3, S, S) to (B, 640, S / 4, S / 4); the second half is the last stage's."""

    @torch.no_grad()
    def forward(self, image_B3SS: Tensor) -> Tensor:
        return torch.cat(self._stages(image_B3SS), dim=1)


def embed(encoder: LiteMedSAMEncoder, image_B3SS: Tensor, feature_side: int) -> Tensor:
    """Frozen features (B, C, H, W), averaged down to feature_side."""
    return F.adaptive_avg_pool2d(encoder(image_B3SS.float()), feature_side)


class LiteMedSAMFeatures:
    """A trainable part that trains nothing: the features of the training images, for all methods that learn on them.

    Kept in half precision, (2, N, C, H, W): each image as it is, and flipped left to right. With 600 images of 128 px, 1 GB.
    """

    def __init__(self, config: LiteMedSAMFeaturesConfig):
        self.config = config

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """An earlier process that was killed left what it had embedded in `context.scratch`."""
        side = self.config.image_size_px
        images = training_images(train, side)
        encoder = LiteMedSAMStages(side)
        encoder.load_packaged()
        encoder.to(context.device)
        found: list[Mapping[str, Tensor]] = []
        for start in range(0, len(images), CHUNK):
            some = images[start : start + CHUNK]
            found.append(self._kept(encoder, some, context.scratch and context.scratch / f"images-{start:06}.state"))
            context.progress(start + len(some), len(images), "images embedded")
        self._tensors = {layer: torch.cat([chunk[layer] for chunk in found], dim=1) for layer in LAYERS}
        self._image_ids = [one.image_id for one in images]

    def _kept(self, encoder: LiteMedSAMStages, images: Sequence[TrainingImage], path: Path | None) -> Mapping[str, Tensor]:
        earlier = read_state(path) if path else None
        if earlier is not None:
            return earlier[0]
        embedded = self._embedded(encoder, images)
        if path:
            write_state(path, embedded, {})
        return embedded

    @torch.no_grad()
    def _embedded(self, encoder: LiteMedSAMStages, images: Sequence[TrainingImage]) -> dict[str, Tensor]:
        device = next(encoder.parameters()).device
        ways: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
        for flips in (False, True):
            # One at a time: on a CPU a batch of them is no faster, and takes its memory.
            shown = [(one.image_3SS.flip(-1) if flips else one.image_3SS)[None].to(device).float() for one in images]
            stages = [encoder(image) for image in shown]
            neck = [encoder.blocks.neck(both[:, STAGE_CHANNELS:]) for both in stages]
            coarse = [F.adaptive_avg_pool2d(both, self.config.stages_side) for both in stages]
            for layer, made in (("neck", neck), ("stages", coarse)):
                ways[layer].append(torch.cat(made).to("cpu", torch.float16))
        return {layer: torch.stack(made) for layer, made in ways.items()}

    def save(self, folder: Path) -> None:
        save_file(self._tensors, folder / FEATURES, {"image_ids": json.dumps(self._image_ids)})

    def load(self, folder: Path, device: str) -> None:
        """On the CPU, whatever the device: read from the disk as they are used."""
        with safe_open(folder / FEATURES, "pt") as stored:
            self._image_ids = json.loads(stored.metadata()["image_ids"])
            self._tensors = {layer: stored.get_tensor(layer) for layer in LAYERS}

    def of(self, images: Sequence[TrainingImage], layer: Layer, side: int) -> Tensor:
        """(2, N, C, side, side) float16 of just these images, averaged down to `side`.

        Raises:
            DataError: they are those of other images, or coarser than asked for.
        """
        if self._image_ids != [one.image_id for one in images]:
            raise DataError("LiteMedSAM's features are those of other images. Train their part on the same data sets.")
        features = self._tensors[layer]
        if features.shape[-1] < side:
            raise DataError(
                f"LiteMedSAM's features are {features.shape[-1]} on a side, expected at least {side}. Lower feature_side."
            )
        if features.shape[-1] == side:
            return features
        return torch.stack([torch.stack([_averaged(one, side) for one in way]) for way in features])


def _averaged(features_CHW: Tensor, side: int) -> Tensor:
    return F.adaptive_avg_pool2d(features_CHW.float(), side).half()


def features_of(images: Sequence[TrainingImage], layer: Layer, side: int, context: FitContext) -> Tensor:
    """`LiteMedSAMFeatures.of`, of the part that the method needs."""
    part = LiteMedSAMFeatures(LiteMedSAMFeaturesConfig())
    part.load(context.needs["features"], context.device)
    return part.of(images, layer, side)

"""LiteMedSAM's frozen image encoder at a reduced image size: medical features for methods that train here on a CPU."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.images import resize_to_levels
from prsbench.methods.parts.frozen_features.config import LiteMedSAMFeaturesConfig
from prsbench.methods.parts.sam.networks import tiny_vit_blocks
from prsbench.methods.parts.sam.variants import read_lite_medsam
from prsbench.methods.parts.training.images import TrainingImage, training_images
from prsbench.methods.parts.training.state import read_state, write_state
from prsbench.methods.parts.weights.checkpoints import fill
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4  # image pixels per feature, in each direction
FEATURES = "features.safetensors"
CHUNK = 32  # images between two saves: half a minute on a CPU
Layer = Literal["neck", "stages"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
CHANNELS, STAGE_CHANNELS = 256, 320  # after the neck, and of each of the two stages before it


class LiteMedSAMEncoder(nn.Module):
    """(B, 3, S, S) RGB in any range to (B, C, S / 4, S / 4): C = 256 after the neck, or C = 640 for the last two stages.

    At S = 256 it is LiteMedSAM's encoder. The weights do not depend on S, but they were trained at 256: at another S the encoder
    is a stand-in, and rows must say so.
    """

    def __init__(self, side_px: int, layer: Layer = "neck"):
        super().__init__()
        self.side_px, self.layer = side_px, layer
        self.blocks = tiny_vit_blocks(side_px)

    @classmethod
    def packaged(cls, side_px: int, layer: Layer = "neck", device: str = "cpu") -> Self:
        """The frozen encoder with the packaged weights, every tensor matched; for errors see `read_lite_medsam`."""
        encoder = cls(side_px, layer)
        state, source = read_lite_medsam()
        encoder_state = {key.removeprefix("image_encoder."): t for key, t in state.items() if key.startswith("image_encoder.")}
        fill(encoder.blocks, encoder_state, source.split("@")[0])
        return encoder.to(device)

    def forward(self, image_B3SS: Tensor) -> Tensor:
        return self.read(self.stages(image_B3SS))

    @torch.no_grad()
    def stages(self, image_B3SS: Tensor) -> Tensor:
        """The output of the last two stages, (B, 640, S / 4, S / 4): most of the computation."""
        low, high = image_B3SS.amin((1, 2, 3), keepdim=True), image_B3SS.amax((1, 2, 3), keepdim=True)
        x = self.blocks.patch_embed((image_B3SS - low) / (high - low).clamp(min=1e-8))
        outputs = [x := layer(x) for layer in self.blocks.layers]
        side = self.side_px // STRIDE
        return torch.cat([x.transpose(1, 2).reshape(len(x), -1, side, side) for x in outputs[-2:]], dim=1)

    @torch.no_grad()
    def read(self, stages_BCHW: Tensor) -> Tensor:
        """The features, from the output of `stages`."""
        return self.blocks.neck(stages_BCHW[:, STAGE_CHANNELS:]) if self.layer == "neck" else stages_BCHW


def embed(encoder: LiteMedSAMEncoder, images: Sequence[NDArray[np.uint8]], feature_side: int) -> tuple[Tensor, float]:
    """Frozen features (B, C, H, W) of (H, W, 3) images, averaged down to feature_side, and the seconds they took.

    Rows evaluated in the same process share the cached stages, and each counts the seconds they took.
    """
    device = str(next(encoder.parameters()).device)

    def stages(batch: Sequence[NDArray[np.uint8]]) -> list[Tensor]:
        # One at a time: cached features must be bit-identical whatever other images are in the batch.
        return [encoder.stages(resize_to_levels(image, encoder.side_px)[None].to(device).float()) for image in batch]

    cached = cached_features(f"LiteMedSAM {_checksum(encoder)} at {encoder.side_px} px", images, stages, device)
    start = time.perf_counter()
    features = encoder.read(torch.cat([one.features for one in cached]))
    seconds = sum(one.seconds for one in cached) + time.perf_counter() - start
    return F.adaptive_avg_pool2d(features, feature_side), seconds


def _checksum(encoder: nn.Module) -> int:
    """CRC of every weight (`fingerprint` probes only some): it takes milliseconds and keeps features of other weights apart."""
    check = 0
    for tensor in encoder.state_dict().values():
        check = zlib.crc32(tensor.cpu().contiguous().numpy(), check)
    return check


class LiteMedSAMFeatures:
    """A part without training: frozen features of the training images, for all methods that are trained on them.

    Stored in half precision, (2, N, C, H, W): each image, original and mirrored left to right. 600 images of 128 px take 1 GB.
    """

    def __init__(self, config: LiteMedSAMFeaturesConfig):
        self.config = config

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        """Embed the training images, reusing what a killed process left in `context.scratch`."""
        side = self.config.image_size_px
        images = training_images(train, side)
        encoder = LiteMedSAMEncoder.packaged(side, device=context.device)
        chunks: list[Mapping[str, Tensor]] = []
        for start in range(0, len(images), CHUNK):
            some = images[start : start + CHUNK]
            path = context.scratch / f"images-{start:06}.state" if context.scratch else None
            chunks.append(self._stored_or_embedded(encoder, some, path))
            context.progress(start + len(some), len(images), "images embedded")
        self._tensors: dict[str, Tensor] = {layer: torch.cat([chunk[layer] for chunk in chunks], dim=1) for layer in LAYERS}
        self._image_ids = [image.image_id for image in images]

    def _stored_or_embedded(
        self, encoder: LiteMedSAMEncoder, images: Sequence[TrainingImage], path: Path | None
    ) -> Mapping[str, Tensor]:
        stored = read_state(path) if path else None
        if stored is not None:
            return stored[0]
        embedded = self._embedded(encoder, images)
        if path:
            write_state(path, embedded, {})
        return embedded

    @torch.no_grad()
    def _embedded(self, encoder: LiteMedSAMEncoder, images: Sequence[TrainingImage]) -> dict[str, Tensor]:
        device = next(encoder.parameters()).device
        features: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
        for flip in (False, True):
            # One at a time, as `embed` does: on a CPU a batch is no faster, and needs more memory.
            inputs = [(one.image_3SS.flip(-1) if flip else one.image_3SS)[None].to(device).float() for one in images]
            stages = [encoder.stages(image) for image in inputs]
            neck = [encoder.read(both) for both in stages]
            coarse = [F.adaptive_avg_pool2d(both, self.config.stages_side) for both in stages]
            for layer, maps in (("neck", neck), ("stages", coarse)):
                features[layer].append(torch.cat(maps).to("cpu", torch.float16))
        return {layer: torch.stack(maps) for layer, maps in features.items()}

    def save(self, folder: Path) -> None:
        save_file(self._tensors, folder / FEATURES, {"image_ids": json.dumps(self._image_ids)})

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (protocol)
        """Load onto the CPU, whatever `device` is; the features are read from the disk when they are used."""
        with safe_open(folder / FEATURES, "pt") as stored:
            self._image_ids = json.loads(stored.metadata()["image_ids"])
            self._tensors = {layer: stored.get_tensor(layer) for layer in LAYERS}

    def of(self, images: Sequence[TrainingImage], layer: Layer, side: int) -> Tensor:
        """(2, N, C, side, side) float16 features of exactly these images, averaged down to `side`.

        Raises:
            DataError: the features are of other images, or have fewer than `side` on a side.
        """
        if self._image_ids != [image.image_id for image in images]:
            raise DataError("LiteMedSAM's features are those of other images. Train the features part on the same data sets.")
        features = self._tensors[layer]
        if features.shape[-1] < side:
            raise DataError(
                f"LiteMedSAM's features are {features.shape[-1]} on a side, expected at least {side}. Lower feature_side."
            )
        if features.shape[-1] == side:
            return features
        return torch.stack([torch.stack([F.adaptive_avg_pool2d(one.float(), side).half() for one in way]) for way in features])


def features_of(images: Sequence[TrainingImage], layer: Layer, side: int, context: FitContext) -> Tensor:
    """The features of these images from the part that the method needs; see `LiteMedSAMFeatures.of`."""
    part = LiteMedSAMFeatures(LiteMedSAMFeaturesConfig())
    part.load(context.needs["features"], context.device)
    return part.of(images, layer, side)

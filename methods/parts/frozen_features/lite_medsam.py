"""LiteMedSAM's frozen image encoder at a reduced image size: medical features for methods that train here on a CPU."""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.images import resize_to_levels
from prsbench.methods.parts.frozen_features.config import LiteMedSAMFeaturesConfig
from prsbench.methods.parts.sam.networks import tiny_vit_blocks
from prsbench.methods.parts.sam.variants import read_lite_medsam
from prsbench.methods.parts.training.augmentation import (
    IDENTITY,
    AugmentationRange,
    ImageAndScene,
    Scene,
    View,
    change_intensity,
    prepare,
    view_of_images,
)
from prsbench.methods.parts.training.config import ImageAugmentationConfig
from prsbench.methods.parts.weights.checkpoints import fill
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4  # image pixels per feature, in each direction
CHUNK = 16  # images in a file: half a minute on a CPU
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

    def stages(self, image_B3SS: Tensor) -> Tensor:
        """The output of the last two stages, (B, 640, S / 4, S / 4): most of the computation."""
        low, high = image_B3SS.amin((1, 2, 3), keepdim=True), image_B3SS.amax((1, 2, 3), keepdim=True)
        x = self.blocks.patch_embed((image_B3SS - low) / (high - low).clamp(min=1e-8))
        outputs = [x := layer(x) for layer in self.blocks.layers]
        side = self.side_px // STRIDE
        return torch.cat([x.transpose(1, 2).reshape(len(x), -1, side, side) for x in outputs[-2:]], dim=1)

    def read(self, stages_BCHW: Tensor) -> Tensor:
        """The features, from the output of `stages`."""
        return self.blocks.neck(stages_BCHW[:, STAGE_CHANNELS:]) if self.layer == "neck" else stages_BCHW


@torch.no_grad()
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


@dataclass(frozen=True, slots=True)
class FeatureViews:
    """Frozen features of N images, each in V views.

    views: of each image, V of them. chunks: float16 (V, n, C, S, S) of n images each, `CHUNK` in all but the last. side: what
    sampled features are averaged down to; None leaves them as they are.
    """

    views: Sequence[Sequence[View]]
    chunks: Sequence[Tensor]
    side: int | None = None

    def sample(self, number: int, rng: np.random.Generator) -> tuple[View, Tensor]:
        """One of an image's views at random, and its features (C, S, S)."""
        index = int(rng.integers(len(self.views[number])))
        return self.views[number][index], self.at(number, index)

    def at(self, number: int, index: int) -> Tensor:
        """The features of an image in one of its views, (C, S, S)."""
        chunk, place = divmod(number, CHUNK)
        features_CSS = self.chunks[chunk][index, place]
        if self.side in (None, features_CSS.shape[-1]):
            return features_CSS
        return F.adaptive_avg_pool2d(features_CSS.float(), self.side).half()


@dataclass(frozen=True, slots=True)
class PictureViews:
    """In place of features, for an encoder that is trained: the image itself, (3, S, S) from 0 to 255, in a new random view."""

    images: Sequence[ImageAndScene]
    augmentation: ImageAugmentationConfig

    def sample(self, number: int, rng: np.random.Generator) -> tuple[View, Tensor]:
        image, scene = self.images[number]
        view, change = sample_view(scene, self.augmentation, rng)
        return view, picture_in(image.image_3SS, view, change)


class LiteMedSAMFeatures:
    """A part without training: frozen features of the training images, for all methods that are trained on them.

    A file holds `CHUNK` images: for each layer a half-precision tensor (V, n, C, S, S), and the ids and views of its images.
    """

    def __init__(self, config: LiteMedSAMFeaturesConfig):
        self.config = config

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        """Embed the training images, keeping what a killed process left in `context.scratch`."""
        images = prepare(train, self.config.image_size_px)
        encoder = LiteMedSAMEncoder.packaged(self.config.image_size_px, device=context.device)
        if context.scratch is None:
            self._temporary = TemporaryDirectory()  # deleted with this object
        self._folder = context.scratch or Path(self._temporary.name)
        for start in range(0, len(images), CHUNK):
            some = range(start, min(start + CHUNK, len(images)))
            path = self._folder / f"images-{start:06}.safetensors"
            if not path.exists():
                write_atomically(path, (self._embedded(encoder, [images[i] for i in some], some, context.seed),))
            context.progress(some.stop, len(images), "images embedded")

    @torch.no_grad()
    def _embedded(self, encoder: LiteMedSAMEncoder, images: Sequence[ImageAndScene], numbers: Sequence[int], seed: int) -> bytes:
        """The bytes of a file. An image's number and the seed decide its views, so that a resumed part has the same ones."""
        sampled = [
            sample_views(scene, self.config, np.random.default_rng((seed, n)))
            for (_, scene), n in zip(images, numbers, strict=True)
        ]
        device = next(encoder.parameters()).device
        features: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
        for shown in zip(*sampled, strict=True):
            # One at a time, as `embed` does: on a CPU a batch is no faster, and needs more memory.
            pictures = [picture_in(image.image_3SS, *view).to(device) for (image, _), view in zip(images, shown, strict=True)]
            stages = [encoder.stages(picture[None]) for picture in pictures]
            neck = [encoder.read(both) for both in stages]
            coarse = [F.adaptive_avg_pool2d(both, self.config.stages_side) for both in stages]
            for layer, maps in (("neck", neck), ("stages", coarse)):
                features[layer].append(torch.cat(maps).to("cpu", torch.float16))
        views = [[astuple(view) for view, _ in of_image] for of_image in sampled]
        about = {"image_ids": json.dumps([image.image_id for image, _ in images]), "views": json.dumps(views)}
        return save({layer: torch.stack(maps).contiguous() for layer, maps in features.items()}, about)

    def save(self, folder: Path) -> None:
        """Link the files there, or copy them to another file system: a kill before the folder is sealed loses none."""
        for path in self._folder.glob("*.safetensors"):
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copy(path, folder)

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (protocol)
        """Nothing is read yet: features go to the CPU when they are used, whatever `device` is."""
        self._folder = folder

    def of(self, image_ids: Sequence[str], layer: Layer, side: int) -> FeatureViews:
        """The features of exactly these images, averaged down to `side`. Features are read, and averaged, when they are sampled.

        Raises:
            DataError: the features are of other images, or have fewer than `side` on a side.
        """
        ids: list[str] = []
        views: list[list[View]] = []
        chunks: list[Tensor] = []
        for path in sorted(self._folder.glob("*.safetensors")):
            with safe_open(path, "pt") as stored:
                about = stored.metadata()
                ids += json.loads(about["image_ids"])
                views += [[View(*view) for view in of_image] for of_image in json.loads(about["views"])]
                chunks.append(stored.get_tensor(layer))  # mapped: the system reads what is sampled, and drops it when it must
            if (given := chunks[-1].shape[-1]) < side:
                raise DataError(f"LiteMedSAM's features are {given} on a side, expected at least {side}. Lower feature_side.")
        if ids != list(image_ids):
            raise DataError("LiteMedSAM's features are those of other images. Train the features part on the same data sets.")
        return FeatureViews(views, chunks, side)


def sample_views(
    scene: Scene, config: LiteMedSAMFeaturesConfig, rng: np.random.Generator
) -> list[tuple[View, NDArray[np.float64]]]:
    """Of an image: the original, its mirror image, then random views; and each one's change of gamma, contrast and brightness.

    Without mirroring (`horizontal_flip: 0`) the mirror image is left out, and there is a random view more.
    """
    fixed = [IDENTITY, View(left_right=True)] if config.augmentation.horizontal_flip else [IDENTITY]
    sampled = [(view, np.zeros(3)) for view in fixed[: config.views]]
    return sampled + [sample_view(scene, config.augmentation, rng) for _ in range(config.views - len(sampled))]


def sample_view(
    scene: Scene, augmentation: ImageAugmentationConfig, rng: np.random.Generator
) -> tuple[View, NDArray[np.float64]]:
    """A random view and its change of gamma, contrast and brightness."""
    view, _ = scene.sample_view(AugmentationRange.of(augmentation), rng)
    return view, rng.uniform(-augmentation.intensity_jitter, augmentation.intensity_jitter, 3)


def picture_in(image_3SS: Tensor, view: View, change_3: NDArray[np.float64]) -> Tensor:
    """The float image (3, S, S), 0 to 255, in that view and with that change of its intensity."""
    image_1_3SS = view_of_images(image_3SS[None].float() / 255, [view])
    return 255 * (change_intensity(image_1_3SS, change_3[:, None]) if change_3.any() else image_1_3SS)[0]


def features_of(images: Sequence[ImageAndScene], layer: Layer, side: int, context: FitContext) -> FeatureViews:
    """The features of these images from the part that the method needs; see `LiteMedSAMFeatures.of`."""
    part = LiteMedSAMFeatures(LiteMedSAMFeaturesConfig())
    part.load(context.needs["features"], context.device)
    return part.of([image.image_id for image, _ in images], layer, side)

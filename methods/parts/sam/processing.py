"""Pre- and post-processing for each network of the SAM family, exactly as in the official code.

Every processing has `side_px`, `prepare(image)` and `probability(logits, frame)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.types import Box
from prsbench.methods.images import IMAGENET_MEAN, IMAGENET_STD
from torch import Tensor
from torch.nn import functional as F

# For pixels in [0, 255].
_MEAN, _STD = ((255 * np.array(values)).astype(np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD))


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an image of native_shape (H, W) lies in the network's square: height x width pixels, by default at its top left."""

    native_shape: tuple[int, int]
    height: int
    width: int
    top: int = 0
    left: int = 0

    def to_square(self, x: float, y: float) -> tuple[float, float]:
        """A point from native pixels to pixels of the square."""
        return self.left + x * (self.width / self.native_shape[1]), self.top + y * (self.height / self.native_shape[0])

    def box_to_square(self, box: Box) -> tuple[float, float, float, float]:
        return *self.to_square(box.left, box.top), *self.to_square(box.right, box.bottom)


@dataclass(frozen=True, slots=True)
class LongestSide:
    """SAM, MobileSAM, TinySAM: longer side to 1024 with the aspect preserved, ImageNet statistics, zeros right and below."""

    side_px: int = 1024

    def prepare(self, image: NDArray[np.uint8]) -> tuple[Tensor, Frame]:
        """(H, W, 3) uint8 to (3, S, S) float32."""
        scale = self.side_px / max(image.shape[:2])
        height, width = (max(1, int(side * scale + 0.5)) for side in image.shape[:2])
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        square = np.zeros((self.side_px, self.side_px, 3), np.float32)
        square[:height, :width] = self._scaled(np.asarray(resized, np.float32))
        return torch.from_numpy(square).permute(2, 0, 1), Frame(image.shape[:2], height, width)

    def probability(self, logits_LL: Tensor, frame: Frame) -> Tensor:
        """(H, W): logits resized to the square, padding cut off, resized to native size, sigmoid; SAM's logit 0 becomes 0.5."""
        return _cut_out(logits_LL, self.side_px, frame).sigmoid()

    def _scaled(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return (image - _MEAN) / _STD


@dataclass(frozen=True, slots=True)
class LongestSideMinMax(LongestSide):
    """LiteMedSAM: longer side to 256, aspect preserved, min-max to [0, 1], zeros right and below; uniform becomes zeros."""

    side_px: int = 256

    def _scaled(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return (image - image.min()) / max(float(np.ptp(image)), 1e-8)


@dataclass(frozen=True, slots=True)
class StretchedCubic:
    """MedSAM: stretched to 1024 x 1024 (cubic, anti-aliased), truncated to integer grey levels, min-max to [0, 1]."""

    side_px: int = 1024

    def prepare(self, image: NDArray[np.uint8]) -> tuple[Tensor, Frame]:
        """(H, W, 3) uint8 to (3, S, S) float32; a uniform image becomes zeros."""
        from skimage.transform import resize

        size = (self.side_px, self.side_px)
        levels = resize(image, size, order=3, preserve_range=True, anti_aliasing=True).astype(np.uint8).astype(np.float64)
        stretched = (levels - levels.min()) / max(float(np.ptp(levels)), 1e-8)
        return torch.from_numpy(stretched.astype(np.float32)).permute(2, 0, 1), Frame(image.shape[:2], *size)

    def probability(self, logits_LL: Tensor, frame: Frame) -> Tensor:
        """(H, W): sigmoid of the logits, then resized to native size."""
        return _resized(logits_LL.sigmoid(), frame.native_shape)


@dataclass(frozen=True, slots=True)
class StretchedNearest:
    """SAM-Med2D's predictor: ImageNet statistics, then stretched to 256 x 256 by OpenCV's nearest pixel (rounded down)."""

    side_px: int = 256

    def prepare(self, image: NDArray[np.uint8]) -> tuple[Tensor, Frame]:
        """(H, W, 3) uint8 to (3, S, S) float32."""
        rows, cols = (_nearest_as_opencv(side, self.side_px) for side in image.shape[:2])
        square = (image[rows][:, cols] - _MEAN) / _STD
        return torch.from_numpy(square).permute(2, 0, 1), Frame(image.shape[:2], self.side_px, self.side_px)

    def probability(self, logits_LL: Tensor, frame: Frame) -> Tensor:
        """(H, W): logits resized to the square, the image's part of it resized to native size, sigmoid."""
        return _cut_out(logits_LL, self.side_px, frame).sigmoid()


@dataclass(frozen=True, slots=True)
class PaddedBGR(StretchedNearest):
    """SAM-Med2D's test-set loader, used for its published figures: BGR with RGB statistics; small images are not stretched.

    An image with both sides below 256 is centred at its native size, with zeros around it.
    """

    def prepare(self, image: NDArray[np.uint8]) -> tuple[Tensor, Frame]:
        """(H, W, 3) uint8 RGB to (3, S, S) float32."""
        image = image[..., ::-1]
        height, width = image.shape[:2]
        if max(height, width) >= self.side_px:
            return super(PaddedBGR, self).prepare(image)
        frame = Frame((height, width), height, width, (self.side_px - height) // 2, (self.side_px - width) // 2)
        square = np.zeros((self.side_px, self.side_px, 3), np.float32)
        square[frame.top : frame.top + height, frame.left : frame.left + width] = (image - _MEAN) / _STD
        return torch.from_numpy(square).permute(2, 0, 1), frame


Processing = LongestSide | StretchedCubic | StretchedNearest


def _nearest_as_opencv(side: int, new_side: int) -> NDArray[np.int64]:
    """Source index of each new pixel: floor(index * scale), as in OpenCV. The scale is rounded twice, which shifts a few."""
    return np.minimum((np.arange(new_side) * (1 / (new_side / side))).astype(np.int64), side - 1)


def _cut_out(logits_LL: Tensor, side_px: int, frame: Frame) -> Tensor:
    """(L, L) resized to the square, padding cut off, resized to native size."""
    square = _resized(logits_LL, (side_px, side_px))
    part = square[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    return _resized(part, frame.native_shape)


def _resized(plane: Tensor, size: tuple[int, int]) -> Tensor:
    """(L, L) to `size`, bilinear with half-pixel centres."""
    return F.interpolate(plane[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]

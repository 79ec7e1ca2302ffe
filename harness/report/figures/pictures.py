"""Input of the qualitative figure: images, masks and prediction maps, which the caller reads from the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_PX = 1024  # along the longer side of a picture that is drawn; a panel has about 280

Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True)
class Pictures:
    """One sample to draw.

    image is (H, W, 3) uint8, truth (H, W) bool, probability by method (H, W) float32 in [0, 1], all at native size or all
    through `shrunk`. The panel of a method without a map stays empty and says so.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    probability: Mapping[str, NDArray[np.float32]]

    def shrunk(self) -> Pictures:
        """The same sample with no side longer than `MOST_PX`."""
        maps = {method: shrunk(probability) for method, probability in self.probability.items()}
        return replace(self, image=shrunk_image(self.image), truth=shrunk(self.truth), probability=maps)


# (sample_id, dataset, methods) -> its pictures, or None if they are not available
PicturesOf = Callable[[str, str, Sequence[str]], Pictures | None]


def shrunk_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: means of square blocks, of the smallest side that brings both sides to `MOST_PX` at most."""
    factor = _factor(image.shape)
    return image if factor == 1 else np.asarray(Image.fromarray(image).reduce(factor))


def shrunk(plane: NDArray[Pixel]) -> NDArray[Pixel]:
    """An (H, W) mask or map as the maxima of the blocks of `shrunk_image`, so that no lesion is too small to be drawn."""
    factor = _factor(plane.shape)
    if factor == 1:
        return plane
    rows, columns = (np.arange(0, side, factor) for side in plane.shape)
    maxima: NDArray[Pixel] = np.maximum.reduceat(np.maximum.reduceat(plane, rows, axis=0), columns, axis=1)
    return maxima


def _factor(shape: tuple[int, ...]) -> int:
    return -(-max(shape[:2]) // MOST_PX)

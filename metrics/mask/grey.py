"""The two 8-bit maps, raw and stretched, on which a prediction is measured as in the official protocol, and which cells store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GreyMap = NDArray[np.uint8]
STRETCH_EPSILON = 1e-8  # PRS-Med infer_full.py; it also turns a constant map into all 0
_HALF = 128  # the lowest level of a probability >= 0.5: 127.5 is rounded to even, the next float32 below gives 127


@dataclass(frozen=True, slots=True)
class GreyMaps:
    """One prediction as (H, W) uint8: raw, and stretched to its own minimum and maximum."""

    raw: GreyMap
    stretched: GreyMap

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where the probability was >= 0.5, exactly."""
        return self.raw >= _HALF


def grey_maps(probability: NDArray[np.float32]) -> GreyMaps:
    """Both maps of an (H, W) float32 map in [0, 1]."""
    return GreyMaps(grey_map(probability), stretched_grey_map(probability))


def grey_map(probability: NDArray[np.float32]) -> GreyMap:
    """The map as 8-bit grey levels, rounded half to even (as OpenCV writes a float image)."""
    return _rounded(probability * 255)


def stretched_grey_map(probability: NDArray[np.float32]) -> GreyMap:
    """The map as PRS-Med saves it for scoring: each image stretched to its own minimum and maximum, then 8-bit.

    A constant map, whatever its value, becomes all 0.
    """
    low, high = probability.min(), probability.max()
    stretched = probability - low
    stretched /= high - low + STRETCH_EPSILON
    stretched *= 255
    return _rounded(stretched)


def _rounded(levels: NDArray[np.floating]) -> GreyMap:
    """Round to uint8, overwriting `levels`: on large maps new memory costs more than arithmetic."""
    np.rint(levels, out=levels)
    return levels.astype(np.uint8)

"""How far the outline of the predicted mask lies from the true one: 95th percentile Hausdorff distance and surface Dice (NSD).

The outline is the mask minus its erosion by the 4-neighbourhood, image borders included; distances go from pixel centre to the
nearest pixel centre of the other outline. Equal to MONAI's `HausdorffDistanceMetric(percentile=95)` and
`SurfaceDiceMetric(use_subvoxels=False)`.
"""

from __future__ import annotations

from math import hypot, nan

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

TOLERANCE_PX = 2.0  # of `nsd_2px`; ours: about the disagreement of two readers on images of a few hundred pixels
PIXELS = (1.0, 1.0)  # spacing of distances in pixels

Distances = NDArray[np.float64]


def surface_distances(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], spacing: tuple[float, float] = PIXELS
) -> tuple[Distances, Distances]:
    """Distance of each outline pixel to the other outline: of the predicted one, of the true one.

    Args:
        predicted, truth: (H, W) bool, neither empty.
        spacing: height and width of a pixel; in mm it gives mm.
    """
    points = [np.argwhere(outline(mask)) * spacing for mask in (predicted, truth)]
    trees = [KDTree(place) for place in points]
    return trees[1].query(points[0])[0], trees[0].query(points[1])[0]


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W) bool: foreground pixels with a side on the background or on the image's border."""
    return mask & ~ndimage.binary_erosion(mask)


def hd95(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], spacing: tuple[float, float] = PIXELS) -> float:
    """The larger of the two directed 95th percentiles, in units of `spacing` (pixels by default); 0 is perfect.

    Empty truth: NaN. Empty prediction: the image's diagonal, for no outline is further away than that.
    """
    if not truth.any():
        return nan
    if not predicted.any():
        return hypot(truth.shape[0] * spacing[0], truth.shape[1] * spacing[1])
    return max(float(np.percentile(distances, 95)) for distances in surface_distances(predicted, truth, spacing))


def nsd(
    predicted: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    tolerance: float = TOLERANCE_PX,
    spacing: tuple[float, float] = PIXELS,
) -> float:
    """Normalised surface Dice in [0, 1]: the share of both outlines that lies within `tolerance` of the other.

    Empty truth: NaN. Empty prediction: 0.
    """
    if not truth.any():
        return nan
    if not predicted.any():
        return 0.0
    distances = np.concatenate(surface_distances(predicted, truth, spacing))
    return float((distances <= tolerance).mean())

"""Boundary distance of predicted and true mask: 95th percentile Hausdorff distance (HD95) and surface Dice (NSD).

The outline is the mask minus its erosion by the 4-neighbourhood, image borders included; distances go from pixel centre to the
nearest pixel centre of the other outline. Equal to MONAI's `HausdorffDistanceMetric(percentile=95)` and
`SurfaceDiceMetric(use_subvoxels=False)`.
"""

from __future__ import annotations

from math import hypot, nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.geometry import tight_box
from scipy import ndimage
from scipy.spatial import KDTree

TOLERANCE_PX = 2.0  # of `nsd_2px`; ours: about the disagreement of two readers on images of a few hundred pixels
TOLERANCE_MM = 2.0  # of `nsd_2mm`; ours
PIXELS = (1.0, 1.0)  # the spacing that gives distances in pixels

Distances = NDArray[np.float64]


def surface_distances(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], spacing: tuple[float, float] = PIXELS
) -> tuple[Distances, Distances]:
    """Distance of each outline pixel to the other outline: from predicted to true, and from true to predicted.

    Args:
        predicted, truth: (H, W) bool, neither empty.
        spacing: height and width of a pixel; given in mm, distances are in mm.
    """
    box = tight_box(predicted | truth)  # there is no outline outside it
    assert box is not None  # neither mask is empty
    window = (slice(box.top, box.bottom), slice(box.left, box.right))
    points = [np.argwhere(outline(mask[window])) * spacing for mask in (predicted, truth)]
    trees = [KDTree(outline_points) for outline_points in points]
    return np.asarray(trees[1].query(points[0])[0]), np.asarray(trees[0].query(points[1])[0])


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W) bool: foreground pixels with a side on the background or on the image's border."""
    return mask & ~ndimage.binary_erosion(mask)


def outline_agreement(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance: float = TOLERANCE_PX, spacing: tuple[float, float] = PIXELS
) -> tuple[float, float]:
    """HD95 and NSD of one image, in units of `spacing`, pixels by default; both are NaN for an empty truth.

    Args:
        predicted, truth: (H, W) bool.
        tolerance: how far outlines may lie apart and still agree.
        spacing: height and width of a pixel.

    Returns:
        HD95, the larger of the two directed 95th percentiles; 0 is perfect. Empty prediction: the image's diagonal, because no
        outline can be further away. NSD in [0, 1], the share of both outlines that lies within `tolerance` of the other. Empty
        prediction: 0.
    """
    if not truth.any():
        return nan, nan
    if not predicted.any():
        return hypot(truth.shape[0] * spacing[0], truth.shape[1] * spacing[1]), 0.0
    distances = surface_distances(predicted, truth, spacing)
    farthest = max(float(np.percentile(directed, 95)) for directed in distances)
    return farthest, float((np.concatenate(distances) <= tolerance).mean())

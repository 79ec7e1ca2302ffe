"""Position labels: from a mask to the words for its location, and to the phrase in an answer.

Two official rules (PRS-Med data processing, facts of the official labels), reproduced exactly, and one rule of ours: the zone
of the true centroid. They are part of the contract because data sets label with them, methods without a language model compose
answers with them, and metrics compare with them. scipy, for connected components, is an exception to numpy-only here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.geometry import centroid, to_frame
from prsbench.harness.contract.modalities import BY_NAME
from scipy import ndimage

NO_MASK = "no mask"
SMALLEST_SHARE = 0.08  # of the foreground, for a component to be named as a lesion of its own
ZONES = ("top left", "top right", "bottom left", "bottom right", "center")


def official_position(mask: NDArray[np.bool_]) -> tuple[str, bool]:
    """Position and near-the-centre flag of a mask, by its tight box (PRS-Med `mask_position`).

    A box that covers the image's centre pixel is "center", so two lesions in opposite corners are "center" too.
    Distances are compared with 0.2 x WIDTH, whatever the height. Empty mask: ("no mask", False).
    """
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return NO_MASK, False
    centre_row, centre_col = mask.shape[0] // 2, mask.shape[1] // 2
    row, col = (rows[0] + rows[-1]) // 2, (cols[0] + cols[-1]) // 2
    near = bool(np.hypot(col - centre_col, row - centre_row) < 0.2 * mask.shape[1])
    if rows[0] <= centre_row <= rows[-1] and cols[0] <= centre_col <= cols[-1]:
        return "center", True
    return _quadrant(row < centre_row, col < centre_col), near


def official_lung_positions(mask: NDArray[np.bool_]) -> tuple[str, ...]:
    """One phrase each for the first and the last component (PRS-Med `lung_generation`), by component centroid.

    "first" and "last" follow OpenCV's label order (raster order of 2 x 2 blocks, 8-connected). A component whose box
    holds the centre pixel gets " center" appended; its right and bottom ends are exclusive but compared inclusively, as in the
    official code. Empty mask: ("no mask",).
    """
    labels, count = ndimage.label(mask, structure=np.ones((3, 3), bool))
    if count == 0:
        return (NO_MASK,)
    rows, cols = np.nonzero(mask)
    block = (rows // 2) * ((mask.shape[1] + 1) // 2) + cols // 2
    first_block = ndimage.minimum(block, labels[rows, cols], np.arange(1, count + 1))
    order = np.argsort(first_block) + 1
    centre_row, centre_col = mask.shape[0] // 2, mask.shape[1] // 2
    phrases = []
    for component in (order[0], order[-1]):
        r, c = np.nonzero(labels == component)
        phrase = _quadrant(r.mean() < centre_row, c.mean() < centre_col)
        if r.min() <= centre_row <= r.max() + 1 and c.min() <= centre_col <= c.max() + 1:
            phrase += " center"
        phrases.append(phrase)
    return tuple(phrases)


def position_of(mask: NDArray[np.bool_], modality: str) -> tuple[tuple[str, ...], bool]:
    """The official label of a mask of this modality: lungs get the two-phrase rule, all others, known or not, the box rule."""
    position, near = official_position(mask)
    if modality in BY_NAME and BY_NAME[modality].is_lung:
        return official_lung_positions(mask), near
    return (position,), near


def zone_of_centroid(mask: NDArray[np.bool_]) -> str:
    """Quadrant of the mask's centroid, or "center" within 0.2 (frame units) of the image's centre; ours, not an official rule."""
    point = centroid(mask)
    return NO_MASK if point is None else zone_of_point(point.x, point.y)


def zone_of_point(x: float, y: float) -> str:
    """The zone of a point of the image frame, by the rule of `zone_of_centroid`."""
    return "center" if np.hypot(x, y) < 0.2 else _quadrant(y < 0, x < 0)


def position_phrase(position: tuple[str, ...], near_centre: bool) -> str:
    """The words of a position label, as an answer uses them.

    Example:
        >>> position_phrase(("top left",), True)
        'top left and near the center'
        >>> position_phrase(("top left", "bottom right"), False)
        'top left and bottom right'
    """
    if position == (NO_MASK,):
        raise ValueError("an empty mask has no position phrase; say that nothing was found")
    distinct = tuple(dict.fromkeys(position))
    if len(distinct) > 1:
        return " and ".join(distinct)
    if distinct[0] == "center":
        return "center"
    return f"{distinct[0]} and {'near' if near_centre else 'far from'} the center"


def points_phrase(mask: NDArray[np.bool_]) -> str:
    """Where the lesions of a mask that is not empty lie, as an answer with coordinates says it; ours.

    One point for each 8-connected component that holds at least 8 % of the foreground, from left to right.

    Example:
        >>> mask = np.zeros((20, 20), bool)
        >>> mask[2:4, 12:14], mask[15:17, 1:3] = True, True
        >>> points_phrase(mask)
        '0.8 left, 0.6 down and 0.3 right, 0.7 up'
    """
    points = lesion_points(mask)
    if not points:
        raise ValueError("an empty mask has no points; say that nothing was found")
    return offset_phrases(points)


def lesion_points(mask: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Centroids of the 8-connected components that hold at least 8 % of the foreground, largest first; none if it is empty."""
    return [point for point, _ in lesions_of(mask)]


def lesions_of(mask: NDArray[np.bool_]) -> list[tuple[tuple[float, float], int]]:
    """The points of `lesion_points`, each with the pixels of its component."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3), bool))
    sizes = np.bincount(labels.ravel())[1:]
    centres = ndimage.center_of_mass(mask, labels, range(1, count + 1))
    large = [i for i in np.argsort(-sizes, kind="stable") if sizes[i] >= SMALLEST_SHARE * sizes.sum()]
    points = [to_frame(centres[i][1] + 0.5, centres[i][0] + 0.5, mask.shape) for i in large]
    return [((float(point.x), float(point.y)), int(sizes[i])) for point, i in zip(points, large, strict=True)]


def offset_phrases(points: Sequence[tuple[float, float]]) -> str:
    """`offset_phrase` of one point or several, from left to right."""
    return " and ".join(offset_phrase(x, y) for x, y in sorted(points))


def offset_phrase(x: float, y: float) -> str:
    """A point of the image frame as its distance from the centre, in half widths and half heights of the image.

    Example:
        >>> offset_phrase(0.3, -0.24)
        '0.3 right, 0.2 up'
    """
    return f"{abs(x):.1f} {'right' if x > 0 else 'left'}, {abs(y):.1f} {'down' if y > 0 else 'up'}"


def _quadrant(is_top: bool, is_left: bool) -> str:
    return f"{'top' if is_top else 'bottom'} {'left' if is_left else 'right'}"

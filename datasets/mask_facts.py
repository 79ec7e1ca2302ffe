"""What is true of a mask, for each family of questions (`contract.families`, which states the rules)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.position import lesions_of, zone_of_point

Values = tuple[str, ...]  # what an answer says, in the words that `metrics.text.families` reads from it
XY = tuple[float, float]

# By the radiological convention, which is defined for these alone: axial brain slices, and chest X-rays seen from the front.
RADIOLOGICAL = ("brain_mri", "lung_xray")
NEAR_CENTRE = 0.2  # image widths, as in the official label
BORDER = 0.05  # of the image's height or width
SMALL, LARGE = 0.02, 0.1  # of the image's pixels
SIDES = ("left", "right")


def check_sides(families: Sequence[str], modality: str) -> None:
    """Raise ConfigError if the patient's side is asked where no convention defines it."""
    if "patient-side" in families and modality not in RADIOLOGICAL:
        raise ConfigError(
            f"Family 'patient-side' needs images in the radiological convention ({', '.join(RADIOLOGICAL)}), got {modality}. "
            "Ask 'side', the side of the image, instead."
        )


def values_of(mask: NDArray[np.bool_], families: Iterable[str]) -> dict[str, Values]:
    """The true values of those of the families that can be asked about an (H, W) bool mask.

    The official family is left out: its value is `contract.position.position_of`. Of an empty mask only `count` and `presence`
    can be asked, of one in fragments that are all below 8 % of it only `presence`.

    Example:
        >>> mask = np.zeros((20, 20), bool)
        >>> mask[2:4, 12:14], mask[14:18, 1:5] = True, True
        >>> values_of(mask, ["side", "count", "relation", "near-far", "choice"])
        {'side': ('left', 'right'), 'count': ('2',), 'relation': ('left',), 'near-far': ('far',)}
    """
    known: dict[str, Values] = {"presence": ("yes" if mask.any() else "no",)}
    found = lesions_of(mask)  # none where the mask is empty, or in very many fragments
    if found or not mask.any():
        known["count"] = (str(len(found)),)
    if found:
        points = [point for point, _ in found]
        zones = _distinct(zone_of_point(x, y) for x, y in points)
        point = centroid(mask)
        assert point is not None  # the mask has lesions
        known |= {
            "where-centroid": (zone_of_point(point.x, point.y),),
            "where-3x3": (_cell(point.x, point.y),),
            "where-lesions": zones,
            "quadrant": _distinct(f"{'top' if y < 0 else 'bottom'} {SIDES[x >= 0]}" for x, y in points),
            "near-border": ("near" if _is_near_border(mask) else "far",),
            "side": tuple(side for side in SIDES if any((x >= 0) == (side == "right") for x, _ in points)),
            "size": (_size(float(mask.mean())),),
        }
        known["patient-side"] = tuple(side for side in SIDES if SIDES[side == "left"] in known["side"])
        if len(near := _distinct("near" if _from_centre(point, mask.shape) < NEAR_CENTRE else "far" for point in points)) == 1:
            known["near-far"] = near
        if len(zones) == 1:
            known["choice"] = zones
        if len(found) == 2 and found[0][1] > found[1][1] and (direction := _direction(points[0], points[1])):
            known["relation"] = (direction,)
    return {family: known[family] for family in families if family in known}


def _distinct(words: Iterable[str]) -> Values:
    return tuple(sorted(set(words)))


def _cell(x: float, y: float) -> str:
    """One of 3 x 3 cells: "top left", "top", ..., "left", "center", ..., "bottom right"."""
    row, column = (min(int((value + 1) * 1.5), 2) for value in (y, x))
    return f"{('top ', '', 'bottom ')[row]}{('left', '', 'right')[column]}".strip() or "center"


def _from_centre(point: XY, shape: tuple[int, ...]) -> float:
    """Distance of a point of the image frame from the centre, in image widths."""
    # Rounded, so that a distance of exactly the limit is on the same side of it in a mirrored image.
    return round(float(np.hypot(point[0] / 2, point[1] / 2 * shape[0] / shape[1])), 9)


def _is_near_border(mask: NDArray[np.bool_]) -> bool:
    rows, columns = (max(1, round(BORDER * side)) for side in mask.shape)
    inner = mask[rows:-rows, columns:-columns]
    return bool(mask.sum() > inner.sum())


def _size(share: float) -> str:
    return "small" if share < SMALL else "medium" if share < LARGE else "large"


def _direction(larger: XY, smaller: XY) -> str:
    """Where the larger lies from the smaller, along the axis of the longer distance; "" if both are as long."""
    across, down = larger[0] - smaller[0], larger[1] - smaller[1]
    if np.isclose(abs(across), abs(down)):
        return ""
    return SIDES[across > 0] if abs(across) > abs(down) else ("above", "below")[down > 0]

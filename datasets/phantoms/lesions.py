"""Sample where lesions lie and how large they are: all quadrants and the centre, near and far, about evenly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask
from scipy import ndimage

SMALLEST_RADIUS_PX = 6.0
NEAR_CENTRE = 0.2  # of the image's WIDTH, as in the official near/far flag
FIT = 0.75  # of a lesion's radius must lie inside the anatomy on all sides; the rest may be cut off
MARGIN = 1.25  # at this many radii off the centre a lesion's box clears the centre pixel, except for the most stretched outlines


@dataclass(frozen=True, slots=True)
class Spot:
    """The place of one lesion: centre and mean radius in px."""

    row: float
    col: float
    radius_px: float


def place(canvas: Canvas, anatomy: Mask, areas: tuple[float, float], two_share: float) -> list[Spot]:
    """One spot, or two well apart with probability `two_share`, mostly inside the anatomy; fewer if they do not fit.

    areas is the range of the lesions' area as a fraction of the image (radii are sampled uniformly); a spot that does not
    fit into its zone is made smaller. The canvas's `two_share` has precedence.
    """
    room_px = ndimage.distance_transform_edt(np.pad(anatomy, 1))[1:-1, 1:-1]  # padded: the picture's border is an edge too
    count = 2 if canvas.rng.random() < (two_share if canvas.two_share is None else canvas.two_share) else 1
    spots: list[Spot] = []
    for _ in range(count):
        smallest_px, largest_px = np.sqrt(np.array(areas) * canvas.height * canvas.width / np.pi)
        radius_px = canvas.rng.uniform(smallest_px, largest_px / count**0.5)
        spot = _find(canvas, room_px, max(SMALLEST_RADIUS_PX, radius_px), spots)
        if spot:
            spots.append(spot)
    return spots


def main_piece(mask: Mask) -> Mask:
    """The largest 8-connected piece of one lesion; fragments cut off at the anatomy's edge are dropped."""
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3), bool))
    return mask if count < 2 else pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def _find(canvas: Canvas, room_px: Field, radius_px: float, taken: Sequence[Spot]) -> Spot | None:
    """A spot in a random zone: smaller if necessary, elsewhere if even the smallest does not fit."""
    in_zone = _zone(canvas, room_px > FIT * SMALLEST_RADIUS_PX, allow_centre=not taken)
    while True:
        free = room_px > FIT * radius_px
        for spot in taken:
            free &= np.hypot(canvas.rows - spot.row, canvas.cols - spot.col) > 1.4 * (spot.radius_px + radius_px) + 4
        if places := canvas.sprinkle(free & in_zone(radius_px), 1):
            return Spot(*places[0], radius_px)
        if radius_px == SMALLEST_RADIUS_PX:
            anywhere = canvas.sprinkle(free, 1)
            return Spot(*anywhere[0], radius_px) if anywhere else None
        radius_px = max(SMALLEST_RADIUS_PX, 0.85 * radius_px)


def _zone(canvas: Canvas, possible: Mask, allow_centre: bool) -> Callable[[float], Mask]:
    """A random zone, as a function from a lesion's radius to the mask of its possible centres."""
    down, right = canvas.rows - canvas.height / 2, canvas.cols - canvas.width / 2
    from_centre = np.hypot(down, right)
    if allow_centre and possible[canvas.height // 2, canvas.width // 2] and canvas.rng.random() < 0.2:
        return lambda radius_px: from_centre < 0.4 * radius_px
    vertical, horizontal = canvas.rng.choice([-1, 1], 2)
    quadrant = (down * vertical > 2) & (right * horizontal > 2)
    near = from_centre < NEAR_CENTRE * canvas.width
    band = quadrant & (near if canvas.rng.random() < 0.4 else ~near)
    if not (band & possible).any():
        band = quadrant
    off_centre = np.maximum(np.abs(down), np.abs(right))
    return lambda radius_px: band & (off_centre > MARGIN * radius_px)

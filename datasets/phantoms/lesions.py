"""Where lesions lie and how large they are: all quadrants and the centre, near and far, about evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask
from scipy import ndimage

SMALLEST_RADIUS_PX = 6.0
NEAR_CENTRE = 0.2  # of the image's WIDTH, as in the official near/far flag
MARGIN = 1.25  # a lesion this many radii off the centre keeps its box off the centre pixel, whatever its outline


@dataclass(frozen=True, slots=True)
class Spot:
    """The place of one lesion: centre and mean radius in px."""

    row: float
    col: float
    radius_px: float


def place(canvas: Canvas, anatomy: Mask, areas: tuple[float, float], two_share: float) -> list[Spot]:
    """One spot, or two well apart in a `two_share` of the draws, mostly inside the anatomy.

    areas is the range of one lesion's area as a fraction of the image, drawn log-uniformly; a spot that does not fit
    where it should go is made smaller.
    """
    room_px = ndimage.distance_transform_edt(anatomy)
    count = 2 if canvas.rng.random() < two_share else 1
    spots: list[Spot] = []
    for _ in range(count):
        fraction = np.exp(canvas.rng.uniform(*np.log(areas))) / count
        radius_px = max(SMALLEST_RADIUS_PX, (fraction * canvas.height * canvas.width / np.pi) ** 0.5)
        spot = _find(canvas, room_px, radius_px, spots)
        if spot:
            spots.append(spot)
    return spots


def _find(canvas: Canvas, room_px: Field, radius_px: float, taken: Sequence[Spot]) -> Spot | None:
    """A spot in a zone drawn at random: smaller if it has to be, elsewhere if even the smallest does not fit."""
    wanted = _zone(canvas, central=bool(room_px[canvas.height // 2, canvas.width // 2]) and not taken)
    while True:
        free = room_px > 0.6 * radius_px
        for spot in taken:
            free &= np.hypot(canvas.rows - spot.row, canvas.cols - spot.col) > 1.4 * (spot.radius_px + radius_px) + 4
        if places := canvas.sprinkle(free & wanted(radius_px), 1):
            return Spot(*places[0], radius_px)
        if radius_px == SMALLEST_RADIUS_PX:
            anywhere = canvas.sprinkle(free, 1)
            return Spot(*anywhere[0], radius_px) if anywhere else None
        radius_px = max(SMALLEST_RADIUS_PX, 0.85 * radius_px)


def _zone(canvas: Canvas, central: bool):
    """A zone drawn at random, as a function of the lesion's radius that gives the mask of centres in it."""
    down, right = canvas.rows - canvas.height / 2, canvas.cols - canvas.width / 2
    reach = np.hypot(down, right)
    if central and canvas.rng.random() < 0.2:
        return lambda radius_px: reach < 0.4 * radius_px
    below, beside = canvas.rng.choice([-1, 1], 2)
    near = canvas.rng.random() < 0.4
    bound = NEAR_CENTRE * canvas.width
    band = (down * below > 2) & (right * beside > 2) & ((reach < 0.95 * bound) if near else (reach > 1.05 * bound))
    off_centre = np.maximum(np.abs(down), np.abs(right))
    return lambda radius_px: band & (off_centre > MARGIN * radius_px)

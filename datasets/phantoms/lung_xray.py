"""Chest film, frontal: dark lungs crossed by ribs, clavicles, spine, heart shadow and diaphragm domes.

Target: an opacity in the lungs. Distractors: hilar vessels, calcified spots, an ECG electrode, rib crossings.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft, union
from prsbench.datasets.phantoms.difficulty import Harder
from prsbench.datasets.phantoms.lesions import Spot, main_piece, place

SHAPE = (176, 160)
AREAS = (0.007, 0.12)
TWO_SHARE = 0.36


def draw(canvas: Canvas, harder: Harder) -> tuple[Field, Mask]:
    """(H, W) grey picture in [0, 1] and the opacities' mask."""
    middle = 80 + canvas.rng.uniform(-3, 3)
    heart = _heart(canvas, middle)
    lung = _lung(canvas, middle, heart)
    inside = soft(lung, 1.2)
    picture = _lung_markings(canvas, _soft_tissue(canvas, heart, middle), lung, inside, middle)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, lung > 0, AREAS, TWO_SHARE):
        drawn, lesion = _opacity(canvas, picture, spot, inside)
        picture = harder.lesion(picture, drawn, spot)
        mask |= main_piece(lesion & (lung > 0))
    picture = harder.look_alikes(picture, (lung > 0) & ~mask, _look_alike)
    picture = _distractors(canvas, _bones(canvas, picture, lung, middle), lung)
    return picture * (1 + 0.04 * canvas.noise(50)) + 0.012 * canvas.rng.standard_normal(canvas.shape), mask


def _heart(canvas: Canvas, middle: float) -> Field:
    """Depth in px inside the heart's and great vessels' shadow."""
    size = canvas.rng.uniform(0.85, 1.15)
    return union(
        canvas.ellipse(122, middle + 10, 22 * size, 32 * size, 0.6),
        canvas.ellipse(120, middle - 4, 27, 14 * size),
        canvas.ellipse(72, middle + 6, 9, 10),
        11 - np.abs(canvas.cols - middle) + 0 * canvas.rows,
        blend_px=5.0,
    )


def _lung(canvas: Canvas, middle: float, heart: Field) -> Field:
    """Depth in px inside either lung as seen on the film, where heart and diaphragm hide the rest."""
    sides = []
    for side in (-1, 1):
        chest = canvas.ellipse(104, middle + 35 * side, canvas.rng.uniform(78, 84), 32, -0.12 * side)
        floor = canvas.rng.uniform(140, 150) + 4 * (side > 0)
        dome = floor + 0.012 * (canvas.cols - middle - 26 * side) ** 2 - canvas.rows
        sides.append(np.minimum(chest, dome))
    return np.minimum(union(*sides), -heart) + 0.5 * canvas.noise(10)


def _soft_tissue(canvas: Canvas, heart: Field, middle: float) -> Field:
    rows, cols = canvas.rows, canvas.cols
    shoulders = rows + 4 + 14 * np.exp(-(((cols - middle) / 26) ** 2)) - 0.004 * (cols - middle) ** 2
    picture = over(np.full(canvas.shape, 0.05), soft(shoulders, 4), 0.56 + 0.02 * canvas.noise(12))
    picture = over(picture, soft(np.abs(cols - middle) - 73, 2) * soft(rows - 62, 8), 0.12)
    picture = over(picture, soft(rows - 143, 6), 0.74 + 0.02 * canvas.noise(14))
    picture = over(picture, soft(heart, 2.2), 0.58 + 0.16 * np.clip(rows / canvas.height, 0, 1))
    trachea = soft(4 - np.abs(cols - middle + 1), 1) * soft(66 - rows, 3)
    return over(picture, 0.5 * trachea, 0.35)


def _lung_markings(canvas: Canvas, picture: Field, lung: Field, inside: Field, middle: float) -> Field:
    """Air that is darkest in the middle of a lung, and the vessels that fan out from the hila."""
    rng = canvas.rng
    air = rng.uniform(0.17, 0.25) + 0.12 * np.exp(-np.maximum(lung, 0) / 12) + 0.015 * canvas.noise(7)
    picture = over(picture, inside, air)
    thick, thin = [], []
    for side in (-1, 1):
        for heading in rng.uniform(-1.2, 1.35, 11):
            outward = heading if side > 0 else np.pi - heading
            vessel = canvas.curve(92, middle + 15 * side, outward, rng.uniform(20, 50), rng.uniform(-0.5, 0.5))
            thick.append(vessel[: len(vessel) // 2])
            thin.append(vessel[len(vessel) // 2 :])
    picture = over(picture, 0.4 * canvas.strokes(thick, 1.3) * inside, 0.5)
    return over(picture, 0.25 * canvas.strokes(thin, 0.8) * inside, 0.5)


def _bones(canvas: Canvas, picture: Field, lung: Field, middle: float) -> Field:
    """Ribs, clavicles and vertebrae: translucent, so they add to what lies beneath."""
    rng, rows = canvas.rng, canvas.rows
    off = np.abs(canvas.cols - middle)
    reach = np.minimum(off / 62, 1)
    posterior, anterior = np.zeros(canvas.shape), np.zeros(canvas.shape)
    slope = rng.uniform(0.85, 1.15)
    for top in np.arange(26, 150, 15.5) + rng.uniform(-2, 2):
        from_line = np.abs(rows - top - slope * (-16 * reach + 36 * reach**2))
        posterior = np.maximum(posterior, 0.65 * soft(3.2 - from_line, 0.6) + 0.35 * np.exp(-((from_line - 3.2) ** 2)))
        from_line = np.abs(rows - top - 8 - slope * 34 * (1 - reach) ** 1.5)
        anterior = np.maximum(anterior, soft(3.6 - from_line, 0.8))
    cage = soft(lung + 8, 2.5)
    picture = picture + 0.1 * posterior * cage + 0.035 * anterior * cage * soft(off - 28, 3)
    clavicle = 38 - 11 * np.tanh(off / 30 - 0.6) + rng.uniform(-2, 2)
    picture = picture + 0.13 * soft(3 - np.abs(rows - clavicle), 0.6) * soft(off - 9, 1.5)
    vertebrae = 0.5 + 0.5 * np.cos(2 * np.pi * rows / 13)
    return picture + 0.05 * vertebrae * soft(9 - off, 1.5)


def _distractors(canvas: Canvas, picture: Field, lung: Field) -> Field:
    rng = canvas.rng
    calcified = [canvas.curve(row, col, 0.0, 1.5) for row, col in canvas.sprinkle(lung > 4, int(rng.integers(0, 3)))]
    picture = over(picture, canvas.strokes(calcified, 1.1), 0.85)
    if rng.random() < 0.25:
        for row, col in canvas.sprinkle(lung > 0, 1):
            picture = over(picture, 0.8 * soft(1.0 - np.abs(canvas.ellipse(row, col, 4, 4)), 0.5), 0.95)
    return picture


def _look_alike(canvas: Canvas, picture: Field, spot: Spot) -> Field:
    """A nipple's or button's shadow with a bright rim, or a cluster of calcified spots."""
    rng = canvas.rng
    if rng.random() < 0.6:
        disc = canvas.ellipse(spot.row, spot.col, 0.7 * spot.radius_px, 0.7 * spot.radius_px)
        return picture + 0.1 * soft(disc, 0.6) + 0.12 * np.exp(-((disc / 0.8) ** 2))
    around = rng.normal(0, 0.4 * spot.radius_px, (7, 2)) + (spot.row, spot.col)
    spots = [canvas.curve(row, col, 0.0, 1.5) for row, col in around]
    return over(picture, 0.8 * canvas.strokes(spots, 1.3), 0.8)


def _opacity(canvas: Canvas, picture: Field, spot: Spot, inside: Field) -> tuple[Field, Mask]:
    rng = canvas.rng
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.6), rng.uniform(0.04, 0.18))
    depth += rng.uniform(0, 0.7) * canvas.noise(3)
    level = rng.uniform(0.5, 0.64) + 0.025 * canvas.noise(4)
    return over(picture, 0.9 * soft(depth, 1.2) * inside, level), depth > 0

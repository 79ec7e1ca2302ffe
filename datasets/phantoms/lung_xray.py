"""Chest film, frontal: dark lungs crossed by ribs, clavicles, spine, heart shadow and diaphragm domes.

Target: an opacity in the lungs. Distractors: hilar vessels, calcified spots, an ECG electrode, rib crossings.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft, union
from prsbench.datasets.phantoms.lesions import Spot, place

SHAPE = (176, 160)
AREAS = (0.007, 0.12)
TWO_SHARE = 0.35


def draw(canvas: Canvas) -> tuple[Field, Mask]:
    """(H, W) grey picture in [0, 1] and the opacities' mask."""
    rng = canvas.rng
    middle = 80 + rng.uniform(-3, 3)
    lung = _lung(canvas, middle)
    picture = _soft_tissue(canvas, lung, middle)
    inside = soft(lung, 1.2)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, lung > 0, AREAS, TWO_SHARE):
        picture, lesion = _opacity(canvas, picture, spot, inside)
        mask |= lesion & (lung > 0)
    picture = _distractors(canvas, _bones(canvas, picture, lung, middle), lung)
    return picture * (1 + 0.04 * canvas.noise(50)) + 0.014 * canvas.noise(0.9), mask


def _lung(canvas: Canvas, middle: float) -> Field:
    """Depth in px inside either lung as seen on the film, where heart and diaphragm hide the rest."""
    rng = canvas.rng
    depths = []
    for side in (-1, 1):
        chest = canvas.ellipse(104, middle + 35 * side, 82, 31, -0.13 * side)
        dome = rng.uniform(142, 150) + 4 * (side > 0) + 0.011 * (canvas.cols - middle - 30 * side) ** 2 - canvas.rows
        depths.append(np.minimum(chest, dome))
    heart = canvas.ellipse(120, middle + 12, 30, rng.uniform(26, 33), -0.5)
    aortic_knob = canvas.ellipse(70, middle + 8, 9, 9)
    spine = 11 - np.abs(canvas.cols - middle)
    return np.minimum(union(*depths), -union(heart, spine, aortic_knob)) + 0.5 * canvas.noise(10)


def _soft_tissue(canvas: Canvas, lung: Field, middle: float) -> Field:
    rng = canvas.rng
    rows, cols = canvas.rows, canvas.cols
    shoulders = rows - 22 + 14 * np.exp(-(((cols - middle) / 26) ** 2)) - 0.004 * (cols - middle) ** 2
    picture = over(np.full(canvas.shape, 0.05), soft(shoulders + 26, 4), 0.62)
    picture = over(picture, soft(np.abs(cols - middle) - 74, 2.5) * soft(rows - 60, 10), 0.2)
    picture = over(picture, soft(rows - 146, 5), 0.78)
    picture = over(picture, soft(13 - np.abs(cols - middle), 3), 0.74)
    picture = over(picture, soft(canvas.ellipse(120, middle + 12, 30, 31, -0.5), 2), 0.8)
    depth = rng.uniform(0.2, 0.28)
    picture = over(picture, soft(lung, 1.2), depth + 0.1 * np.exp(-lung / 14) + 0.02 * canvas.noise(7))
    trachea = soft(4 - np.abs(cols - middle + 1), 1) * soft(62 - rows, 3)
    picture = over(picture, 0.45 * trachea, 0.35)
    vessels = []
    for side in (-1, 1):
        for heading in rng.uniform(-1.2, 1.3, 9):
            outward = heading if side > 0 else np.pi - heading
            vessels.append(canvas.curve(92, middle + 15 * side, outward, rng.uniform(15, 42), rng.uniform(-0.5, 0.5)))
    return over(picture, 0.35 * canvas.strokes(vessels, 1.3) * soft(lung, 1.2), 0.55)


def _bones(canvas: Canvas, picture: Field, lung: Field, middle: float) -> Field:
    """Ribs, clavicles and vertebrae: translucent, so they add to what lies beneath."""
    rng = canvas.rng
    rows, off = canvas.rows, canvas.cols - middle
    reach = np.clip(np.abs(off) / 62, 0, 1)
    slope = rng.uniform(0.9, 1.15)
    ribs = np.zeros(canvas.shape)
    for top in np.arange(24, 150, 15) + rng.uniform(-2, 2):
        line = top - 18 * reach * slope + 34 * slope * reach**2
        band = soft(3.4 - np.abs(rows - line), 0.7)
        edges = np.exp(-(((np.abs(rows - line) - 3.4) / 1.0) ** 2))
        ribs = np.maximum(ribs, 0.6 * band + 0.4 * edges)
    picture = picture + 0.1 * ribs * soft(lung + 9, 2.5)
    clavicle = 36 - 10 * np.tanh(np.abs(off) / 30 - 0.7) + 2 * rng.uniform(-1, 1)
    picture = picture + 0.13 * soft(3 - np.abs(rows - clavicle), 0.6) * soft(np.abs(off) - 9, 1.5)
    vertebrae = 0.5 + 0.5 * np.cos(2 * np.pi * rows / 13)
    return picture + 0.05 * vertebrae * soft(9 - np.abs(off), 1.5)


def _distractors(canvas: Canvas, picture: Field, lung: Field) -> Field:
    rng = canvas.rng
    for row, col in canvas.sprinkle(lung > 4, int(rng.integers(0, 3))):
        picture = over(picture, soft(canvas.blob(row, col, rng.uniform(1.2, 2.0))), 0.85)
    if rng.random() < 0.25:
        for row, col in canvas.sprinkle(canvas.rows + 0 * lung > 60, 1):
            button = canvas.ellipse(row, col, 4, 4)
            picture = over(picture, 0.8 * soft(1.0 - np.abs(button), 0.5), 0.95)
    return picture


def _opacity(canvas: Canvas, picture: Field, spot: Spot, inside: Field) -> tuple[Field, Mask]:
    rng = canvas.rng
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.5), rng.uniform(0.03, 0.13))
    level = rng.uniform(0.52, 0.68) + 0.025 * canvas.noise(4)
    return over(picture, 0.92 * soft(depth, 1.2) * inside, level), depth > 0

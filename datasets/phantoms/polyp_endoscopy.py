"""Endoscopy of the colon: wet pink mucosa with folds, a dark lumen, black corners and specular spots.

Target: a polyp, a raised bump with its own shading and highlights. Distractors: bubbles, stool, fold crests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.phantoms.canvas import NOWHERE, Canvas, Field, Mask, over, soft, union
from prsbench.datasets.phantoms.difficulty import Harder
from prsbench.datasets.phantoms.lesions import Spot, main_piece, place

SHAPE = (136, 176)
AREAS = (0.006, 0.24)
TWO_SHARE = 0.17
GLARE = (1.0, 0.97, 0.95)


def draw(canvas: Canvas, harder: Harder) -> tuple[Field, Mask]:
    """(H, W, 3) picture in [0, 1] and the polyp's mask."""
    tint = np.array((0.86, 0.48, 0.41)) * canvas.rng.uniform(0.9, 1.1, 3)
    view = _view(canvas)
    picture = _distractors(canvas, _mucosa(canvas, tint), view)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, view > 2, AREAS, TWO_SHARE):
        drawn, lesion = _polyp(canvas, picture, spot, tint)
        picture = harder.lesion(picture, drawn, spot)
        mask |= main_piece(lesion & (view > 0))
    picture = harder.look_alikes(picture, (view > 4) & ~mask, _look_alike)
    wet = soft(canvas.noise(1.6) + 0.8 * canvas.noise(9) - 3.6, 0.1)
    picture = over(picture, wet, GLARE) + 0.012 * canvas.rng.standard_normal(canvas.shape)[..., None]
    return over(picture, soft(-view, 0.6), 0.01), mask


def _view(canvas: Canvas) -> Field:
    """Depth in px inside the lens's field of view: between a circle and a rounded square, wider than the picture is high."""
    rng = canvas.rng
    power = rng.choice([2.0, 3.0, 5.0])
    down = np.abs(canvas.rows - 68) / rng.uniform(72, 84)
    right = np.abs(canvas.cols - 88) / rng.uniform(82, 90)
    return 80 * (1 - (down**power + right**power) ** (1 / power))


def _mucosa(canvas: Canvas, tint: NDArray[np.float64]) -> Field:
    """A tube seen along its axis: folds crowd towards the dark lumen, each a lit crest with a shadow behind it."""
    rng = canvas.rng
    row, col = rng.uniform(15, 121), rng.uniform(20, 156)
    away = np.hypot(canvas.rows - row, (canvas.cols - col) * rng.uniform(0.75, 1))
    inwards = np.log(away + 12) / rng.uniform(0.33, 0.5) + 0.22 * canvas.noise(24) + rng.uniform(0, 1)
    fold = inwards % 1
    strength = soft(canvas.noise(26) + 0.5, 0.4)
    crest = np.exp(-(((fold - 0.3) / 0.2) ** 2))
    valley = np.exp(-((np.minimum(fold, 1 - fold) / 0.09) ** 2))
    light = 0.88 + strength * (0.17 * crest - 0.24 * valley) + 0.04 * canvas.noise(12) + 0.015 * canvas.noise(2)
    light *= (0.3 + 0.7 * soft(away - 22, 11)) * (1.05 - 0.25 * ((canvas.cols - 88) / 88) ** 2)
    picture = np.clip(light, 0.05, 1.15)[..., None] * tint
    vessels = np.exp(-((canvas.noise(7) / 0.07) ** 2)) * soft(canvas.noise(20) - 0.2, 0.3)
    picture = over(picture, 0.3 * vessels, 0.6 * tint)
    lumen = canvas.blob(row, col, rng.uniform(8, 17), 1.3, 0.1)
    return over(picture, 0.92 * soft(lumen, 2.5), (0.10, 0.03, 0.03))


def _distractors(canvas: Canvas, picture: Field, view: Field) -> Field:
    rng = canvas.rng
    stool = bubbles = np.full(canvas.shape, NOWHERE)
    for row, col in canvas.sprinkle(view > 4, int(rng.integers(0, 4))):
        stool = union(stool, canvas.blob(row, col, rng.uniform(1.5, 4), 1.5, 0.2))
    for row, col in canvas.sprinkle(view > 4, int(rng.integers(0, 7))):
        bubble = canvas.ellipse(row, col, radius_px := rng.uniform(1.5, 4.5), radius_px)
        bubbles = union(bubbles, 0.5 - np.abs(bubble), canvas.ellipse(row - 1, col - 1, 0.7, 0.7))
    picture = over(picture, soft(stool), np.array((0.62, 0.5, 0.16)) * rng.uniform(0.8, 1.2))
    return over(picture, 0.7 * soft(bubbles, 0.35), GLARE)


def _look_alike(canvas: Canvas, picture: Field, spot: Spot) -> Field:
    """A large bubble, clear inside a bright rim, or a lump of stool."""
    if canvas.rng.random() < 0.5:
        bubble = canvas.ellipse(spot.row, spot.col, 0.8 * spot.radius_px, 0.8 * spot.radius_px)
        glint = canvas.ellipse(spot.row - 0.35 * spot.radius_px, spot.col - 0.35 * spot.radius_px, 1.3, 1.3)
        return over(picture, 0.6 * soft(union(1 - np.abs(bubble), glint), 0.35), GLARE)
    lump = canvas.blob(spot.row, spot.col, 0.8 * spot.radius_px, 1.3, 0.2)
    light = 0.75 + 0.35 * np.clip(lump / spot.radius_px, 0, 1) + 0.05 * canvas.noise(2)
    return over(picture, 0.9 * soft(lump, 0.8), light[..., None] * np.array((0.66, 0.5, 0.2)))


def _polyp(canvas: Canvas, picture: Field, spot: Spot, tint: NDArray[np.float64]) -> tuple[Field, Mask]:
    """A dome lit from one side: redder or paler than the mucosa, darker towards its foot, casting a shadow."""
    rng = canvas.rng
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.4), rng.uniform(0.03, 0.12))
    sun = rng.uniform(0, 2 * np.pi)
    facing = ((canvas.cols - spot.col) * np.cos(sun) + (canvas.rows - spot.row) * np.sin(sun)) / spot.radius_px
    shadow = soft(depth + 0.2 * spot.radius_px + 2, 2) * np.clip(0.15 - facing, 0, 1)
    picture = over(picture, 0.6 * shadow, 0.35 * tint)
    height = np.clip(depth / spot.radius_px, 0, 1)
    light = 0.62 + 0.45 * height**0.6 + 0.18 * np.clip(facing, -1, 1) + 0.035 * canvas.noise(2)
    colour = tint * ((1.06, 0.64, 0.73) if rng.random() < 0.6 else (1.1, 1.45, 1.4))
    picture = over(picture, soft(depth, 0.7), np.clip(light, 0.1, 1.15)[..., None] * colour)
    glint = soft(canvas.noise(2.5) + 2.6 * np.clip(facing, 0, 0.6) - 2.8, 0.15) * soft(depth - 2)
    return over(picture, glint, GLARE), depth > 0

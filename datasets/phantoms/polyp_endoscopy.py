"""Endoscopy of the colon: wet pink mucosa with folds, a dark lumen, black corners and specular spots.

Target: a polyp, a raised bump with its own shading and highlights. Distractors: bubbles, stool, fold bulges.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft
from prsbench.datasets.phantoms.lesions import Spot, place

SHAPE = (136, 176)
AREAS = (0.006, 0.24)
TWO_SHARE = 0.16


def draw(canvas: Canvas) -> tuple[Field, Mask]:
    """(H, W, 3) picture in [0, 1] and the polyp's mask."""
    field_of_view = _field_of_view(canvas)
    picture = _distractors(canvas, _mucosa(canvas), field_of_view)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, field_of_view > 2, AREAS, TWO_SHARE):
        picture, lesion = _polyp(canvas, picture, spot)
        mask |= lesion & (field_of_view > 0)
    picture = over(picture, soft(canvas.noise(1.6) + canvas.noise(9) * 0.8 - 3.6, 0.1), (1.0, 0.97, 0.95))
    picture = picture + 0.012 * canvas.noise(0.9)[..., None]
    return over(picture, soft(-field_of_view, 0.6), 0.01), mask


def _field_of_view(canvas: Canvas) -> Field:
    """Depth in px inside what the lens shows: a circle cut off above and below."""
    return canvas.ellipse(68, 88, canvas.rng.uniform(80, 88), canvas.rng.uniform(84, 92))


def _mucosa(canvas: Canvas) -> Field:
    rng = canvas.rng
    row, col = rng.uniform(20, 116), rng.uniform(25, 151)
    away = np.hypot(canvas.rows - row, (canvas.cols - col) * 0.85) + 5 * canvas.noise(22)
    phase = away / rng.uniform(17, 24) + rng.uniform(0, 1)
    fold = phase % 1
    light = 0.86 + 0.16 * np.exp(-((fold - 0.25) ** 2) / 0.03) - 0.22 * np.exp(-((fold - 0.97) ** 2) / 0.004)
    light = light * (0.35 + 0.65 * soft(away - 22, 12)) * (1 + 0.05 * canvas.noise(14))
    tint = np.array((0.84, 0.47, 0.40)) * rng.uniform(0.92, 1.08, 3)
    picture = np.clip(light, 0.05, 1.15)[..., None] * tint
    vessels = np.exp(-((canvas.noise(9) / 0.09) ** 2)) * soft(canvas.noise(20), 0.3)
    picture = over(picture, 0.25 * vessels, (0.62, 0.2, 0.2))
    lumen = canvas.blob(row, col, rng.uniform(9, 17), 1.3, 0.06)
    return over(picture, 0.92 * soft(lumen, 2.5), (0.10, 0.03, 0.03))


def _distractors(canvas: Canvas, picture: Field, field_of_view: Field) -> Field:
    rng = canvas.rng
    for row, col in canvas.sprinkle(field_of_view > 4, int(rng.integers(0, 4))):
        bits = canvas.blob(row, col, rng.uniform(1.5, 4), 1.5, 0.2)
        picture = over(picture, soft(bits), np.array((0.62, 0.5, 0.16)) * rng.uniform(0.8, 1.2))
    for row, col in canvas.sprinkle(field_of_view > 4, int(rng.integers(0, 7))):
        radius_px = rng.uniform(1.5, 4.5)
        bubble = canvas.ellipse(row, col, radius_px, radius_px)
        picture = over(picture, 0.6 * soft(0.5 - np.abs(bubble), 0.35), (1.0, 0.92, 0.88))
        picture = over(picture, soft(canvas.ellipse(row - radius_px / 3, col - radius_px / 3, 0.6, 0.6), 0.3), 1.0)
    return picture


def _polyp(canvas: Canvas, picture: Field, spot: Spot) -> tuple[Field, Mask]:
    rng = canvas.rng
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.4), rng.uniform(0.02, 0.08))
    sun = rng.uniform(0, 2 * np.pi)
    facing = ((canvas.cols - spot.col) * np.cos(sun) + (canvas.rows - spot.row) * np.sin(sun)) / spot.radius_px
    shadow = soft(depth + 4, 2) * np.clip(-facing, 0, 1)
    picture = over(picture, 0.5 * shadow, (0.28, 0.08, 0.08))
    height = np.clip(depth / spot.radius_px, 0, 1)
    light = 0.62 + 0.42 * height**0.6 + 0.2 * np.clip(facing, -1, 1) + 0.03 * canvas.noise(3)
    tint = np.array((0.88, 0.36, 0.34)) if rng.random() < 0.6 else np.array((0.93, 0.66, 0.56))
    picture = over(picture, soft(depth, 0.7), np.clip(light, 0.1, 1.15)[..., None] * tint)
    glint = soft(canvas.noise(2.5) + 2.6 * np.clip(facing, 0, 0.6) - 2.6, 0.15) * soft(depth - 2)
    return over(picture, glint, (1.0, 0.97, 0.95)), depth > 0

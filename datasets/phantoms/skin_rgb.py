"""Dermoscopy: textured skin, a pigmented lesion of several browns, hairs, a dark vignette, gel bubbles and ruler marks.

Target: the pigmented lesion. Distractors: small pale freckles, a red angioma, hairs across everything.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import NOWHERE, Canvas, Field, Mask, over, soft, union
from prsbench.datasets.phantoms.difficulty import Harder
from prsbench.datasets.phantoms.lesions import Spot, main_piece, place

SHAPE = (132, 176)
AREAS = (0.006, 0.25)
TWO_SHARE = 0.16
SKIN_TONES = ((0.93, 0.76, 0.68), (0.88, 0.68, 0.58), (0.80, 0.62, 0.50), (0.90, 0.66, 0.62))


def draw(canvas: Canvas, harder: Harder) -> tuple[Field, Mask]:
    """(H, W, 3) picture in [0, 1] and the pigmented lesion's mask."""
    picture = _distractors(canvas, _skin(canvas))
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, np.ones(canvas.shape, bool), AREAS, TWO_SHARE):
        drawn, lesion = _lesion(canvas, picture, spot)
        picture = harder.lesion(picture, drawn, spot)
        mask |= main_piece(lesion)
    picture = harder.look_alikes(picture, ~mask, _look_alike)
    picture = _instrument(canvas, _hairs(canvas, picture))
    return picture + 0.012 * canvas.rng.standard_normal(canvas.shape)[..., None], mask


def _skin(canvas: Canvas) -> Field:
    rng = canvas.rng
    tone = np.array(SKIN_TONES[rng.integers(len(SKIN_TONES))]) * rng.uniform(0.95, 1.05, 3)
    creases = np.exp(-((canvas.noise(4) / 0.12) ** 2))
    light = 1 + 0.035 * canvas.noise(30) + 0.02 * canvas.noise(3.5) - 0.05 * creases
    blush = 0.02 * canvas.noise(18)
    return light[..., None] * tone + blush[..., None] * np.array((0.3, -1.0, -0.8))


def _distractors(canvas: Canvas, picture: Field) -> Field:
    rng = canvas.rng
    everywhere = np.ones(canvas.shape, bool)
    freckles = np.full(canvas.shape, NOWHERE)
    for row, col in canvas.sprinkle(everywhere, int(rng.integers(0, 6))):
        freckles = union(freckles, canvas.blob(row, col, rng.uniform(1.5, 3.5), 1.3, 0.1))
    picture = over(picture, 0.35 * soft(freckles, 0.9), (0.60, 0.40, 0.28))
    if rng.random() < 0.3:
        for row, col in canvas.sprinkle(everywhere, 1):
            picture = over(picture, 0.8 * soft(canvas.blob(row, col, rng.uniform(2, 3.5), 1.1, 0.05)), (0.78, 0.22, 0.24))
    return picture


def _look_alike(canvas: Canvas, picture: Field, spot: Spot) -> Field:
    """A pale freckle, a red angioma, or a tuft of hairs."""
    rng = canvas.rng
    kind = rng.integers(3)
    if kind == 0:
        freckle = canvas.blob(spot.row, spot.col, 0.9 * spot.radius_px, 1.4, 0.15)
        return over(picture, rng.uniform(0.2, 0.35) * soft(freckle, 1.5), (0.60, 0.40, 0.28))
    if kind == 1:
        angioma = canvas.blob(spot.row, spot.col, 0.6 * spot.radius_px, 1.2, 0.06)
        return over(picture, 0.65 * soft(angioma), (0.78, 0.25, 0.26))
    hairs = [canvas.curve(spot.row, spot.col, turn, rng.uniform(15, 60), 0.6) for turn in rng.uniform(0, 2 * np.pi, 7)]
    return over(picture, 0.8 * canvas.strokes(hairs, 0.6), (0.15, 0.09, 0.07))


def _lesion(canvas: Canvas, picture: Field, spot: Spot) -> tuple[Field, Mask]:
    rng = canvas.rng
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.5), rng.uniform(0.05, 0.2))
    depth += rng.uniform(0.2, 1) * canvas.noise(3.5)
    brown = np.array((0.54, 0.34, 0.23)) * rng.uniform(0.75, 1.2) * rng.uniform(0.92, 1.08, 3)
    dark = np.array((0.24, 0.14, 0.12)) * rng.uniform(0.8, 1.3)
    patches = soft(canvas.noise(max(3.0, spot.radius_px / 3)) - rng.uniform(-0.3, 1.2), 0.25)
    network = np.exp(-((canvas.noise(1.8) / 0.3) ** 2)) * soft(depth - 0.2 * spot.radius_px, 2)
    pigment = np.maximum(patches, 0.4 * network)
    colour = over(np.broadcast_to(brown, picture.shape), pigment, dark)
    if spot.radius_px > 14 and rng.random() < 0.35:  # blue-white veil
        veil = soft(canvas.noise(spot.radius_px / 3) - 1.1, 0.2)
        colour = over(colour, 0.7 * veil, (0.48, 0.50, 0.58))
    return over(picture, rng.uniform(0.8, 1.0) * soft(depth, rng.uniform(0.7, 1.5)), colour), depth > 0


def _hairs(canvas: Canvas, picture: Field) -> Field:
    rng = canvas.rng
    hairs = [
        canvas.curve(row, col, rng.uniform(0, 2 * np.pi), rng.uniform(40, 130), rng.uniform(-1, 1))
        for row, col in canvas.sprinkle(np.ones(canvas.shape, bool), int(rng.choice([0, 0, 3, 6, 12])))
    ]
    return over(picture, 0.8 * canvas.strokes(hairs, rng.uniform(0.4, 0.7)), (0.15, 0.09, 0.07))


def _instrument(canvas: Canvas, picture: Field) -> Field:
    """Artefacts of the dermatoscope: gel bubbles, ruler marks, the dark rim of its lens."""
    rng = canvas.rng
    bubbles = np.full(canvas.shape, NOWHERE)
    if rng.random() < 0.25:
        for row, col in canvas.sprinkle(np.ones(canvas.shape, bool), int(rng.integers(1, 6))):
            bubbles = union(bubbles, 0.5 - np.abs(canvas.ellipse(row, col, radius_px := rng.uniform(2, 6), radius_px)))
    picture = over(picture, 0.5 * soft(bubbles, 0.35), (1.0, 0.95, 0.92))
    if rng.random() < 0.2:
        ticks = soft(0.5 - np.abs((canvas.cols + 4) % 9 - 4.5), 0.25) * soft(canvas.rows - canvas.height + 7, 0.4)
        picture = over(picture, 0.85 * ticks, 0.1)
    if rng.random() < 0.45:
        lens = canvas.ellipse(66, 88, rng.uniform(82, 96), rng.uniform(90, 106))
        picture = over(picture, 0.95 * soft(-lens, rng.uniform(1, 5)), 0.03)
    return picture

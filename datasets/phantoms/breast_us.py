"""Breast ultrasound: skin line, fat lobules, gland, muscle and chest wall under speckle.

Target: a dark (hypoechoic) mass, ragged with a shadow behind it or smooth with enhancement. Distractors: mildly dark fat
lobules, calcifications, bright septa and a rib's shadow.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft
from prsbench.datasets.phantoms.difficulty import Harder
from prsbench.datasets.phantoms.lesions import Spot, main_piece, place
from scipy import ndimage

SHAPE = (132, 176)
AREAS = (0.006, 0.24)
TWO_SHARE = 0.16
SKIN_PX = 9


def draw(canvas: Canvas, harder: Harder) -> tuple[Field, Mask]:
    """(H, W) grey picture in [0, 1] and the mass's mask."""
    beam = _beam(canvas)
    tissue = (beam > 3) & (canvas.rows > SKIN_PX + 3)
    echo = _distractors(canvas, _layers(canvas))
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, tissue, AREAS, TWO_SHARE):
        drawn, lesion = _mass(canvas, echo, spot, soft(canvas.rows - SKIN_PX - 3))
        echo = harder.lesion(echo, drawn, spot)
        mask |= main_piece(lesion & tissue)
    echo = harder.look_alikes(echo, tissue & ~mask, _look_alike)
    return _speckled(canvas, echo) * soft(beam, 0.8), mask


def _beam(canvas: Canvas) -> Field:
    """Depth in px inside the probe's field of view: the full picture, or a trapezoid that widens downwards."""
    inset_px = canvas.rng.choice([0, 0, 0, 14]) * (1 - canvas.rows / canvas.height)
    return np.minimum(canvas.cols, canvas.width - canvas.cols) - inset_px + 3


def _layers(canvas: Canvas) -> Field:
    """Mean echo level of healthy tissue, from the probe at the top to the chest wall."""
    rng, rows = canvas.rng, canvas.rows
    tilt = rng.uniform(-0.06, 0.06) * (canvas.cols - canvas.width / 2)
    fat_end = rng.uniform(26, 46) + 5 * canvas.wave(18) + tilt
    gland_end = rng.uniform(80, 98) + 5 * canvas.wave(24) + tilt
    muscle_end = gland_end + rng.uniform(12, 20) + 2 * canvas.wave(30)
    septa = np.exp(-((canvas.noise(8, 15) / 0.13) ** 2))
    echo = over(np.full(canvas.shape, 0.36), 0.6 * septa, 0.7)
    gland = 0.6 + 0.08 * canvas.noise(4, 9)
    echo = over(echo, soft(rows - fat_end, 1.5), gland)
    fibres = 0.42 + 0.08 * np.sin((rows - gland_end) * 0.9 + canvas.wave(20))
    echo = over(echo, soft(rows - gland_end, 1.5), fibres)
    echo = over(echo, soft(rows - muscle_end, 1.5), 0.34)
    fascia = np.exp(-(((rows - muscle_end) / 1.4) ** 2)) + 0.6 * np.exp(-(((rows - gland_end) / 1.2) ** 2))
    echo = over(echo, np.minimum(fascia, 1), 0.85)
    skin = soft(SKIN_PX + 0.5 * canvas.wave(30) - rows, 0.6)
    return over(echo, skin, 0.62 + 0.3 * np.cos((rows - 1.5) / SKIN_PX * 4 * np.pi))


def _distractors(canvas: Canvas, echo: Field) -> Field:
    rng = canvas.rng
    shallow = np.broadcast_to((canvas.rows > 16) & (canvas.rows < 90), canvas.shape)
    for row, col in canvas.sprinkle(shallow, int(rng.integers(1, 4))):
        lobule = canvas.ellipse(row, col, rng.uniform(3, 6), rng.uniform(9, 18), rng.uniform(-0.2, 0.2))
        echo = over(echo, 0.5 * soft(lobule, 1.5), 0.36)
    ligaments = [
        canvas.curve(row, col, rng.uniform(-0.5, 0.5), rng.uniform(15, 45), rng.uniform(-0.8, 0.8))
        for row, col in canvas.sprinkle(shallow, 5)
    ]
    echo = over(echo, 0.6 * canvas.strokes(ligaments, 0.8), 0.85)
    specks = [canvas.curve(row, col, 0.0, 1.5) for row, col in canvas.sprinkle(shallow, int(rng.integers(0, 4)))]
    echo = over(echo, canvas.strokes(specks, 0.9), 1.0)
    if rng.random() < 0.3:
        col = rng.uniform(20, canvas.width - 20)
        rib = soft(rng.uniform(9, 14) - np.abs(canvas.cols - col), 2.5) * soft(canvas.rows - 118, 1.5)
        echo = over(echo, 0.7 * rib, 0.12)
    return echo


def _look_alike(canvas: Canvas, echo: Field, spot: Spot) -> Field:
    """A flat dark fat lobule between septa, or a cut vessel: a pair of bright walls with fluid between them."""
    rng = canvas.rng
    if rng.random() < 0.6:
        lobule = canvas.ellipse(spot.row, spot.col, 0.6 * spot.radius_px, 1.7 * spot.radius_px, rng.uniform(-0.25, 0.25))
        echo = over(echo, 0.5 * np.exp(-((lobule / 1.2) ** 2)), 0.75)
        return over(echo, 0.85 * soft(lobule - 1, 1.5), rng.uniform(0.17, 0.27))
    vessel = canvas.ellipse(spot.row, spot.col, 0.3 * spot.radius_px, 1.5 * spot.radius_px, rng.uniform(-0.7, 0.7))
    return over(over(echo, soft(vessel + 2, 0.8), 0.85), soft(vessel, 0.7), 0.06)


def _mass(canvas: Canvas, echo: Field, spot: Spot, below_skin: Field) -> tuple[Field, Mask]:
    """A suspicious mass (ragged, with a shadow) or a benign one (smooth, oval, with enhancement)."""
    rng = canvas.rng
    suspicious = rng.random() < 0.5
    if suspicious:
        depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.3), rng.uniform(0.08, 0.2)) + canvas.noise(2.5)
        change, level = -rng.uniform(0.25, 0.5), rng.uniform(0.06, 0.13)
        echo = over(echo, 0.4 * np.exp(-(((depth + 3) / 2.2) ** 2)) * below_skin, 0.8)  # halo of compressed tissue
    else:
        depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1.1, 1.6), 0.04)
        change, level = rng.uniform(0.25, 0.5), rng.uniform(0.05, 0.15)
    echo = echo * (1 + change * _below(canvas, depth > 0))
    inside = level + 0.03 * canvas.noise(3)
    return over(echo, soft(depth, 1.0) * below_skin, inside), depth > 0


def _below(canvas: Canvas, mask: Mask) -> Field:
    """How strongly the mass shadows or enhances each pixel: 0 above and to the sides of it, up to 1 directly below."""
    crossed = ndimage.gaussian_filter1d(np.minimum(np.cumsum(mask, axis=0) / 8, 1), 2.0, axis=1)
    last_row = np.flatnonzero(mask.any(axis=1)).max(initial=0)
    return crossed * ~mask * np.exp(-np.maximum(canvas.rows - last_row, 0) / 60)


def _speckled(canvas: Canvas, echo: Field) -> Field:
    """Multiplicative Rayleigh speckle, wider with depth; gain falls with depth; the display compresses the range."""
    fine = np.hypot(canvas.noise(0.9, 1.4), canvas.noise(0.9, 1.4))
    coarse = np.hypot(canvas.noise(1.2, 2.8), canvas.noise(1.2, 2.8))
    deep = canvas.rows / canvas.height
    rayleigh = ((1 - deep) * fine + deep * coarse) / np.sqrt(np.pi / 2)
    gain = (1.05 - 0.3 * deep) * (1 + 0.08 * canvas.noise(45))
    return echo * gain * (0.3 + 0.7 * rayleigh**0.7)

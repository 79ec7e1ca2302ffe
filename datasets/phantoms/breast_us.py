"""Breast ultrasound: skin line, fat, gland, muscle and chest wall under speckle.

Target: a dark (hypoechoic) mass, ragged with a shadow behind it or smooth with enhancement. Distractors: mildly dark fat
lobules, calcifications, bright septa and a rib's shadow.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft
from prsbench.datasets.phantoms.lesions import Spot, place
from scipy import ndimage

SHAPE = (132, 176)
AREAS = (0.006, 0.24)
TWO_SHARE = 0.15
SKIN_PX = 9


def draw(canvas: Canvas) -> tuple[Field, Mask]:
    """(H, W) grey picture in [0, 1] and the mass's mask."""
    echo = _distractors(canvas, _layers(canvas))
    tissue = np.broadcast_to(canvas.rows > SKIN_PX + 3, canvas.shape)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, tissue, AREAS, TWO_SHARE):
        echo, lesion = _mass(canvas, echo, spot)
        mask |= lesion & tissue
    return _speckled(canvas, echo), mask


def _layers(canvas: Canvas) -> Field:
    """Mean echo level of healthy tissue, from the probe at the top to the chest wall."""
    rng, rows = canvas.rng, canvas.rows
    fat_end = rng.uniform(26, 46) + 3 * canvas.wave(22)
    gland_end = rng.uniform(78, 96) + 4 * canvas.wave(28)
    muscle_end = gland_end + rng.uniform(12, 20) + 2 * canvas.wave(30)
    echo = np.full(canvas.shape, 0.42)
    echo = over(echo, soft(rows - fat_end, 1.5), 0.62 + 0.05 * canvas.noise(5, 14))
    echo = over(echo, soft(rows - gland_end, 1.5), 0.42 + 0.07 * np.sin((rows - gland_end) * 0.9 + canvas.wave(20)))
    echo = over(echo, soft(rows - muscle_end, 1.5), 0.33)
    fascia = np.exp(-(((rows - muscle_end) / 1.4) ** 2)) + 0.6 * np.exp(-(((rows - gland_end) / 1.2) ** 2))
    echo = over(echo, np.minimum(fascia, 1), 0.85)
    skin = soft(SKIN_PX + 0.5 * canvas.wave(30) - rows, 0.6)
    stripes = 0.62 + 0.3 * np.cos((rows - 1.5) / SKIN_PX * 4 * np.pi)
    return over(echo, skin, stripes)


def _distractors(canvas: Canvas, echo: Field) -> Field:
    rng = canvas.rng
    below_skin = np.broadcast_to((canvas.rows > 16) & (canvas.rows < 90), canvas.shape)
    for row, col in canvas.sprinkle(below_skin, int(rng.integers(1, 4))):
        lobule = canvas.ellipse(row, col, rng.uniform(3, 6), rng.uniform(9, 18), rng.uniform(-0.2, 0.2))
        echo = over(echo, 0.5 * soft(lobule, 1.5), 0.36)
    septa = [
        canvas.curve(row, col, rng.uniform(-0.5, 0.5), rng.uniform(20, 50), rng.uniform(-0.6, 0.6))
        for row, col in canvas.sprinkle(below_skin, 6)
    ]
    echo = over(echo, 0.7 * canvas.strokes(septa, 0.8), 0.85)
    specks = [canvas.curve(row, col, 0.0, 1.5) for row, col in canvas.sprinkle(below_skin, int(rng.integers(0, 4)))]
    echo = over(echo, canvas.strokes(specks, 0.9), 1.0)
    if rng.random() < 0.3:
        col = rng.uniform(20, canvas.width - 20)
        shadow = soft(rng.uniform(9, 14) - np.abs(canvas.cols - col), 2.5) * soft(canvas.rows - 116, 1.5)
        echo = over(echo, 0.8 * shadow, 0.08)
    return echo


def _mass(canvas: Canvas, echo: Field, spot: Spot) -> tuple[Field, Mask]:
    rng = canvas.rng
    suspicious = rng.random() < 0.5
    stretch, roughness = (rng.uniform(1, 1.3), rng.uniform(0.08, 0.16)) if suspicious else (rng.uniform(1.1, 1.7), 0.03)
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, stretch, roughness)
    strength = rng.uniform(0.35, 0.6) if suspicious else -rng.uniform(0.15, 0.35)
    echo = echo * (1 - strength * _behind(canvas, depth > 0))
    if suspicious:  # a bright rim of compressed tissue
        echo = over(echo, 0.35 * np.exp(-(((depth + 2.5) / 2) ** 2)), 0.8)
    level = rng.uniform(0.08, 0.2) + 0.02 * canvas.noise(4)
    return over(echo, soft(depth, 0.8), level), depth > 0


def _behind(canvas: Canvas, mask: Mask) -> Field:
    """How much of the beam at each pixel has passed through the mass: 0 beside and above it, falling off with depth."""
    crossed = np.cumsum(mask, axis=0)
    covered = ndimage.gaussian_filter1d(np.minimum(crossed / 8, 1), 2.0, axis=1)
    past_px = np.maximum(canvas.rows - spot_bottom(mask), 0)
    return covered * ~mask * np.exp(-past_px / 70)


def spot_bottom(mask: Mask) -> int:
    """Last row of the mask."""
    return int(np.flatnonzero(mask.any(axis=1))[-1])


def _speckled(canvas: Canvas, echo: Field) -> Field:
    """Rayleigh speckle, multiplied in and widening with depth; then gain falling with depth and log-like compression."""
    fine = np.hypot(canvas.noise(0.8, 1.1), canvas.noise(0.8, 1.1))
    coarse = np.hypot(canvas.noise(1.0, 2.2), canvas.noise(1.0, 2.2))
    deep = canvas.rows / canvas.height
    rayleigh = ((1 - deep) * fine + deep * coarse) / np.sqrt(np.pi / 2)
    gain = (1.06 - 0.28 * deep) * (1 + 0.08 * canvas.noise(45))
    edge = soft(np.minimum(canvas.cols, canvas.width - canvas.cols) - 1, 3)
    return echo * gain * edge * (0.3 + 0.7 * rayleigh**0.7)

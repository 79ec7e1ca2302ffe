"""Brain MRI, axial, grey levels like FLAIR: bright scalp, dark skull, cortex brighter than white matter, dark ventricles.

Target: a bright tumour, solid or with a dark core, in a halo of oedema. Distractors: small white-matter spots, a dark cyst.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft, union
from prsbench.datasets.phantoms.difficulty import Harder
from prsbench.datasets.phantoms.lesions import Spot, main_piece, place

SHAPE = (144, 144)
AREAS = (0.006, 0.24)
TWO_SHARE = 0.17
BRAIN_DEPTH_PX = 10  # of the brain's surface below the scalp's
SHELL_DEPTHS_PX = (-1, 0.5, 3.5, 4.5, 7.5, 9, 10.5)  # air, scalp, scalp, skull, skull, fluid, cortex
SHELL_LEVELS = (0.02, 0.58, 0.7, 0.1, 0.07, 0.12, 0.5)


def draw(canvas: Canvas, harder: Harder) -> tuple[Field, Mask]:
    """(H, W) grey picture in [0, 1] and the tumour's mask."""
    depth = _head(canvas)
    brain = depth > BRAIN_DEPTH_PX
    picture = _distractors(canvas, _tissue(canvas, depth), depth)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, brain, AREAS, TWO_SHARE):
        drawn, lesion = _tumour(canvas, picture, spot, soft(depth - BRAIN_DEPTH_PX))
        picture = harder.lesion(picture, drawn, spot)
        mask |= main_piece(lesion & brain)
    picture = harder.look_alikes(picture, (depth > 14) & ~mask, _look_alike)
    bias = 1 + 0.07 * canvas.noise(60)
    return picture * bias + 0.016 * canvas.rng.standard_normal(canvas.shape), mask


def _head(canvas: Canvas) -> Field:
    """Depth in px below the scalp."""
    rng = canvas.rng
    row, col = 72 + rng.uniform(-2, 2), 72 + rng.uniform(-3, 3)
    outline = canvas.ellipse(row, col, rng.uniform(62, 67), rng.uniform(52, 58), rng.uniform(-0.08, 0.08))
    return outline + 0.9 * canvas.noise(22)


def _tissue(canvas: Canvas, depth: Field) -> Field:
    """Scalp, skull, a folded cortex over white matter, then fissure and ventricles."""
    picture = np.interp(depth, SHELL_DEPTHS_PX, SHELL_LEVELS)
    white_matter = depth - 15 - 6 * canvas.noise(4.5)
    picture = over(picture, soft(white_matter, 1.2) * soft(depth - 14, 1), 0.36 + 0.012 * canvas.noise(10))
    sulci = np.exp(-((canvas.noise(4.5) / 0.14) ** 2)) * soft(depth - BRAIN_DEPTH_PX, 0.8) * soft(23 - depth, 1.5)
    picture = over(picture, 0.75 * sulci, 0.15)
    midline = 72 + canvas.rng.uniform(-2, 2) + canvas.rng.uniform(-1.5, 1.5) * (canvas.rows - 72) / 72
    if canvas.rng.random() < 0.25:  # a slice above the ventricles, where the fissure is continuous
        return _fissure(canvas, picture, depth, midline, gap_px=0)
    return _ventricles(canvas, _fissure(canvas, picture, depth, midline, gap_px=20), midline)


def _fissure(canvas: Canvas, picture: Field, depth: Field, midline: Field, gap_px: float) -> Field:
    cleft = soft(1.0 - np.abs(canvas.cols - midline), 0.5) * soft(depth - BRAIN_DEPTH_PX, 1)
    return over(picture, 0.85 * cleft * soft(np.abs(canvas.rows - 72) - gap_px, 2), 0.12)


def _ventricles(canvas: Canvas, picture: Field, midline: Field) -> Field:
    """The dark butterfly of the ventricles between the basal ganglia."""
    size, middle = canvas.rng.uniform(0.8, 1.25), float(midline[72, 0])
    for side in (-1, 1):
        picture = over(picture, soft(canvas.ellipse(76, middle + 17 * side, 12, 7, -0.25 * side), 1.2), 0.47)
        horns = union(
            canvas.ellipse(60, middle + 7 * side, 11 * size, 3.6 * size, 0.35 * side),
            canvas.ellipse(84, middle + 9 * side, 13 * size, 3.4 * size, -0.45 * side),
            canvas.ellipse(71, middle + 5 * side, 8 * size, 2.2 * size),
            blend_px=1.0,
        )
        picture = over(picture, soft(horns, 0.7), 0.09)
    return picture


def _distractors(canvas: Canvas, picture: Field, depth: Field) -> Field:
    rng = canvas.rng
    for row, col in canvas.sprinkle(depth > 20, int(rng.integers(0, 6))):
        picture = over(picture, soft(canvas.blob(row, col, rng.uniform(0.9, 1.9), 1.4), 0.6), 0.62)
    if rng.random() < 0.2:
        for row, col in canvas.sprinkle((depth > 16) & (depth < 30), 1):
            picture = over(picture, soft(canvas.blob(row, col, rng.uniform(4, 9), 1.3, 0.04), 0.7), 0.1)
    return picture


def _look_alike(canvas: Canvas, picture: Field, spot: Spot) -> Field:
    """A cyst as dark as fluid, or a hazy patch of white matter without a bright centre."""
    if canvas.rng.random() < 0.5:
        return over(picture, soft(canvas.blob(spot.row, spot.col, 0.7 * spot.radius_px, 1.3, 0.04), 0.7), 0.12)
    patch = canvas.blob(spot.row, spot.col, spot.radius_px, 1.8, 0.25) + 1.5 * canvas.noise(4)
    return over(picture, 0.85 * soft(patch, 1.8), 0.56)


def _tumour(canvas: Canvas, picture: Field, spot: Spot, brain: Field) -> tuple[Field, Mask]:
    rng = canvas.rng
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.5), rng.uniform(0.05, 0.2))
    depth += rng.uniform(0, 0.8) * canvas.noise(3)
    oedema = soft(depth + rng.uniform(0.15, 0.45) * spot.radius_px + 1.5 * canvas.noise(6), 2.0)
    picture = over(picture, 0.8 * oedema * brain, rng.uniform(0.46, 0.52))
    inside = rng.uniform(0.66, 0.92) + 0.035 * canvas.noise(3)
    if spot.radius_px > 10 and rng.random() < 0.45:
        rim_px = rng.uniform(0.25, 0.4) * spot.radius_px
        inside = over(inside, soft(depth - rim_px + 1.5 * canvas.noise(5), 1.2), rng.uniform(0.2, 0.45))
    return over(picture, soft(depth, 0.8) * brain, inside), depth > 0

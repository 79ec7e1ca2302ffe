"""Thorax CT, axial, lung window: body oval with ribs and spine, two dark lungs with vessels, mediastinum with heart or arch.

Target: nodule, mass or consolidation in the lungs. Distractors: vessels cut across, calcified granulomas, dark bullae.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft, union
from prsbench.datasets.phantoms.difficulty import Harder
from prsbench.datasets.phantoms.lesions import Spot, main_piece, place

SHAPE = (160, 160)
AREAS = (0.008, 0.14)
TWO_SHARE = 0.36
SPINE_COL = 80


def draw(canvas: Canvas, harder: Harder) -> tuple[Field, Mask]:
    """(H, W) grey picture in [0, 1] and the mask of the lesions in the lungs."""
    body = canvas.ellipse(80, SPINE_COL, canvas.rng.uniform(57, 64), canvas.rng.uniform(71, 77)) + 0.9 * canvas.noise(22)
    core, great_vessels = _mediastinum(canvas)
    lung = np.minimum(body - canvas.rng.uniform(13, 16), -core) + 0.6 * canvas.noise(8)
    inside = soft(lung, 0.7)
    picture = over(_chest_wall(canvas, body), soft(great_vessels, 1.0) * (1 - inside), 0.74)
    picture = _lung_texture(canvas, _spine(canvas, picture), lung, inside)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, lung > 0, AREAS, TWO_SHARE):
        drawn, lesion = _lesion(canvas, picture, spot, inside)
        picture = harder.lesion(picture, drawn, spot)
        mask |= main_piece(lesion & (lung > 0))
    picture = harder.look_alikes(picture, (lung > 2) & ~mask, _look_alike)
    return picture + 0.016 * canvas.rng.standard_normal(canvas.shape), mask


def _mediastinum(canvas: Canvas) -> tuple[Field, Field]:
    """Depth in px inside everything between the lungs, and inside heart or great vessels (the aortic arch in upper slices)."""
    rng, middle = canvas.rng, SPINE_COL
    centre = canvas.ellipse(72, middle, 48, rng.uniform(9, 12))
    spine = canvas.ellipse(124, middle, 17, 18)
    aorta = canvas.ellipse(106, middle + 11, 6, 6)
    if rng.random() < 0.35:
        arch = canvas.ellipse(78, middle + 6, 9, rng.uniform(19, 23), 0.9)
        veins = canvas.ellipse(66, middle - 8, 6, 6)
        blood = union(arch, veins)
    else:
        size = rng.uniform(0.75, 1.1)
        left = canvas.ellipse(70, middle + 13, 18 * size, 25 * size, 0.6)
        right = canvas.ellipse(66, middle - 3, 19 * size, 14 * size)
        blood = union(left, right, aorta, blend_px=1.5)
    return union(centre, spine, aorta - 1, blood - 1, blend_px=2.5), blood - 3


def _chest_wall(canvas: Canvas, body: Field) -> Field:
    """Table, skin, fat, muscle, ribs cut obliquely, sternum and shoulder blades."""
    rng = canvas.rng
    table = np.exp(-(((canvas.rows - 149 + 0.0016 * (canvas.cols - 80) ** 2) / 1.3) ** 2))
    picture = over(0.02 + 0.2 * table, soft(body), 0.34 + 0.01 * canvas.noise(3))
    picture = over(picture, soft(1.2 - np.abs(body - 1.0), 0.5), 0.5)
    picture = over(picture, soft(body - 7 + canvas.noise(9), 0.9), 0.61 + 0.02 * canvas.noise(4))
    bearing = np.arctan2(canvas.rows - 80, canvas.cols - SPINE_COL)
    turn = rng.uniform(0, 2 * np.pi)
    around = rng.integers(8, 12) * bearing + turn + 0.6 * np.sin(2 * bearing + turn)
    ribs = soft(2.3 - np.abs(body - 10.5 - 1.6 * np.sin(around)), 0.5) * soft(np.cos(around) - rng.uniform(-0.2, 0.3), 0.12)
    picture = over(picture, ribs, 0.9)
    if rng.random() < 0.5:
        blades = [canvas.curve(118, 80 + 50 * side, np.pi / 2 + side * 0.9, 26, -0.3 * side) for side in (-1, 1)]
        picture = over(picture, 0.9 * canvas.strokes(blades, 1.3) * soft(9 - body, 1), 0.85)
    return over(picture, soft(canvas.ellipse(26, SPINE_COL, 3.5, rng.uniform(6, 9))), 0.88)


def _spine(canvas: Canvas, picture: Field) -> Field:
    middle = SPINE_COL
    bone = union(
        canvas.ellipse(117, middle, 8.5, 10.5),
        canvas.ellipse(136, middle, 8, 2.2),
        canvas.ellipse(130, middle - 10, 2.5, 9, 0.35),
        canvas.ellipse(130, middle + 10, 2.5, 9, -0.35),
        blend_px=1.0,
    )
    picture = over(picture, soft(bone), 0.88 + 0.04 * canvas.noise(2))
    return over(picture, soft(canvas.ellipse(128, middle, 3.5, 4.2)), 0.48)


def _lung_texture(canvas: Canvas, picture: Field, lung: Field, inside: Field) -> Field:
    """Air, vessels that branch and thin out from each hilum, the main bronchi, and the distractors."""
    rng = canvas.rng
    picture = over(picture, inside, 0.1 + 0.02 * canvas.noise(12) + 0.012 * canvas.noise(1.5))
    trunks, branches, twigs = [], [], []
    for side in (-1, 1):
        for heading in np.linspace(-1.3, 1.3, 6) + rng.uniform(-0.2, 0.2, 6):
            outward = heading if side > 0 else np.pi - heading
            trunk = canvas.curve(84, SPINE_COL + 14 * side, outward, rng.uniform(22, 44), rng.uniform(-0.7, 0.7))
            trunks.append(trunk[: len(trunk) // 2])
            branches.append(trunk[len(trunk) // 2 :])
            twigs += [
                canvas.curve(row, col, outward + rng.uniform(-1, 1), rng.uniform(8, 20), rng.uniform(-0.8, 0.8))
                for row, col in trunk[rng.integers(len(trunk) // 3, len(trunk), 3)]
            ]
    dots = [canvas.curve(row, col, 0.0, 1.0) for row, col in canvas.sprinkle(lung > 5, 14)]
    for paths, sigma_px, strength in ((trunks, 1.1, 0.7), (branches, 0.75, 0.6), (twigs, 0.55, 0.4), (dots, 1.0, 0.8)):
        picture = over(picture, strength * inside * canvas.strokes(paths, sigma_px), 0.55)
    bronchi = [canvas.curve(84, SPINE_COL + 5 * side, np.pi / 2 - 1.1 * side, 9) for side in (-1, 1)]
    picture = over(picture, canvas.strokes(bronchi, 1.4), 0.05)
    for row, col in canvas.sprinkle(lung > 6, int(rng.integers(0, 3))):
        picture = over(picture, soft(canvas.blob(row, col, rng.uniform(3, 7), 1.2, 0.05)) * inside, 0.035)
    granulomas = [canvas.curve(row, col, 0.0, 1.5) for row, col in canvas.sprinkle(lung > 4, int(rng.integers(0, 3)))]
    return over(picture, canvas.strokes(granulomas, 1.0), 0.97)


def _look_alike(canvas: Canvas, picture: Field, spot: Spot) -> Field:
    """A calcified node, brighter than any lesion, or a band of collapsed lung."""
    rng = canvas.rng
    if rng.random() < 0.5:
        return over(picture, soft(canvas.blob(spot.row, spot.col, 0.5 * spot.radius_px, 1.2, 0.08)), rng.uniform(0.75, 0.95))
    heading = rng.uniform(0, np.pi)
    row, col = spot.row - spot.radius_px * np.sin(heading), spot.col - spot.radius_px * np.cos(heading)
    band = canvas.curve(row, col, heading, 2 * spot.radius_px, rng.uniform(-0.6, 0.6))
    return over(picture, 0.9 * canvas.strokes([band], 1.6), 0.45)


def _lesion(canvas: Canvas, picture: Field, spot: Spot, inside: Field) -> tuple[Field, Mask]:
    rng = canvas.rng
    if rng.random() < 0.35:  # consolidation or ground glass: ragged, cloudy, vessels still seen through it
        depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.7), rng.uniform(0.1, 0.2))
        depth += 0.6 * canvas.noise(3)
        cloud = rng.uniform(0.32, 0.44) + 0.035 * canvas.noise(3)
        return over(picture, soft(depth) * inside, np.maximum(cloud, picture * inside)), depth > 0
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.35), rng.uniform(0.03, 0.14))
    if rng.random() < 0.5:
        spikes = [canvas.curve(spot.row, spot.col, turn, 1.45 * spot.radius_px) for turn in rng.uniform(0, 2 * np.pi, 9)]
        picture = over(picture, 0.4 * canvas.strokes(spikes, 0.6) * inside, 0.5)
    tissue = rng.uniform(0.4, 0.52) + 0.025 * canvas.noise(3)
    return over(picture, soft(depth) * inside, tissue), depth > 0

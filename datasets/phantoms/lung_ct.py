"""Thorax CT, axial, lung window: body oval with ribs and spine, two dark lungs with vessels, mediastinum with heart and aorta.

Target: nodule, mass or consolidation in the lungs. Distractors: vessels cut across, calcified granulomas, dark bullae.
"""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, over, soft, union
from prsbench.datasets.phantoms.lesions import Spot, place

SHAPE = (160, 160)
AREAS = (0.006, 0.12)
TWO_SHARE = 0.35


def draw(canvas: Canvas) -> tuple[Field, Mask]:
    """(H, W) grey picture in [0, 1] and the mask of what is abnormal in the lungs."""
    body = canvas.ellipse(80, 80, canvas.rng.uniform(58, 64), canvas.rng.uniform(72, 77)) + 0.8 * canvas.noise(25)
    lung = _lung(canvas, body)
    picture = _lung_texture(canvas, _chest_wall(canvas, body), lung)
    inside = soft(lung, 0.7)
    mask = np.zeros(canvas.shape, bool)
    for spot in place(canvas, lung > 0, AREAS, TWO_SHARE):
        picture, lesion = _lesion(canvas, picture, spot, inside)
        mask |= lesion & (lung > 0)
    return picture + 0.016 * canvas.noise(0.9), mask


def _lung(canvas: Canvas, body: Field) -> Field:
    """Depth in px inside either lung: the chest's hollow less heart, mediastinum and spine."""
    rng = canvas.rng
    hollow = body - rng.uniform(13, 16)
    mediastinum = rng.uniform(8, 11) + 1.0 * canvas.noise(20) - np.abs(canvas.cols - 80)
    heart = canvas.ellipse(rng.uniform(66, 74), 80 + rng.uniform(8, 12), rng.uniform(17, 22), rng.uniform(19, 24), 0.5)
    spine = canvas.ellipse(122, 80, 17, 19)
    return np.minimum(hollow, -union(mediastinum, heart, spine)) + 0.6 * canvas.noise(9)


def _chest_wall(canvas: Canvas, body: Field) -> Field:
    rng = canvas.rng
    table = np.exp(-(((canvas.rows - 149 + 0.0016 * (canvas.cols - 80) ** 2) / 1.3) ** 2))
    picture = 0.02 + 0.2 * table
    picture = over(picture, soft(body), 0.34)
    picture = over(picture, soft(1.2 - np.abs(body - 1.0), 0.5), 0.5)
    picture = over(picture, soft(body - 6 + canvas.noise(10), 0.9), 0.55 + 0.02 * canvas.noise(4))
    bearing = np.arctan2(canvas.rows - 80, canvas.cols - 80)
    ribs = soft(2.6 - np.abs(body - 10.5), 0.6) * soft(np.cos(11 * bearing + rng.uniform(0, 6)) - 0.1, 0.12)
    picture = over(picture, ribs, 0.92)
    picture = over(picture, soft(canvas.ellipse(rng.uniform(60, 68), 90, 20, 24, 0.5), 1), 0.6)
    picture = over(picture, soft(canvas.ellipse(104, 91, 6, 6)), 0.72)  # aorta
    picture = over(picture, soft(canvas.ellipse(26, 80, 3.5, 8)), 0.9)  # sternum
    vertebra = union(canvas.ellipse(118, 80, 9, 11), canvas.ellipse(136, 80, 8, 3))
    picture = over(picture, soft(vertebra), 0.9 + 0.04 * canvas.noise(2))
    picture = over(picture, soft(canvas.ellipse(128, 80, 3.5, 4)), 0.5)  # spinal canal
    return over(picture, soft(canvas.ellipse(88, 80, 3.6, 3.2)), 0.03)  # trachea


def _lung_texture(canvas: Canvas, picture: Field, lung: Field) -> Field:
    rng, inside = canvas.rng, soft(lung, 0.7)
    picture = over(picture, inside, 0.1 + 0.02 * canvas.noise(12) + 0.012 * canvas.noise(1.5))
    trunks, twigs = [], []
    for side in (-1, 1):
        hilum = (84 + rng.uniform(-4, 4), 80 + 16 * side)
        for heading in np.linspace(-1.2, 1.2, 6) + rng.uniform(-0.15, 0.15, 6):
            outward = heading if side > 0 else np.pi - heading
            trunk = canvas.curve(*hilum, outward, rng.uniform(18, 40), rng.uniform(-0.6, 0.6))
            trunks.append(trunk)
            for at in rng.integers(len(trunk) // 3, len(trunk), 3):
                twigs.append(canvas.curve(*trunk[at], outward + rng.uniform(-1, 1), rng.uniform(8, 22), rng.uniform(-0.8, 0.8)))
    dots = [canvas.curve(row, col, 0.0, 1.0) for row, col in canvas.sprinkle(lung > 5, 14)]
    for paths, sigma_px, strength in ((trunks, 1.3, 0.75), (twigs, 0.75, 0.5), (dots, 1.1, 0.9)):
        picture = over(picture, strength * inside * canvas.strokes(paths, sigma_px), 0.55)
    for row, col in canvas.sprinkle(lung > 6, int(rng.integers(0, 3))):
        picture = over(picture, soft(canvas.blob(row, col, rng.uniform(3, 7), 1.2, 0.05)) * inside, 0.035)
    for row, col in canvas.sprinkle(lung > 4, int(rng.integers(0, 3))):
        picture = over(picture, soft(canvas.blob(row, col, rng.uniform(1.2, 1.8))) * inside, 0.97)
    return picture


def _lesion(canvas: Canvas, picture: Field, spot: Spot, inside: Field) -> tuple[Field, Mask]:
    rng = canvas.rng
    if rng.random() < 0.35:  # consolidation or ground glass: ragged, cloudy, vessels still seen through it
        depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.7), rng.uniform(0.08, 0.16))
        cloud = rng.uniform(0.36, 0.52) + 0.04 * canvas.noise(3)
        return over(picture, soft(depth, 1.0) * inside, np.maximum(cloud, picture * inside)), depth > 0
    depth = canvas.blob(spot.row, spot.col, spot.radius_px, rng.uniform(1, 1.35), rng.uniform(0.02, 0.1))
    spikes = [canvas.curve(spot.row, spot.col, turn, 1.45 * spot.radius_px) for turn in rng.uniform(0, 2 * np.pi, 9)]
    if rng.random() < 0.5:
        picture = over(picture, 0.4 * canvas.strokes(spikes, 0.6) * inside, 0.5)
    tissue = rng.uniform(0.5, 0.68) + 0.025 * canvas.noise(3)
    return over(picture, soft(depth) * inside, tissue), depth > 0

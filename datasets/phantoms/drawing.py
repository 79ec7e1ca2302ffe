"""Phantoms, the synthetic images: from (modality, seed, index) to a picture and its exact mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.phantoms import brain_mri, breast_us, lung_ct, lung_xray, polyp_endoscopy, skin_rgb
from prsbench.datasets.phantoms.canvas import Canvas
from prsbench.datasets.phantoms.difficulty import Difficulty, Harder
from prsbench.harness.contract.errors import unknown_name
from prsbench.harness.contract.modalities import MODALITIES

_MODULES = (brain_mri, breast_us, lung_ct, lung_xray, polyp_endoscopy, skin_rgb)
DRAWINGS = {module.__name__.rpartition(".")[2]: module for module in _MODULES}


@dataclass(frozen=True, slots=True)
class Phantom:
    """A synthetic picture: image (H, W, 3) uint8, mask (H, W) bool, the exact shape of the drawn lesions, never empty."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]


EASY = Difficulty()


def draw(modality: str, seed: int, index: int, two_share: float | None = None, difficulty: Difficulty = EASY) -> Phantom:
    """Draw one phantom; a pure function of its arguments.

    Args:
        modality: one of `contract.modalities`; fixes the picture's size.
        seed: non-negative seed of the data set.
        index: non-negative number of the picture within it; different pictures are independent.
        two_share: probability of two lesions; None: the modality's own.
        difficulty: what makes the picture harder; it does not change the mask.

    Raises:
        ConfigError: no modality has this name.
    """
    if modality not in DRAWINGS:
        raise unknown_name("modality", modality, DRAWINGS)
    drawing = DRAWINGS[modality]
    numbers = [seed, MODALITIES.index(modality), index]
    harder = Harder(lambda more: Canvas(drawing.SHAPE, np.random.default_rng([*numbers, 1, *more])), difficulty)
    picture, mask = drawing.draw(Canvas(drawing.SHAPE, np.random.default_rng(numbers), two_share), harder)
    picture = harder.finish(picture)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return Phantom(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), mask)

"""Input of the qualitative figure: images, masks and prediction maps, which the caller reads from the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pictures:
    """One sample to draw.

    image is (H, W, 3) uint8, truth (H, W) bool, probability by method (H, W) float32 in [0, 1], all at native size. The
    panel of a method without a map stays empty and says so.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    probability: Mapping[str, NDArray[np.float32]]


# (sample_id, dataset, methods) -> its pictures, or None if they are not available
PicturesOf = Callable[[str, str, Sequence[str]], Pictures | None]

"""The images that queries ask about, each once however many questions there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.types import Query


def asked_images(queries: Sequence[Query]) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """The distinct images (H, W, 3) in the order of first use, and each query's number among them; equal pixels are one image."""
    images: list[NDArray[np.uint8]] = []
    numbers: dict[tuple[tuple[int, ...], bytes], int] = {}
    rows = []
    for query in queries:
        number = numbers.setdefault((query.image.shape, query.image.tobytes()), len(images))
        if number == len(images):
            images.append(query.image)
        rows.append(number)
    return images, rows

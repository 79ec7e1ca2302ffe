"""The distinct images among queries, so that an image with several questions is encoded once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.types import Query


def asked_images(queries: Sequence[Query]) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """The distinct images (H, W, 3) in order of first use, and each query's index into them; images with equal pixels are one."""
    images: list[NDArray[np.uint8]] = []
    index_of: dict[tuple[tuple[int, ...], bytes], int] = {}
    indices = []
    for query in queries:
        index = index_of.setdefault((query.image.shape, query.image.tobytes()), len(images))
        if index == len(images):
            images.append(query.image)
        indices.append(index)
    return images, indices

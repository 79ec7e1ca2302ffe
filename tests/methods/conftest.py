"""Small samples for the methods' tests: a bright disc somewhere on noise, and sentences that name the place."""

import sys
from pathlib import Path

import numpy as np
import pytest
from prsbench.harness.contract.position import position_of, position_phrase, zone_of_centroid
from prsbench.harness.contract.types import DataKind, Query, Sample, Truth

sys.path.insert(0, str(Path(__file__).parent))  # for `cg_tiny` and `official_folders`


def disc_sample(number: int, split: str = "train", empty: bool = False) -> Sample:
    rng = np.random.default_rng(number)
    height, width = 40 + number % 3, 56
    image = rng.integers(0, 80, (height, width, 3), dtype=np.uint8)
    row, col, radius = rng.uniform(8, height - 8), rng.uniform(8, width - 8), rng.uniform(4, 8)
    rows, cols = np.mgrid[:height, :width]
    mask = ((rows - row) ** 2 + (cols - col) ** 2 < radius**2) & (not empty)
    image[mask] += 150
    position, near = position_of(mask, "skin_rgb")
    answer = "No lesion is visible." if empty else f"The lesion is at the {position_phrase(position, near)}."
    truth = Truth(mask, answer, position, near, zone_of_centroid(mask))
    query = Query(f"skin_rgb/{number}#0", image, "Where is the lesion?", "skin_rgb")
    return Sample(query, truth, str(number), split, DataKind.SYNTHETIC)


@pytest.fixture
def discs():
    """discs(n, start=0, empty=()) -> n samples."""
    return lambda n, start=0, empty=(): [disc_sample(i, empty=i in empty) for i in range(start, start + n)]


@pytest.fixture(scope="session")
def disc():
    """`disc_sample` itself, for fixtures of a wider scope."""
    return disc_sample

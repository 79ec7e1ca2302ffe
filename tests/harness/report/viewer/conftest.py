"""Pixels of hand-made cells: a disc on a gradient for each sample, and masks that are shifted discs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.types import DataKind, Query, Sample, Truth
from prsbench.harness.report.viewer.samples import Source

SIDE = 64


def disc(shift: float) -> np.ndarray:
    rows, cols = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - 20, cols - 24 - shift) < 9


def sample(modality: str, number: int) -> Sample:
    image = np.full((SIDE, SIDE, 3), 8 * number % 256, np.uint8)
    image[disc(number)] = 250
    query = Query(f"{modality}/{number:02d}", image, "Where is it?", modality)
    truth = Truth(disc(number), "It is in the top left.", ("top left",), False, "top left")
    return Sample(query, truth, f"patient {number}", "test", DataKind.SYNTHETIC)


def make_source(cells: list[CellResult], **changes: object) -> Source:
    def samples(dataset: str) -> list[Sample]:
        cell = next(cell for cell in cells if cell.dataset == dataset)
        return [sample(cell.modality, number) for number in range(cell.n_manifest)]

    def masks(cell: CellResult) -> Iterator[tuple[int, np.ndarray]]:
        return ((i, disc(i + 3)) for i, record in enumerate(cell.records) if record.status == "ok")

    return Source(**{"samples": samples, "masks": masks, **changes})


def read_data(folder: Path, name: str) -> object:
    """What a data file hands to the page."""
    text = (folder / "data" / f"{name}.js").read_text()
    assert text.startswith(f'put("{name}",') and text.endswith(")\n")
    return json.loads(text.removeprefix(f'put("{name}",')[:-2])


@pytest.fixture(scope="session")
def source() -> Callable[..., Source]:
    return make_source


@pytest.fixture(scope="session")
def data() -> Callable[[Path, str], object]:
    return read_data

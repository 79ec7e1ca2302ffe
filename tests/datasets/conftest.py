"""Tiny pictures and data roots."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prsbench.datasets.official_writer import Item, write_modality
from prsbench.datasets.questions import target_of
from prsbench.harness.contract.types import DataKind


def picture(seed: int, shape: tuple[int, int] = (6, 8)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def corner(shape: tuple[int, int] = (6, 8), rows: int = 2, cols: int = 3) -> np.ndarray:
    """A mask whose top left rows x cols pixels are foreground."""
    mask = np.zeros(shape, bool)
    mask[:rows, :cols] = True
    return mask


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.fixture
def pictures():
    """The three functions above, by name."""

    class Pictures:
        image, mask, file = staticmethod(picture), staticmethod(corner), staticmethod(save)

    return Pictures


def items(count: int, first_seed: int = 0) -> list[Item]:
    """Items of two images per group."""

    def load(seed: int):
        return lambda: (picture(seed), corner(rows=1 + seed % 6))

    return [Item(f"s{n:02d}", f"case{n // 2}", load(first_seed + n)) for n in range(count)]


@pytest.fixture
def make_items():
    return items


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A real brain_mri data set of 12 images in 6 groups, made by the writer."""
    write_modality(tmp_path / "root", "brain_mri", target_of("brain_mri"), "made", DataKind.REAL, items(12), seed=0)
    return tmp_path / "root"


@pytest.fixture
def edit_table():
    """edit_table(path, change) rewrites a table; change gets the list of rows and may alter it in place or return another."""

    def edit(path: Path, change) -> None:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        rows = change(rows) or rows
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return edit


@pytest.fixture
def tree_bytes():
    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    return read

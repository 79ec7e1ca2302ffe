"""A small official root in which faults are planted."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prsbench.datasets.check.check import Checked, check_root
from scipy import ndimage

FOLDER = "skin_rgbimage"
PLACES = {(0, 0): "top left", (0, 1): "top right", (1, 0): "bottom left", (1, 1): "bottom right"}


def scan(seed: int, shape: tuple[int, int] = (120, 150)) -> np.ndarray:
    """A picture with details at many scales."""
    rng = np.random.default_rng(seed)
    layers = [ndimage.gaussian_filter(rng.normal(size=(*shape, 3)), (s, s, 0)) * s for s in (1, 3, 8, 20)]
    image = np.sum(layers, axis=0)
    return (255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)


def lesion(place: tuple[int, int], shape: tuple[int, int] = (120, 150), size: int = 20) -> np.ndarray:
    mask = np.zeros(shape, bool)
    row, col = (8 if side == 0 else length - 8 - size for side, length in zip(place, shape, strict=True))
    mask[row : row + size, col : col + size + 3] = True
    return mask


@dataclass
class Planted:
    """Pictures of an official root by (split, stem); `check` writes and checks them."""

    root: Path
    pictures: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)

    def write(self) -> Path:
        lines = []
        for (split, stem), (image, mask) in self.pictures.items():
            for kind, pixels in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
                folder = self.root / FOLDER / f"{split}_{kind}"
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / f"{stem}.png")
            place = next((name for at, name in PLACES.items() if mask[lesion(at, mask.shape)].any()), "center")
            answer = self.answers.get(stem, f"The lesion is in position {place} and far from the center")
            lines.append([f"{FOLDER}/{split}_masks/{stem}.png", f"{stem}.png", split, "Where is it?", place, answer])
        with (self.root / f"{FOLDER}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["image_path", "image_name", "split", "question", "position", "answer"])
            writer.writerows(lines)
        return self.root

    def check(self) -> Checked:
        return check_root(self.write())


@pytest.fixture(name="scan")
def scan_function():
    return scan


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """Eight clean pictures: a to e in train, f in val, g and h in test."""
    made = Planted(tmp_path / "root")
    places = list(PLACES)
    for number, (split, stem) in enumerate(zip(["train"] * 5 + ["val"] + ["test"] * 2, "abcdefgh", strict=True)):
        made.pictures[split, stem] = scan(number), lesion(places[number % 4], size=16 + number)
    return made

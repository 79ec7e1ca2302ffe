"""BUSI (Al-Dhabyani et al. 2020): breast ultrasound of many sizes.

`Dataset_BUSI_with_GT/{benign,malignant,normal}/<name> (n).png` with `<name> (n)_mask.png`, and `_mask_1.png`, `_mask_2.png` for
further lesions; their union is the mask. Masks are 1-bit or RGB files. Normal scans are included; their masks are empty.
The archive names no patients, so the group is the case: the image's own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folder, paired, pictures_of, subfolder

CLASSES = ("benign", "malignant", "normal")


def find(root: Path) -> Iterator[Item]:
    """Every scan that has an image or a mask."""
    expected = "Dataset_BUSI_with_GT/{benign,malignant,normal}/<name> (n)_mask.png"
    folder = find_folder(root, expected, lambda f: any("_mask" in stem for name in CLASSES for stem in _scans(f, name)))
    for name in CLASSES:
        image_of: dict[str, Path] = {}
        masks_of: dict[str, list[Path]] = {}
        for file_stem, path in _scans(folder, name).items():
            stem, is_mask, _ = file_stem.partition("_mask")
            masks = masks_of.setdefault(stem, [])
            if is_mask:
                masks.append(path)
            else:
                image_of[stem] = path
        for stem, masks in masks_of.items():
            image = image_of.get(stem, subfolder(folder, name) / f"{stem}.png")
            yield paired(stem, stem, image, masks)


def _scans(folder: Path, name: str) -> dict[str, Path]:
    return pictures_of(subfolder(folder, name))

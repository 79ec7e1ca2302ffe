"""BUSI (Al-Dhabyani et al. 2020): breast ultrasound of many sizes.

`Dataset_BUSI_with_GT/{benign,malignant,normal}/<name> (n).png` with `<name> (n)_mask.png`, and `_mask_1.png`, `_mask_2.png` for
further lesions; their union is the mask. Masks are 1-bit or RGB files. Normal scans are included; their masks are empty.
The archive names no patients, so the group is the case: the image's own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folder, paired

CLASSES = ("benign", "malignant", "normal")


def find(root: Path) -> Iterator[Item]:
    """Every scan that has an image or a mask."""
    expected = "Dataset_BUSI_with_GT/{benign,malignant,normal}/<name> (n)_mask.png"
    folder = find_folder(root, expected, lambda f: any(any((f / name).glob("*_mask.png")) for name in CLASSES))
    masks_of: dict[Path, list[Path]] = {}
    for path in sorted(path for name in CLASSES for path in (folder / name).glob("*.png")):
        stem, is_mask, _ = path.stem.partition("_mask")
        masks = masks_of.setdefault(path.with_name(f"{stem}.png"), [])
        masks += [path] if is_mask else []
    for image, masks in masks_of.items():
        yield paired(image.stem, image.stem, image, masks)

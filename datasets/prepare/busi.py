"""BUSI (Al-Dhabyani et al. 2020): breast ultrasound of many sizes.

`Dataset_BUSI_with_GT/{benign,malignant,normal}/<name> (n).png` with `<name> (n)_mask.png`, and `_mask_1.png`, `_mask_2.png` where
there are more lesions: their union is the mask. Masks are 1-bit or RGB files. Normal scans have empty masks and are kept.
The archive names no patients, so the group is the case: the image's own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.layout import Item
from prsbench.datasets.prepare.archive import find_folder, paired

MODALITY = "breast_us"
CLASSES = ("benign", "malignant", "normal")


def find(root: Path) -> Iterator[Item]:
    """Every scan that has an image or a mask."""
    expected = "Dataset_BUSI_with_GT/{benign,malignant,normal}/<name> (n)_mask.png"
    folder = find_folder(root, expected, lambda f: any(list((f / name).glob("*_mask.png")) for name in CLASSES))
    files = [path for name in CLASSES for path in sorted((folder / name).glob("*.png"))]
    for image in dict.fromkeys(path.with_name(f"{path.stem.partition('_mask')[0]}.png") for path in files):
        masks = [path for path in files if path.parent == image.parent and path.stem.startswith(f"{image.stem}_mask")]
        yield paired(image.stem, image.stem, image, masks)

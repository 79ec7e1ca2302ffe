"""Shared by all archives: finding the documented folder, and loading an image with its mask files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.official_writer import Item
from prsbench.datasets.pictures import check_same_size, read_image, read_mask
from prsbench.harness.contract.errors import DataError

DEPTH = 3  # levels below the given folder; archives are often unpacked one or two levels deeper than documented


def find_folder(root: Path, expected: str, looks_right: Callable[[Path], bool]) -> Path:
    """The first folder for which looks_right is true: the given folder, then its subfolders, level by level.

    Args:
        expected: the documented layout in words, for the error.

    Raises:
        DataError: no such folder within three levels.
    """
    level = [Path(root)]
    if not level[0].is_dir():
        raise DataError(f"{root}: expected a folder, found none. Give the folder where the archive was unpacked.")
    for _ in range(DEPTH + 1):
        for folder in level:
            if looks_right(folder):
                return folder
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]
    raise DataError(
        f"{root}: expected {expected}, found nothing like it there or up to {DEPTH} folders below. "
        "Give the folder where the archive was unpacked."
    )


def paired(stem: str, group: str, image: Path, masks: Sequence[Path]) -> Item:
    """An item whose mask is the union of its mask files; missing files are reported when it is loaded."""
    return Item(stem, group, partial(_load, image, tuple(masks)))


def _load(image_path: Path, mask_paths: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    if not mask_paths:
        raise DataError(f"{image_path}: expected a mask, found none. Restore the mask, or remove the image.")
    image = read_image(image_path)
    masks = [read_mask(path) for path in mask_paths]
    for path, mask in zip(mask_paths, masks, strict=True):
        check_same_size(image_path, image, path, mask)
    return image, reduce(np.logical_or, masks)

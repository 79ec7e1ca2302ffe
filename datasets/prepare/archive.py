"""Shared by all archives: finding the documented folder and its pictures, pairing them with masks, and what was left out.

Hidden files (`._x.png` of macOS among them) and folders `__MACOSX` are never looked at. Suffixes count in any spelling. Stems are
compared and returned in Unicode's composed form (NFC), because macOS stores the decomposed one.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.official_writer import Item
from prsbench.datasets.pictures import IMAGE_SUFFIXES, check_same_size, read_image, read_mask
from prsbench.harness.contract.errors import DataError

ReadsMask = Callable[[Path], NDArray[np.bool_]]
SPLIT_NAME = re.compile(r"(?i)(?:^|[^a-z])(train|val|test)(?:ing|id|idation)?(?:[ _-]?(?:set|data|dataset))?(?:$|[^a-z])")
DEPTH = 3  # levels below the given folder; archives are often unpacked one or two levels deeper than documented


def find_folder(root: Path, expected: str, looks_right: Callable[[Path], bool]) -> Path:
    """The first of `find_folders`."""
    return next(find_folders(root, expected, looks_right))


def find_folders(root: Path, expected: str, looks_right: Callable[[Path], bool]) -> Iterator[Path]:
    """Every folder for which looks_right is true: the given folder, then its subfolders, level by level.

    Args:
        expected: the documented layout in words, for the error.

    Raises:
        DataError: no such folder within three levels.
    """
    level, found = [Path(root)], False
    if not level[0].is_dir():
        raise DataError(f"{root}: expected a folder, found none. Give the folder where the archive was unpacked.")
    for _ in range(DEPTH + 1):
        for folder in level:
            if looks_right(folder):
                found = True
                yield folder
        level = [child for folder in level for child in visible(folder) if child.is_dir()]
    if not found:
        raise DataError(
            f"{root}: expected {expected}, found nothing like it there or up to {DEPTH} folders below. "
            "Give the folder where the archive was unpacked."
        )


def visible(folder: Path) -> list[Path]:
    """The files and folders in a folder, sorted, without hidden ones and `__MACOSX`; none if there is no such folder."""
    if not folder.is_dir():
        return []
    try:
        return sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}). Correct its permissions.") from None


def subfolder(folder: Path, name: str) -> Path:
    """The folder of this name, in any spelling (`Benign` for `benign`); folder / name if there is none."""
    exact = folder / name
    others = (path for path in visible(folder) if path.name.casefold() == name.casefold() and path.is_dir())
    return exact if exact.is_dir() else next(others, exact)


def pictures_of(folder: Path) -> dict[str, Path]:
    """The pictures in a folder by stem, sorted by file name; {} if there is no such folder.

    Raises:
        DataError: two files of one stem, or a name that is not in UTF-8.
    """
    by_stem: dict[str, Path] = {}
    for path in visible(folder):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        check_name(path)
        stem = unicodedata.normalize("NFC", path.stem)
        if stem in by_stem:
            names = [by_stem[stem].name, path.name]  # names that look alike are shown by their codes
            one, other = names if all(map(str.isascii, names)) else map(ascii, names)
            raise DataError(f"{folder}: expected one file per stem, got {one} and {other}. Remove one.")
        by_stem[stem] = path
    return by_stem


def check_name(path: Path) -> None:
    """Raise DataError unless the file's name can be written as UTF-8."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{path.parent}: expected file names in UTF-8, got {os.fsencode(path.name)!r}. Rename the file, or unpack the "
            "archive again with the encoding of its names (unzip -O CP437)."
        ) from None


def paired(
    stem: str, group: str, image: Path, masks: Sequence[Path], split: str | None = None, read: ReadsMask = read_mask
) -> Item:
    """An item whose mask is the union of its mask files; missing files are reported when it is loaded."""
    return Item(stem, group, partial(_load, image, tuple(masks), read), split, (image, *masks))


def split_named(name: str) -> str | None:
    """The split that a folder's name says ("Training", "isic-val", "Test_Data"), or None."""
    match = SPLIT_NAME.search(name)
    return match[1].lower() if match else None


def left_out(root: Path, taken: Collection[Path], other: Path) -> list[Path]:
    """The files below root, or beside a taken one, that were not taken; sorted.

    `other`, the folder of the prepared data, may lie below root and is left alone.
    """
    files = [path for folder in {file.parent for file in taken} for path in visible(folder) if path.is_file()]
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not is_hidden(name) and not _is_same(Path(folder, name), other)]
        files += [Path(folder, name) for name in names if not is_hidden(name)]
    return sorted(set(files) - set(taken))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is never looked at."""
    return name.startswith(".") or name == "__MACOSX"


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _load(image_path: Path, mask_paths: Sequence[Path], read: ReadsMask) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    if not mask_paths:
        raise DataError(f"{image_path}: expected a mask, found none. Restore the mask, or remove the image.")
    image = read_image(image_path)
    masks = [read(path) for path in mask_paths]
    for path, mask in zip(mask_paths, masks, strict=True):
        check_same_size(image_path, image, path, mask)
    return image, reduce(np.logical_or, masks)

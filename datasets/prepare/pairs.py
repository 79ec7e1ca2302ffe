"""Any archive of `images/` and `masks/` with the same stems; the caller gives the modality and the target.

The group is the first group of a regular expression searched in the stem. Without one it is the stem minus a trailing slice or
frame token (`_z12`, `_slice3`, `-frame004`), so that slices of one volume stay together. Stems that are plain numbers name no
case: each is then a separate group, and neighbouring slices may leak between splits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.pictures import IMAGE_SUFFIXES
from prsbench.datasets.prepare.archive import find_folder, paired
from prsbench.harness.contract.errors import ConfigError, DataError

TRAILING_TOKEN = re.compile(r"(?i)[ _.-](z|slice|frame|img|s|f)[ _-]?\d+$")


def find(root: Path, group: str | None = None) -> Iterator[Item]:
    """Every stem that has an image or a mask.

    Args:
        group: regular expression whose first group names the case.
    """
    case_of = _case_rule(group)
    folder = find_folder(root, "images/ and masks/", lambda f: (f / "images").is_dir() and (f / "masks").is_dir())
    images, masks = _by_stem(folder / "images"), _by_stem(folder / "masks")
    for stem in sorted(images.keys() | masks.keys()):
        image = images.get(stem, folder / "images" / f"{stem}.png")
        yield paired(stem, case_of(stem), image, [masks[stem]] if stem in masks else [])


def _case_rule(group: str | None) -> Callable[[str], str]:
    if group is None:
        return lambda stem: TRAILING_TOKEN.sub("", stem)
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise ConfigError(f"Group '{group}': expected a regular expression, got '{error}'.") from error
    if pattern.groups < 1:
        raise ConfigError(f"Group '{group}': expected a regular expression with a group in parentheses that names the case.")

    def case(stem: str) -> str:
        match = pattern.search(stem)
        if not match or match[1] is None:
            raise DataError(f"'{stem}': expected a case by the group rule '{group}', found no match. Correct the rule.")
        return match[1]

    return case


def _by_stem(folder: Path) -> dict[str, Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    by_stem = {path.stem: path for path in files}
    if len(by_stem) < len(files):
        other = next(path for path in files if by_stem[path.stem] != path)
        raise DataError(f"{folder}: expected one file per stem, got {other.name} and {by_stem[other.stem].name}. Remove one.")
    return by_stem

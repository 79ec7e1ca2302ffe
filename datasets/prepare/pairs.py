"""Any archive of `images/` and `masks/` with the same stems; the caller gives the modality and the target.

A mask's stem may carry `_mask`, `_segmentation`, `_seg`, `_label`, `_gt` and the like. Several such folders named train, val and
test (or `images/train` beside `masks/train`) are taken with their splits.

The group is the first group of a regular expression searched in the stem. Without one it is the stem minus a trailing slice or
frame token (`_z12`, `_slice3`, `-frame004`), so that slices of one volume stay together. Stems that are plain numbers name no
case: each is then a separate group, and neighbouring slices may leak between splits.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folders, paired, pictures_of, subfolder, visible
from prsbench.harness.contract.errors import ConfigError, DataError

KINDS = ("images", "masks")
SPLIT_NAME = re.compile(r"(?i)(?:^|[^a-z])(train|val|test)(?:ing|id|idation)?(?:[ _-]?(?:set|data|dataset))?(?:$|[^a-z])")
MARKS_MASK = re.compile(
    r"(?i)[ _.-]+(masks?|segmentations?|seg|labels?|gt|ground[ _-]?truth|annotations?|lesion)$|^(masks?|seg|labels?|gt)[ _.-]+"
)
MARKS_IMAGE = re.compile(r"(?i)[ _.-]+(images?|img|original|orig)$|^(images?|img)[ _.-]+")
TRAILING_TOKEN = re.compile(r"(?i)[ _.-](z|slice|frame|img|s|f)[ _-]?\d+$")


def find(root: Path, group: str | None = None) -> Iterator[Item]:
    """Every stem that has an image or a mask.

    Args:
        group: regular expression whose first group names the case.

    Raises:
        DataError: two masks of one image; or several such folders that are not named train, val and test.
    """
    case_of = _case_rule(group)
    sets = list(_image_sets(root))
    splits = {name: _split_of(name) for name, _, _ in sets}
    if len(sets) == 1:
        splits = dict.fromkeys(splits)
    elif None in splits.values() or len(set(splits.values())) < len(sets):
        names = ", ".join(str(name) for name in splits)
        raise DataError(
            f"{root}: expected one pair of images/ and masks/, or one each for train, val and test, got {len(sets)}: {names}. "
            "Prepare each by itself, with --from and another --archive."
        )
    pairs = [(splits[name], *pair) for name, images, masks in sets for pair in _pairs(images, masks)]
    counts = Counter(stem for _, stem, _, _ in pairs)
    numbered = any(count > 1 for count in counts.values())  # each folder counts from 1, so that stems name no case
    for split, stem, image, masks in pairs:
        prefix = f"{split}-" if numbered and split else ""
        yield paired(prefix + stem, prefix + case_of(stem), image, masks, split)


def _image_sets(root: Path) -> Iterator[tuple[Path, Path, Path]]:
    """(folder that names the set, its images, its masks), of every images/ beside a masks/, or of their subfolders."""
    folders = find_folders(root, "images/ and masks/", lambda f: all(subfolder(f, kind).is_dir() for kind in KINDS))
    for folder in folders:
        images, masks = (subfolder(folder, kind) for kind in KINDS)
        inner = [path.name for path in visible(images) if path.is_dir() and (masks / path.name).is_dir()]
        if inner and not pictures_of(images):
            yield from ((images / name, images / name, masks / name) for name in inner)
        else:
            yield folder, images, masks


def _split_of(folder: Path) -> str | None:
    match = SPLIT_NAME.search(folder.name)
    return match[1].lower() if match else None


def _pairs(image_folder: Path, mask_folder: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """(stem, image, its mask or none) of every stem; a mask or an image alone has a file that does not exist, or no mask.

    A mask belongs to the image of its own stem, or to the only one of that stem without what marks a mask (`_segmentation`).
    """
    images, masks = pictures_of(image_folder), pictures_of(mask_folder)
    like: dict[str, list[str]] = defaultdict(list)
    for stem in images:
        for name in {stem.casefold(), MARKS_IMAGE.sub("", stem).casefold()}:
            like[name].append(stem)
    masks_of: dict[str, list[Path]] = {stem: [] for stem in images}
    for stem, path in masks.items():
        near = like[MARKS_MASK.sub("", stem).casefold()]
        masks_of.setdefault(stem if stem in images or len(near) != 1 else near[0], []).append(path)
    for stem, paths in sorted(masks_of.items()):
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise DataError(f"{mask_folder}: expected one mask of {images[stem].name}, got {names}. Remove one.")
        yield stem, images.get(stem, image_folder / f"{stem}.png"), paths


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

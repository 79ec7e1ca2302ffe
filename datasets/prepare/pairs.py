"""Any archive of `images/` and `masks/` with the same stems; the caller gives the modality and the target.

A mask's stem may carry `_mask`, `_segmentation`, `_seg`, `_label`, `_gt` and the like, or a suffix that the caller states.
Several such folders named train, val and test (or `images/train` beside `masks/train`) are taken with their splits. Where there
is no such folder, images and marked masks may lie in one.

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
from prsbench.datasets.pictures import Labels, read_mask
from prsbench.datasets.prepare.archive import find_folder, find_folders, paired, pictures_of, split_named, subfolder, visible
from prsbench.harness.contract.errors import ConfigError, DataError

KINDS = ("images", "masks")
MARKS_MASK = re.compile(
    r"(?i)[ _.-]+(masks?|msk|segmentations?|seg|labels?|gt|ground[ _-]?truth|annotations?|lesion)$"
    r"|^(masks?|msk|seg|labels?|gt)[ _.-]+"
)
MARKS_IMAGE = re.compile(r"(?i)[ _.-]+(images?|img|original|orig)$|^(images?|img)[ _.-]+")
TRAILING_TOKEN = re.compile(r"(?i)[ _.-](z|slice|frame|img|s|f)[ _-]?\d+$")


def find(root: Path, group: str | None = None, mask_suffix: str | None = None, labels: Labels | None = None) -> Iterator[Item]:
    """Every stem that has an image or a mask.

    Args:
        group: regular expression whose first group names the case.
        mask_suffix: what a mask's stem has after its image's, where it is none of the usual ones ("_m").
        labels: what the masks' values mean, where they are not black and one level or colour.

    Raises:
        DataError: two masks of one image; or several such folders that are not named train, val and test.
    """
    case_of = _case_rule(group)
    mark = mark_of_masks(mask_suffix)
    sets = list(_image_sets(root, mark))
    splits = {name: split_named(name.name) for name, _, _ in sets}
    if len(sets) == 1:
        splits = dict.fromkeys(splits)
    elif None in splits.values() or len(set(splits.values())) < len(sets):
        names = ", ".join(str(name) for name in splits)
        raise DataError(
            f"{root}: expected one pair of images/ and masks/, or one each for train, val and test, got {len(sets)}: {names}. "
            "Prepare each by itself, with --from and another --archive."
        )
    pairs = [(splits[name], *pair) for name, images, masks in sets for pair in _pairs(images, masks, mark)]
    counts = Counter(stem for _, stem, _, _ in pairs)
    numbered = any(count > 1 for count in counts.values())  # each folder counts from 1, so that stems name no case
    for split, stem, image, masks in pairs:
        prefix = f"{split}-" if numbered and split else ""
        yield paired(prefix + stem, prefix + case_of(stem), image, masks, split, labels.read if labels else read_mask)


def mark_of_masks(suffix: str | None) -> re.Pattern[str]:
    """What marks a mask in its stem: the stated suffix, or the usual ones."""
    return MARKS_MASK if suffix is None else re.compile(re.escape(suffix) + "$")


def _image_sets(root: Path, mark: re.Pattern[str]) -> Iterator[tuple[Path, Path, Path]]:
    """(folder that names the set, its images, its masks), of every images/ beside a masks/, or of their subfolders.

    Without any: one folder that holds both kinds, where masks are marked.
    """

    def has_both(folder: Path) -> bool:
        return all(subfolder(folder, kind).is_dir() for kind in KINDS)

    def has_marked(folder: Path) -> bool:
        stems = pictures_of(folder)
        return any(mark.search(stem) and mark.sub("", stem) in stems for stem in stems)

    expected = "images/ and masks/, or a folder with <name>.png and <name>_mask.png"
    try:
        folders = list(find_folders(root, expected, has_both))
    except DataError:
        only = find_folder(root, expected, has_marked)
        yield only, only, only
        return
    for folder in folders:
        images, masks = (subfolder(folder, kind) for kind in KINDS)
        inner = [path.name for path in visible(images) if path.is_dir() and (masks / path.name).is_dir()]
        if inner and not pictures_of(images):
            yield from ((images / name, images / name, masks / name) for name in inner)
        else:
            yield folder, images, masks


def _pairs(image_folder: Path, mask_folder: Path, mark: re.Pattern[str]) -> Iterator[tuple[str, Path, list[Path]]]:
    """(stem, image, its mask or none) of every stem; a mask or an image alone has a file that does not exist, or no mask.

    A mask belongs to the image of its own stem, or to the only one of that stem without what marks a mask (`_segmentation`).
    """
    images, masks = pictures_of(image_folder), pictures_of(mask_folder)
    if image_folder == mask_folder:
        masks = {stem: path for stem, path in masks.items() if mark.search(stem)}
        images = {stem: path for stem, path in images.items() if stem not in masks}
    like: dict[str, list[str]] = defaultdict(list)
    for stem in images:
        for name in {stem.casefold(), MARKS_IMAGE.sub("", stem).casefold()}:
            like[name].append(stem)
    masks_of: dict[str, list[Path]] = {stem: [] for stem in images}
    for stem, path in masks.items():
        near = like[mark.sub("", stem).casefold()]
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

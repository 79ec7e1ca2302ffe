"""Finds the pictures that a source's layout describes, however deep the archive was unpacked."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.official_writer import Item
from prsbench.datasets.pictures import IMAGE_SUFFIXES, Labels, read_mask
from prsbench.datasets.prepare.archive import check_name, is_hidden, paired, split_named
from prsbench.datasets.prepare.source import Layout, Source, shown
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import DataError

DEEPEST = 12  # folders below the given one that are looked into
_TOKEN = re.compile(r"<(?P<name>\w+)(?::(?P<regex>[^<>]+))?>|\{(?P<choices>[^}]*)\}")


def find(source: Source, root: Path) -> Iterator[Item]:
    """Every image or mask of the first layout that fits, sorted by split, case and stem.

    Raises:
        DataError: no image of any layout; or names that fit two pictures or none.
    """
    files = files_below(root)
    for layout in source.layouts:
        if items := list(_items(source, layout, root, files)):
            yield from items
            return
    expected = "; or ".join(map(str, source.layouts))
    raise DataError(
        f"{root}: expected {expected}, found nothing like it among {len(files)} files there and in its folders. Give the folder "
        "where the archive was unpacked, or its zip or tar."
    )


def files_below(root: Path) -> list[tuple[str, Path]]:
    """(path from root's own name on, file) of every file below root, sorted; hidden files and folders are left out.

    Raises:
        DataError: root is no folder, or a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}). Correct its permissions.") from None

    if not root.is_dir():
        raise DataError(f"{root}: expected a folder, found none. Give the folder where the archive was unpacked.")
    found, seen = [], set()
    for folder, subfolders, names in os.walk(root, onerror=refuse, followlinks=True):
        depth = len(Path(folder).relative_to(root).parts)
        real = os.path.realpath(folder)
        if depth > DEEPEST or real in seen:  # a link to a folder above would be walked for ever
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not is_hidden(name))
        found += [Path(folder, name) for name in sorted(names) if not is_hidden(name)]
    return [(f"{root.resolve().name}/{file.relative_to(root).as_posix()}", file) for file in found]


@dataclass
class _Pair:
    """The files of one item so far. Of each pattern, those of one place are taken: the highest, then the first by name."""

    image: tuple[tuple[int, str], Path, Mapping[str, str]] | None = None
    masks: dict[str, dict[tuple[int, str], dict[str, Path]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    named: Mapping[str, str] = field(default_factory=dict)  # what the names of the first mask are


def _items(source: Source, layout: Layout, root: Path, files: list[tuple[str, Path]]) -> Iterator[Item]:
    image_rule, *mask_rules = (pattern_of(text) for text in (layout.images, *layout.masks))
    shared = sorted(set(image_rule.groupindex).intersection(*(rule.groupindex for rule in mask_rules)))
    pairs: dict[tuple[str, ...], _Pair] = defaultdict(_Pair)
    for path, file in files:
        path = unicodedata.normalize("NFC", path)
        mask = next(((text, m) for text, rule in zip(layout.masks, mask_rules, strict=True) if (m := rule.search(path))), None)
        match = mask[1] if mask else image_rule.search(path)
        if match is None:
            continue
        check_name(file)
        pair = pairs[tuple(match[name].casefold() for name in shared)]
        anchor = path[: match.start()]
        place = (anchor.count("/"), anchor)
        if mask:
            twin = pair.masks[mask[0]][place].setdefault(path.removesuffix(file.suffix), file)
            pair.named = pair.named or match.groupdict()
        elif pair.image is None or place < pair.image[0]:
            twin, pair.image = file, (place, file, match.groupdict())
        else:
            twin = pair.image[1] if place == pair.image[0] else file
        if twin != file:
            raise DataError(f"{file}: expected one file for '{match['stem']}', got also {twin}. Remove one.")
    if not any(pair.image for pair in pairs.values()):
        return
    case_of = source.cases_in(root) if source.cases_in else None
    splits = {_split_of(pair) for pair in pairs.values()}
    for key in sorted(pairs):
        pair = pairs[key]
        masks = [path for text in layout.masks if pair.masks[text] for path in pair.masks[text][min(pair.masks[text])].values()]
        if not masks and not layout.every_image_has_a_mask:
            continue
        named = _names_of(pair)
        stem = named["stem"]
        case = case_of(stem) if case_of else named.get("case", stem)
        split = source.split or (_split_of(pair) if len(splits) > 1 else None)
        missing = [text for text in layout.masks if not pair.masks[text]]
        if pair.image is None:
            yield Item(stem, case, partial(_refuse, f"{masks[0]}: expected its image, as in {shown(layout.images)}"), split)
        elif missing:
            yield Item(stem, case, partial(_refuse, f"{pair.image[1]}: expected a mask, as in {shown(missing[0])}"), split)
        else:
            yield _loaded(layout, stem, case, pair.image[1], masks, split)


def _loaded(layout: Layout, stem: str, case: str, image: Path, masks: list[Path], split: str | None) -> Item:
    if layout.load is not None:
        return Item(stem, case, partial(resolve(layout.load), image, masks), split, (image, *masks))
    read: Callable[[Path], NDArray[np.bool_]] = read_mask
    if layout.foreground:
        read = Labels(layout.foreground, layout.ignore).read
    return paired(stem, case, image, masks, split, read)


def _split_of(pair: _Pair) -> str | None:
    named = _names_of(pair)
    return split_named(named["split"]) if "split" in named else None


def _names_of(pair: _Pair) -> Mapping[str, str]:
    return pair.image[2] if pair.image else pair.named


def _refuse(problem: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    raise DataError(f"{problem}, found none. Restore it, or remove the other one.")


def pattern_of(text: str) -> re.Pattern[str]:
    """The regular expression of a layout's pattern (see `Layout`)."""
    suffix = Path(text).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        text = text[: -len(suffix)]
    parts, end, names = [], 0, set()
    for token in _TOKEN.finditer(text):
        parts.append(re.escape(text[end : token.start()]))
        end = token.end()
        if token["choices"] is not None:
            parts.append(f"(?:{'|'.join(map(re.escape, token['choices'].split(',')))})")
        elif token["name"] in names:
            parts.append(f"(?P={token['name']})")
        else:
            names.add(token["name"])
            parts.append(f"(?P<{token['name']}>{token['regex'] or '[^/]+?'})")
    parts.append(re.escape(text[end:]))
    if suffix in IMAGE_SUFFIXES:
        parts.append(f"(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})")
    return re.compile(f"(?i:(?:^|(?<=/)){''.join(parts)}$)")

"""Writer of the official PRS-Med folder layout: adds an archive to one modality, and a card that describes the folder.

<root>/prsbench.json                      the card: synthetic or real, archives, counts
<root>/<folder>.csv                       one row per question; image_path is the MASK's path, as in the official tables
<root>/<folder>/{train,val,test}_images/  <archive>_<stem>.png, RGB
<root>/<folder>/{train,val,test}_masks/   the same names, values 0 and 255
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.card import CARD, SCHEMA, joinable_card
from prsbench.datasets.pictures import write_png
from prsbench.datasets.questions import Target, render_answer, render_points_answer, render_question
from prsbench.datasets.splits import SPLITS, split_by_group
from prsbench.harness.contract.errors import ConfigError, DataError, refuse
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.modalities import BY_NAME
from prsbench.harness.contract.position import NO_MASK, points_phrase, position_of, zone_of_centroid
from prsbench.harness.contract.types import DataKind

OFFICIAL_COLUMNS = ("image_path", "image_name", "split", "question", "position", "answer")
COLUMNS = (*OFFICIAL_COLUMNS, "group", "near_centre", "position_of_centroid", "empty", "archive")
QUESTIONS_PER_IMAGE = {"train": 3, "val": 3, "test": 1}

Row = dict[str, str]
Answers = Literal["zones", "points"]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of an archive.

    group is the patient, video or case. load() returns the image (H, W, 3) uint8 and the mask (H, W) bool, or raises DataError.
    split is set where the archive fixes it; with None, `split_by_group` chooses it.
    """

    stem: str
    group: str
    load: Callable[[], tuple[NDArray[np.uint8], NDArray[np.bool_]]]
    split: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenCounts:
    """Counts of what was written; images_per_split has all three splits."""

    images: int
    empty_masks: int
    groups: int
    images_per_split: Mapping[str, int]


def write_modality(
    root: Path,
    modality: str,
    target: Target,
    archive: str,
    data_kind: DataKind,
    items: Iterable[Item],
    seed: int,
    answers: Answers = "zones",
) -> WrittenCounts:
    """Add an archive to a modality of the root, or replace what a previous call wrote for that archive.

    answers: whether they name the official label or the lesions' points.

    The same call gives the same bytes. Pictures are written to a hidden folder first: after a fault in any of them, or a crash,
    the existing data set is still readable.

    Raises:
        ConfigError: the archive's name cannot start a file name.
        DataError: faults in the archive (all of them, first 20 shown), or a root to which the archive cannot be added.
    """
    _check_archive_name(archive)
    card = joinable_card(root, BY_NAME[modality].official_folder, target.noun, data_kind)
    old_rows = _read_rows(root, modality)
    other_rows = [row for row in old_rows if row["archive"] != archive]
    items = list(items)
    _check_names(archive, items)
    staging = root / f".{archive}.{modality}.partial"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        rows = _stage(staging, modality, target, archive, items, seed, answers)
        _publish(root, staging, modality, sorted(other_rows + rows, key=_row_order), card, data_kind, target)
        _remove(root, {row["image_path"] for row in old_rows} - {row["image_path"] for row in other_rows + rows})
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _written(rows)


def written_in(root: Path, modality: str) -> WrittenCounts:
    """Counts of what a root holds of a modality, over all archives."""
    return _written(_read_rows(root, modality))


def _stage(
    staging: Path, modality: str, target: Target, archive: str, items: Sequence[Item], seed: int, answers: Answers
) -> list[Row]:
    """Write every picture below `staging` and return the rows; raise one DataError if any item is faulty."""
    splits = _splits(archive, items, seed)
    for split in SPLITS:
        for kind in ("images", "masks"):
            (staging / f"{split}_{kind}").mkdir(parents=True, exist_ok=True)
    rows, problems = [], []
    for item in items:
        try:
            image, mask = item.load()
        except DataError as error:
            problems.append(str(error))
            continue
        split = item.split or splits[item.group]
        name = _file_name(archive, item)
        write_png(staging / f"{split}_images" / name, image)
        write_png(staging / f"{split}_masks" / name, mask)
        rows += _rows(modality, target, archive, item, split, mask, seed, answers)
    refuse(f"Archive '{archive}'", problems)
    return rows


def _rows(
    modality: str, target: Target, archive: str, item: Item, split: str, mask: NDArray[np.bool_], seed: int, answers: Answers
) -> list[Row]:
    position, near_centre = position_of(mask, modality)
    name = _file_name(archive, item)
    rng = np.random.default_rng(list(sha256(f"{seed}/{modality}/{name}".encode()).digest()))

    def answer() -> str:
        if answers == "points" and mask.any():
            return render_points_answer(target, points_phrase(mask), split, rng)
        return render_answer(target, position, near_centre, split, rng)

    return [
        {
            "image_path": f"{BY_NAME[modality].official_folder}/{split}_masks/{name}",
            "image_name": name,
            "split": split,
            "question": render_question(target, split, rng),
            "position": " and ".join(position),
            "answer": answer(),
            "group": f"{archive}/{item.group}",
            "near_centre": str(near_centre),
            "position_of_centroid": zone_of_centroid(mask),
            "empty": str(position == (NO_MASK,)),
            "archive": archive,
        }
        for _ in range(QUESTIONS_PER_IMAGE[split])
    ]


def _splits(archive: str, items: Sequence[Item], seed: int) -> dict[str, str]:
    groups = [item.group for item in items if item.split is None]
    if not groups:
        return {}
    try:
        return split_by_group(groups, seed)
    except DataError as error:
        raise DataError(f"Archive '{archive}': {error}") from error


def _publish(
    root: Path, staging: Path, modality: str, rows: Sequence[Row], card: dict[str, Any], data_kind: DataKind, target: Target
) -> None:
    """Move the pictures, then write the card, then the table, so that every file the table names exists."""
    for source in sorted(staging.rglob("*.png")):
        destination = root / BY_NAME[modality].official_folder / source.relative_to(staging)
        destination.parent.mkdir(parents=True, exist_ok=True)
        source.replace(destination)
    modalities = {**card.get("modalities", {}), BY_NAME[modality].official_folder: _card_entry(rows, target)}
    card = {"made_by": "prsbench", "schema": SCHEMA, "data_kind": str(data_kind), "modalities": modalities}
    write_atomically(root / CARD, json.dumps(card, indent=2, sort_keys=True).encode() + b"\n")
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(_table(root, modality), table.getvalue().encode())


def _remove(root: Path, mask_paths: Iterable[str]) -> None:
    """Delete the pictures of rows that are no longer in the table."""
    for mask_path in mask_paths:
        (root / mask_path).unlink(missing_ok=True)
        (root / mask_path.replace("_masks/", "_images/", 1)).unlink(missing_ok=True)


def _card_entry(rows: Sequence[Row], target: Target) -> dict[str, Any]:
    return {"archives": sorted({row["archive"] for row in rows}), "target": target.noun, **asdict(_written(rows))}


def _written(rows: Sequence[Row]) -> WrittenCounts:
    images = {row["image_path"]: row for row in rows}.values()
    per_split = Counter(row["split"] for row in images)
    return WrittenCounts(
        images=len(images),
        empty_masks=sum(row["empty"] == "True" for row in images),
        groups=len({row["group"] for row in images}),
        images_per_split={split: per_split[split] for split in SPLITS},
    )


def _check_archive_name(archive: str) -> None:
    # Without "_", <archive>_<stem> is unambiguous.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", archive):
        raise ConfigError(
            f"'{archive}' cannot name an archive: the name starts file names and may hold only letters, digits, '-' and '.', "
            "beginning with a letter or digit. Change --archive."
        )


def _check_names(archive: str, items: Sequence[Item]) -> None:
    names = Counter(_file_name(archive, item) for item in items)
    if not items:
        raise DataError(f"Archive '{archive}': expected pictures, found none. Check the given folder.")
    refuse(
        f"Archive '{archive}'",
        [f"'{name}' names {count} pictures, expected one. Rename them." for name, count in names.items() if count > 1],
    )


def _file_name(archive: str, item: Item) -> str:
    # The official loader removes "_Segmentation" from a mask's name to find its image, so our names must not contain it.
    return f"{archive}_{item.stem.replace('_Segmentation', '')}.png"


def _table(root: Path, modality: str) -> Path:
    return root / f"{BY_NAME[modality].official_folder}.csv"


def _read_rows(root: Path, modality: str) -> list[Row]:
    path = _table(root, modality)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _row_order(row: Row) -> tuple[str, int, str]:
    return row["archive"], SPLITS.index(row["split"]), row["image_name"]

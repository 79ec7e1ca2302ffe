"""Writer of the official PRS-Med folder layout: adds an archive to one modality, and a card that describes the folder.

<root>/prsbench.json                      the card: synthetic or real, archives, counts
<root>/<folder>.csv                       one row per question; image_path is the MASK's path, as in the official tables
<root>/<folder>/{train,val,test}_images/  <archive>_<stem>.png, RGB
<root>/<folder>/{train,val,test}_masks/   the same names, values 0 and 255
<root>/.prsbench.lock                     held by the one process that writes here; the lock ends with the process
"""

from __future__ import annotations

import csv
import fcntl
import filecmp
import io
import json
import re
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import nan
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.card import CARD, SCHEMA, joinable_card
from prsbench.datasets.family_wording import check_noun, render
from prsbench.datasets.mask_facts import Values, check_sides, values_of
from prsbench.datasets.pictures import pixel_hash, write_png
from prsbench.datasets.processes import chunks, in_order
from prsbench.datasets.questions import Target, render_answer, render_points_answer, render_question
from prsbench.datasets.splits import SPLITS, joined_groups, split_by_group
from prsbench.harness.contract.errors import ConfigError, DataError, refuse
from prsbench.harness.contract.families import OFFICIAL, check_families
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.modalities import BY_NAME
from prsbench.harness.contract.position import NO_MASK, points_phrase, position_of, zone_of_centroid
from prsbench.harness.contract.types import DataKind

OFFICIAL_COLUMNS = ("image_path", "image_name", "split", "question", "position", "answer")
COLUMNS = (*OFFICIAL_COLUMNS, "group", "near_centre", "position_of_centroid", "empty", "archive")
FAMILY = "family"  # a column of tables with other families of questions than the official one
QUESTIONS_PER_IMAGE = {"train": 3, "val": 3, "test": 1}

LOCK = ".prsbench.lock"
_TOGETHER = 8  # pictures of one task

Row = dict[str, str]
Answers = Literal["zones", "points"]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of an archive.

    group is the patient, video or case. load() returns the image (H, W, 3) uint8 and the mask (H, W) bool, or raises DataError.
    split is set where the archive fixes it; with None, `split_by_group` chooses it. files are those that load() reads.
    spacing_mm is the height and width of a pixel, where the archive says it.
    """

    stem: str
    group: str
    load: Callable[[], tuple[NDArray[np.uint8], NDArray[np.bool_]]]
    split: str | None = None
    files: tuple[Path, ...] = ()
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class WrittenCounts:
    """Counts of what was written; images_per_split has all three splits."""

    images: int
    empty_masks: int
    groups: int
    images_per_split: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ArchiveCounts(WrittenCounts):
    """Counts of one archive, and what may be wrong with its pictures.

    median_foreground: share of the picture, over masks that are not empty; NaN if all are. large_masks: names of those above one
    half. equal_pictures: how many show, pixel by pixel, what an earlier one of the archive shows; shared_pictures: how many
    distinct ones are in more than one split; not_asked: how many are left out, as none of the families can be asked of them.
    """

    median_foreground: float
    large_masks: tuple[str, ...]
    equal_pictures: int
    shared_pictures: int
    not_asked: int


@dataclass(frozen=True, slots=True)
class _Staged:
    """What is kept of one item after its pictures were written: what its rows say."""

    item: Item
    pixels: str | None
    foreground: float
    position: tuple[str, ...]
    near_centre: bool
    zone: str
    points: str | None
    values: Mapping[str, Values]  # by family but the official one


def write_modality(
    root: Path,
    modality: str,
    target: Target,
    archive: str,
    data_kind: DataKind,
    items: Iterable[Item],
    seed: int,
    answers: Answers = "zones",
    families: Sequence[str] = (OFFICIAL,),
    processes: int = 1,
) -> ArchiveCounts:
    """Add an archive to a modality of the root, or replace what a previous call wrote for that archive.

    answers: whether they name the official label or the lesions' points. families: the kinds of questions (`contract.families`).
    The official one alone is asked several times of a training image; of several, each is asked once of every image of which it
    can be asked, and the table has a column `family`. processes: how many load and write pictures; with more than one (-1: one
    per core), each item's load() must be picklable.

    The same call gives the same bytes. Groups that share a picture, pixel by pixel, are joined before the split, unless the
    archive fixes it. One process at a time writes to a root; another waits.

    Pictures are written to a hidden folder first: after a fault in any of them the existing data set is as it was. After a crash
    it is, too, or, if pictures were being replaced by others, it is refused until the archive is prepared again.

    Raises:
        ConfigError: the archive's name cannot start a file name, or a family cannot be asked of this modality.
        DataError: faults in the archive (all of them, first 20 shown), or a root to which the archive cannot be added.
        OSError: the root cannot be written.
    """
    _check_archive_name(archive)
    check_families(families)
    if tuple(families) != (OFFICIAL,):
        check_sides(families, modality)
        check_noun(target)
    items = list(items)
    _check_names(archive, items)
    folder = BY_NAME[modality].official_folder
    with _only_writer(root):
        card = joinable_card(root, folder, target.noun, data_kind, archive)
        old_rows = _read_rows(root, modality)
        other_rows = [row for row in old_rows if row["archive"] != archive]
        staging = root / f".{archive}.{modality}.partial"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            staged, rows = _stage(staging, modality, target, archive, items, seed, answers, families, processes)
            _keep_added_columns(rows, old_rows)
            rows_now = sorted(other_rows + rows, key=_row_order)
            _publish(root, staging, modality, archive, rows_now, card, data_kind, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return _counts_of(archive, staged, rows)


@contextmanager
def _only_writer(root: Path) -> Iterator[None]:
    """Hold the lock of a root, which is made if it does not exist; wait while another process holds it."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{root}: another process is writing here. Waiting for it ...", file=sys.stderr, flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def written_in(root: Path, modality: str) -> WrittenCounts:
    """Counts of what a root holds of a modality, over all archives."""
    return _written(_read_rows(root, modality))


def _stage(
    staging: Path, modality: str, target: Target, archive: str, items: Sequence[Item], seed: int, answers: Answers,
    families: Sequence[str], processes: int,
) -> tuple[list[_Staged], list[Row]]:  # fmt: skip
    """Write every picture below `staging`; what was written, and its rows. One DataError if any item is faulty."""
    for kind in ("images", "masks"):
        (staging / kind).mkdir(parents=True)
    tasks = ((chunk, staging, modality, archive, answers, families) for chunk in chunks(items, _TOGETHER))
    found = [one for some in in_order(_write_pictures, tasks, processes) for one in some]
    refuse(f"Archive '{archive}'", [problem for problem in found if isinstance(problem, str)])
    staged = [one for one in found if isinstance(one, _Staged)]
    rows = []
    for one, (group, split) in zip(staged, _groups_and_splits(archive, staged, seed), strict=True):
        for kind in ("images", "masks"):
            (staging / f"{split}_{kind}").mkdir(exist_ok=True)
            name = _file_name(archive, one.item)
            (staging / kind / name).replace(staging / f"{split}_{kind}" / name)
        rows += _rows(modality, target, archive, one, group, split, seed, families)
    if not rows:
        asked = " and ".join(families)
        raise DataError(f"Archive '{archive}': of none of its pictures {asked} can be asked. Name more families in --families.")
    return staged, rows


def _write_pictures(
    items: Sequence[Item], staging: Path, modality: str, archive: str, answers: Answers, families: Sequence[str]
) -> list[_Staged | str]:
    """Of each item what is kept of it, or why it is faulty."""
    found: list[_Staged | str] = []
    for item in items:
        try:
            image, mask = item.load()
        except DataError as error:
            found.append(str(error))
            continue
        name = _file_name(archive, item)
        write_png(staging / "images" / name, image)
        write_png(staging / "masks" / name, mask)
        points = points_phrase(mask) if answers == "points" and mask.any() else None
        position, near_centre = position_of(mask, modality)
        values = values_of(mask, families) if tuple(families) != (OFFICIAL,) else {}
        facts = (pixel_hash(image), float(mask.mean()), position, near_centre, zone_of_centroid(mask), points, values)
        found.append(_Staged(item, *facts))
    return found


def _rows(
    modality: str, target: Target, archive: str, staged: _Staged, group: str, split: str, seed: int, families: Sequence[str]
) -> list[Row]:
    name = _file_name(archive, staged.item)
    facts = {
        "position": " and ".join(staged.position),
        "group": f"{archive}/{group}",
        "near_centre": str(staged.near_centre),
        "position_of_centroid": staged.zone,
        "empty": str(staged.position == (NO_MASK,)),
        "archive": archive,
        **({"spacing_mm": "{} {}".format(*staged.item.spacing_mm)} if staged.item.spacing_mm else {}),
    }
    path = f"{BY_NAME[modality].official_folder}/{split}_masks/{name}"
    return [
        {"image_path": path, "image_name": name, "split": split, "question": question, "answer": answer, **facts, **family}
        for question, answer, family in _asked(target, staged, split, f"{seed}/{modality}/{name}", families)
    ]


def _asked(
    target: Target, staged: _Staged, split: str, seed: str, families: Sequence[str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Questions and answers about one item, with their family if the table is to name it."""

    def official(rng: np.random.Generator) -> tuple[str, str]:
        question = render_question(target, split, rng)
        if staged.points is not None:
            return question, render_points_answer(target, staged.points, split, rng)
        return question, render_answer(target, staged.position, staged.near_centre, split, rng)

    if tuple(families) == (OFFICIAL,):
        rng = _rng(seed)
        yield from ((*official(rng), {}) for _ in range(QUESTIONS_PER_IMAGE[split]))
        return
    for family in families:
        rng = _rng(f"{seed}/{family}")  # so that further families change no sentence of this one
        if family == OFFICIAL:
            yield *official(rng), {FAMILY: family}
        elif family in staged.values:
            yield *render(family, target, staged.values[family], split, rng), {FAMILY: family}


def _rng(seed: str) -> np.random.Generator:
    return np.random.default_rng(list(sha256(seed.encode()).digest()))


def _groups_and_splits(archive: str, staged: Sequence[_Staged], seed: int) -> list[tuple[str, str]]:
    """The group and the split of each item, in order. Pictures whose split the archive fixes keep their groups."""
    groups = [one.item.group for one in staged]
    free = [number for number, one in enumerate(staged) if one.item.split is None]
    joined = joined_groups([groups[number] for number in free], [staged[number].pixels for number in free])
    if len(set(joined)) > 1:  # else nothing could be split
        for number, group in zip(free, joined, strict=True):
            groups[number] = group
    try:
        chosen = split_by_group([groups[number] for number in free], seed) if free else {}
    except DataError as error:
        raise DataError(f"Archive '{archive}': {error}") from error
    splits = [one.item.split or chosen[group] for one, group in zip(staged, groups, strict=True)]
    advice = "a leak. Put it into one split, or correct the rule that names cases."
    leaks = [f"case '{group}' is in {' and '.join(sorted(found))}, {advice}" for group, found in _shared(groups, splits).items()]
    refuse(f"Archive '{archive}'", leaks)
    return list(zip(groups, splits, strict=True))


def _shared(names: Sequence[str | None], splits: Sequence[str]) -> dict[str, set[str]]:
    """The splits of each name that is in more than one; None is no name."""
    splits_of: dict[str, set[str]] = defaultdict(set)
    for name, split in zip(names, splits, strict=True):
        if name is not None:
            splits_of[name].add(split)
    return {name: found for name, found in splits_of.items() if len(found) > 1}


def _keep_added_columns(rows: Sequence[Row], old_rows: Sequence[Row]) -> None:
    """Carry over what a user added to the table, such as spacing_mm, to the rows of the same pictures."""
    added = {row["image_name"]: {key: row[key] for key in row if key not in (*COLUMNS, FAMILY)} for row in old_rows}
    for row in rows:
        row.update({key: text for key, text in added.get(row["image_name"], {}).items() if key not in row})


def _publish(
    root: Path, staging: Path, modality: str, archive: str, rows: Sequence[Row], card: dict[str, Any], data_kind: DataKind,
    target: Target,
) -> None:  # fmt: skip
    """Write the card, move the pictures, write the table, delete pictures of the archive that it does not name.

    While pictures with other pixels replace old ones, the card says so: the table must not be read with a part of them.
    """
    folder = BY_NAME[modality].official_folder
    moves = {source: root / folder / source.relative_to(staging) for source in sorted(staging.rglob("*.png"))}
    changes = any(new.exists() and not filecmp.cmp(source, new, shallow=False) for source, new in moves.items())
    modalities = {**card.get("modalities", {}), folder: _card_entry(rows, target)}
    card = {"made_by": "prsbench", "schema": SCHEMA, "data_kind": str(data_kind), "modalities": modalities}
    _write_card(root, {**card, "interrupted": [archive, folder]} if changes else card)
    for source, new in moves.items():
        new.parent.mkdir(parents=True, exist_ok=True)
        source.replace(new)
    table = io.StringIO()
    writer = csv.DictWriter(table, dict.fromkeys((*COLUMNS, *(key for row in rows for key in row))), "", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(_table(root, modality), table.getvalue().encode())
    _remove_others(root / folder, archive, {row["image_name"]: row["split"] for row in rows})
    if changes:
        _write_card(root, card)


def _write_card(root: Path, card: Mapping[str, Any]) -> None:
    write_atomically(root / CARD, json.dumps(card, indent=2, sort_keys=True).encode() + b"\n")


def _remove_others(folder: Path, archive: str, split_of: Mapping[str, str]) -> None:
    """Delete the archive's pictures that are not in the table, such as those of an earlier or an interrupted call."""
    for path in folder.glob(f"*_*/{archive}_*.png"):
        if path.parent.name.rpartition("_")[0] != split_of.get(path.name):
            path.unlink()


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


def _counts_of(archive: str, staged: Sequence[_Staged], rows: Sequence[Row]) -> ArchiveCounts:
    split_of = {row["image_name"]: row["split"] for row in rows}
    written = {name: one for one in staged if (name := _file_name(archive, one.item)) in split_of}
    shares = [one.foreground for one in written.values() if one.foreground]
    hashes = [one.pixels for one in written.values() if one.pixels]
    splits = [split_of[name] for name in written]
    return ArchiveCounts(
        **asdict(_written(rows)),
        median_foreground=float(np.median(shares)) if shares else nan,
        large_masks=tuple(name for name, one in written.items() if one.foreground > 0.5),
        equal_pictures=len(hashes) - len(set(hashes)),
        shared_pictures=len(_shared([one.pixels for one in written.values()], splits)),
        not_asked=len(staged) - len(written),
    )


def _check_archive_name(archive: str) -> None:
    # Without "_", <archive>_<stem> is unambiguous.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", archive):
        raise ConfigError(
            f"'{archive}' cannot name an archive: the name starts file names and may hold only letters, digits, '-' and '.', "
            "beginning with a letter or digit. Change --archive."
        )


def _check_names(archive: str, items: Sequence[Item]) -> None:
    stems: dict[str, list[str]] = defaultdict(list)
    for item in items:
        stems[_file_name(archive, item)].append(item.stem)
    if not items:
        raise DataError(f"Archive '{archive}': expected pictures, found none. Check the given folder.")
    refuse(
        f"Archive '{archive}'",
        [
            f"'{name}' names {len(found)} pictures ({', '.join(found)}), expected one. Rename them."
            for name, found in stems.items()
            if len(found) > 1
        ],
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
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing, rows = set(COLUMNS) - set(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a table of `prsbench prepare`, got '{error}'. Choose another folder.") from error
    if missing or any(None in row or None in row.values() for row in rows):
        raise DataError(
            f"{path}: expected a table of `prsbench prepare` with the columns {', '.join(COLUMNS)}, got another. "
            "Choose another folder, or restore the table."
        )
    return rows


def _row_order(row: Row) -> tuple[str, int, str]:
    return row["archive"], SPLITS.index(row["split"]), row["image_name"]

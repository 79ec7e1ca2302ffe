"""The table of saved predictions. Torch-free.

A folder holds `answers.csv` and `masks/`; without a column `mask`, a sample's mask is the file in masks/ that is called as the
image that `prsbench queries` writes for it. A CSV of any other name has a column `mask` with paths, relative to the CSV's folder.

Columns: `sample_id`, or `image` (a file name that `prsbench queries` wrote); `answer`, blank for no sentence; `mask`; `seconds`,
for every line or for none. The other columns of questions.csv may stay.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path, PurePosixPath

from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.files import safe_stem

ANSWERS, MASKS = "answers.csv", "masks"
SUFFIXES = (".png", ".npy", ".nii", ".nii.gz")
_OF_QUERIES = ("question", "modality", "box_left", "box_top", "box_right", "box_bottom", "point_x", "point_y")
COLUMNS = ("sample_id", "image", "answer", "mask", "seconds")


@dataclass(frozen=True, slots=True)
class Line:
    """One saved prediction. mask is None where a CSV's cell is blank, and may be missing; seconds is None if no line has any."""

    where: str  # file and line, for errors
    answer: str
    mask: Path | None
    seconds: float | None


def table_of(place: Path) -> Path:
    """The CSV that a folder of predictions holds, or the given CSV."""
    return place if place.suffix.lower() == ".csv" and not place.is_dir() else place / ANSWERS


def read_table(place: Path) -> Mapping[str, Line]:
    """The lines by the stem of the sample's image (`safe_stem` of its id). The masks need not exist.

    Raises:
        ConfigError: a column is missing or unknown, a sample is listed twice, or a line has too many cells or wrong seconds.
    """
    table = table_of(place)
    found, masks = table.stat(), place / MASKS
    return _read(place, table, found.st_mtime_ns, found.st_size, masks.stat().st_mtime_ns if masks.is_dir() else 0)


def missing_and_surplus(lines: Mapping[str, Line], sample_ids: Collection[str]) -> tuple[list[str], list[str]]:
    """Ids of samples without a line, and file and line of those that are of none of these samples."""
    stems = {safe_stem(sample_id) for sample_id in sample_ids}
    return (
        [sample_id for sample_id in sorted(sample_ids) if safe_stem(sample_id) not in lines],
        [line.where for stem, line in lines.items() if stem not in stems],
    )


@lru_cache(maxsize=4)
def _read(place: Path, table: Path, *_: int) -> Mapping[str, Line]:
    lines: dict[str, Line] = {}
    in_folder = _files_by_stem(place / MASKS) if table != place else None
    for where, cells in _cells(table):
        key, stem = _stem_of(where, cells)
        if stem in lines:
            raise ConfigError(f"{where}: '{key}' was listed before, at {lines[stem].where}. Keep one prediction per sample.")
        name = cells.get("mask", "").strip()
        if name or in_folder is None:
            mask = (place / MASKS if in_folder is not None else table.parent) / name if name else None
        else:
            mask = in_folder.get(stem, place / MASKS / f"{stem}.png")
        lines[stem] = Line(where, cells["answer"], mask, _seconds(where, cells))
    if len({line.seconds is None for line in lines.values()}) > 1:
        empty = next(line.where for line in lines.values() if line.seconds is None)
        raise ConfigError(f"{empty}: expected seconds, which other lines have, got none. Fill in all, or remove the column.")
    return lines


def _cells(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(file and line, cells by column) of each line that is not blank."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            columns = [name.strip().lower() for name in next(reader, [])]
            _check_columns(table, columns)
            for row in reader:
                where = f"{table} line {reader.line_num}"
                if len(row) not in (0, len(columns)):
                    advice = "Put texts that hold commas or quotes in quotes."
                    raise ConfigError(f"{where}: expected {len(columns)} cells, got {len(row)}. {advice}")
                if row:
                    yield where, dict(zip(columns, row, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{table}: expected a CSV with commas in UTF-8, got: {error}. Save it as such.") from None


def _check_columns(table: Path, columns: list[str]) -> None:
    needed = ["answer", *(["mask"] if table.name != ANSWERS else [])]
    missing = [name for name in needed if name not in columns]
    if not {"sample_id", "image"} & set(columns):
        missing.insert(0, "sample_id (or image)")
    unknown = [name for name in columns if name not in (*COLUMNS, *_OF_QUERIES)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    for what, names in (("without the column", missing), ("with the unknown column", unknown), ("with twice the column", twice)):
        if names:
            raise ConfigError(
                f"{table}: expected a CSV with the columns sample_id or image, answer, mask and, if measured, seconds, got one "
                f"{what} {', '.join(names)[:300]}. Correct its first line."
            )


def _stem_of(where: str, cells: Mapping[str, str]) -> tuple[str, str]:
    """(the sample's id or image as written, the stem of its image)."""
    if sample_id := cells.get("sample_id", "").strip():
        return sample_id, safe_stem(sample_id)
    if image := cells.get("image", "").strip():
        return image, PurePosixPath(image.replace("\\", "/")).name.removesuffix(".png")
    raise ConfigError(f"{where}: expected a sample_id or an image, got neither. Fill one in, or remove the line.")


def _seconds(where: str, cells: Mapping[str, str]) -> float | None:
    text = cells.get("seconds", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if seconds < 0 or not isfinite(seconds):
        raise ConfigError(f"{where}: expected seconds, a number of 0 or more, got '{text[:50]}'. Correct it.")
    return seconds


def _files_by_stem(folder: Path) -> dict[str, Path]:
    """The mask files of a folder by name without suffix.

    Raises:
        ConfigError: two files have one name, such as a.png and a.npy.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        suffix = suffix_of(path)
        if suffix:
            other = found.setdefault(path.name[: -len(suffix)], path)
            if other is not path:
                raise ConfigError(f"{folder}: expected one mask per sample, got {other.name} and {path.name}. Remove one.")
    return found


def suffix_of(path: Path) -> str:
    """The suffix of a mask file as in SUFFIXES, in the file's own case; "" if it is none of them."""
    return next((path.name[-len(suffix) :] for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")

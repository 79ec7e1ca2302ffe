"""Parser of an official table: required columns, paths of images and masks, and all problems found in it."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path, PurePosixPath

from prsbench.datasets.pictures import IMAGE_SUFFIXES
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.modalities import ALL

REQUIRED_COLUMNS = ("image_path", "image_name", "split", "question", "answer")
MODALITY_OF_FOLDER = {modality.official_folder: modality.name for modality in ALL}


@dataclass(frozen=True, slots=True)
class Row:
    """One question of a table, with its paths resolved. image is None if no candidate exists.

    spacing_mm is the height and width of a pixel, None if the table does not give them.
    """

    sample_id: str
    mask: Path
    image: Path | None
    split: str
    question: str
    answer: str
    group: str
    spacing_mm: tuple[float, float] | None = None

    @property
    def files(self) -> tuple[Path, Path]:
        """Image and mask, of a row of a table without problems."""
        assert self.image is not None  # a row without an image is among the problems that `resolve_rows` lists
        return self.image, self.mask


def image_candidates(mask_path: str) -> list[str]:
    """Possible paths of a mask's image, likeliest first, relative to the root as in the table.

    The official train script removes "_Segmentation" from the name and reads .jpg where the path contains "ISIC"; the test
    script does not rename other skin images. The order is therefore: the train rule, the unchanged name, then either name with
    another suffix. The folder becomes `{split}_images` in every split (the official loader does so only for train, and reads
    val and test masks as images). Only the table's path is rewritten, never the root.
    """
    path = PurePosixPath(mask_path.replace("\\", "/"))
    folder = PurePosixPath(*(re.sub(r"(?i)^(train|val|test)_masks$", r"\1_images", part) for part in path.parts[:-1]))
    bare = path.stem.replace("_Segmentation", "")
    official_suffix = ".jpg" if "ISIC" in str(path) and path.suffix == ".png" else path.suffix
    names = [bare + official_suffix, path.name, *(stem + suffix for stem in (bare, path.stem) for suffix in IMAGE_SUFFIXES)]
    return [str(folder / name) for name in dict.fromkeys(names) if str(folder / name) != str(path)]


def read_table(table: Path) -> list[dict[str, str]]:
    """The rows of a table as dicts by column.

    Raises:
        DataError: not a CSV in UTF-8, a required column is missing, or there are no rows.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: expected a CSV in UTF-8, got '{error}'. Save it again as UTF-8.") from error
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        raise DataError(
            f"{table}: expected the columns {', '.join(REQUIRED_COLUMNS)}, missing {', '.join(missing)}, found "
            f"{', '.join(columns) or 'none'}. Rename or add the column, or move the file away if it is no table of a data set."
        )
    if not rows:
        raise DataError(f"{table}: expected rows, got only a header. Restore the table, or prepare the archive again.")
    return rows


def folder_of(table: Path, row: Mapping[str, str]) -> str:
    """The official modality folder in a row's path; DataError if there is none."""
    for part in row["image_path"].replace("\\", "/").split("/"):
        if part in MODALITY_OF_FOLDER:
            return part
    raise DataError(
        f"{table}: expected a modality's folder in image_path ({', '.join(MODALITY_OF_FOLDER)}), got '{row['image_path']}'. "
        "Correct the path."
    )


def base_of(table: Path, folder: str) -> Path:
    """The folder that the table's paths are relative to: the table's own folder, or the one above."""
    if not (table.parent / folder).is_dir() and (table.parent.parent / folder).is_dir():
        return table.parent.parent
    return table.parent


def resolve_rows(base: Path, modality: str, lines: Sequence[Mapping[str, str]]) -> tuple[list[Row], list[str]]:
    """The rows of one modality with their files, and the problems of the table as messages (pictures are not opened)."""
    masks = [line["image_path"].replace("\\", "/") for line in lines]
    images = {mask: _first_file(base, image_candidates(mask)) for mask in dict.fromkeys(masks)}
    rows = []
    questions: Counter[str] = Counter()
    for line, mask in zip(lines, masks, strict=True):
        stem = PurePosixPath(line["image_name"].replace("\\", "/")).stem or PurePosixPath(mask).stem
        rows.append(_row(base, f"{modality}/{stem}#{questions[stem]}", line, mask, images[mask]))
        questions[stem] += 1
    path_problems = [problem for mask, image in images.items() for problem in _path_problems(base, mask, image)]
    return rows, [*path_problems, *_split_problems(rows), *_empty_texts(rows), *_spacing_problems(lines, rows)]


def _first_file(base: Path, candidates: Sequence[str]) -> Path | None:
    return next((base / name for name in candidates if (base / name).is_file()), None)


def _row(base: Path, sample_id: str, line: Mapping[str, str], mask: str, image: Path | None) -> Row:
    return Row(
        sample_id=sample_id,
        mask=base / mask,
        image=image,
        split=line["split"].strip().lower(),
        question=line["question"],
        answer=line["answer"],
        group=line.get("group") or mask,
        spacing_mm=_spacing(line.get("spacing_mm") or ""),
    )


def _spacing(text: str) -> tuple[float, float] | None:
    """Two finite positive numbers, or None."""
    try:
        height, width = map(float, text.split())
    except ValueError:
        return None
    return (height, width) if 0 < height < inf and 0 < width < inf else None


def _path_problems(base: Path, mask: str, image: Path | None) -> Iterator[str]:
    if not re.search(r"(?i)(^|/)(train|val|test)_masks/", mask):
        yield (
            f"image_path '{mask}': expected a mask in a folder train_masks, val_masks or test_masks, so that the mask is never "
            "read as the image. Correct the path."
        )
    elif not (base / mask).is_file():
        yield f"{base / mask}: expected a mask, found no such file. Restore it, or remove its rows from the table."
    elif image is None:
        tried = ", ".join(str(base / name) for name in image_candidates(mask)[:3])
        yield f"{base / mask}: expected its image, found none (tried {tried} and other suffixes). Restore it."


def _split_problems(rows: Sequence[Row]) -> Iterator[str]:
    splits_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits_of[row.group].add(row.split)
    for value, count in Counter(row.split for row in rows if row.split not in SPLITS).items():
        yield f"split '{value}' in {count} rows: expected train, val or test. Correct the column."
    for group, splits in splits_of.items():
        if len(splits & set(SPLITS)) > 1:
            yield f"group '{group}': expected one split, got {', '.join(sorted(splits))}, a leak. Move the group into one split."


def _empty_texts(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for column in ("question", "answer"):
            if not getattr(row, column).strip():
                yield f"sample '{row.sample_id}': expected a text in column {column}, got an empty cell. Fill it in."


def _spacing_problems(lines: Sequence[Mapping[str, str]], rows: Sequence[Row]) -> Iterator[str]:
    for line, row in zip(lines, rows, strict=True):
        if (given := (line.get("spacing_mm") or "").strip()) and row.spacing_mm is None:
            yield (
                f"sample '{row.sample_id}': expected a pixel's height and width in mm in column spacing_mm, as in '0.7 0.65', "
                f"got '{given}'. Correct it, or leave it empty if it is unknown."
            )

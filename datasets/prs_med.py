"""The one reader of the official PRS-Med/MMRS layout, for the official release, prepared archives and phantoms alike.

A table is any CSV in the root (or, if there is none, one folder below) with the columns `image_path` (really the MASK's path),
`image_name`, `split`, `question` and `answer`. Its own `position` is not trusted: labels are computed from the masks.
The modality is the official folder name in image_path. Where a table has no `group` column, as in the official release,
each image name is a group of its own: patients and videos cannot be told apart there.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import overload

from prsbench.datasets.card import read_card
from prsbench.datasets.layout import FOLDERS
from prsbench.datasets.pictures import check_same_size, read_image, read_mask
from prsbench.datasets.problems import refuse
from prsbench.datasets.questions import TARGETS
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.position import position_of, zone_of_centroid
from prsbench.harness.contract.types import DataKind, Query, Sample, Truth

REQUIRED_COLUMNS = ("image_path", "image_name", "split", "question", "answer")
MODALITY_OF_FOLDER = {folder: modality for modality, folder in FOLDERS.items()}
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class Row:
    """One question of a table, its paths resolved. image is None where no candidate exists."""

    sample_id: str
    mask: Path
    image: Path | None
    split: str
    question: str
    answer: str
    group: str


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What identifies one sample: hashes are sha256 of the files' bytes, in hex."""

    sample_id: str
    image_sha256: str
    mask_sha256: str
    question: str
    answer: str
    group: str


@dataclass(frozen=True)
class FolderDataset:
    """One modality of a root.

    name is the official folder's; target is the noun of what the masks outline. samples and manifests of a split are in the
    order of its table. A faulty table is refused by `samples`, `manifest` and `check`, so that other modalities stay usable.
    """

    name: str
    modality: str
    data_kind: DataKind
    target: str
    rows: Sequence[Row] = field(repr=False)
    table_problems: Sequence[str] = field(repr=False)
    base: Path
    _digests: dict[Path, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have rows, in the order train, val, test."""
        return tuple(split for split in SPLITS if any(row.split == split for row in self.rows))

    def samples(self, split: str) -> Sequence[Sample]:
        """The split's samples; length is known at once, files are decoded at each access."""
        return LazySamples(self.modality, self.data_kind, self._rows(split))

    def manifest(self, split: str) -> list[ManifestRow]:
        """What the split consists of, byte for byte."""
        return [
            ManifestRow(row.sample_id, self._digest(row.image), self._digest(row.mask), row.question, row.answer, row.group)
            for row in self._rows(split)
        ]

    def manifest_hash(self, split: str) -> str:
        """sha256 over the manifest in sample-id order: any other picture, word or group gives another hash."""
        rows = sorted(self.manifest(split), key=lambda row: row.sample_id)
        return sha256(json.dumps([asdict(row) for row in rows], sort_keys=True).encode()).hexdigest()

    def check(self) -> None:
        """Decode every file once.

        Raises:
            DataError: all faults of the table and its files, first 20 shown.
        """
        problems = list(self.table_problems)
        for mask_path, image_path in {row.mask: row.image for row in self.rows if row.image and row.mask.is_file()}.items():
            try:
                check_same_size(image_path, read_image(image_path), mask_path, read_mask(mask_path))
                if self._digest(image_path) == self._digest(mask_path):
                    raise DataError(f"{image_path}: expected an image, got a copy of its mask. Restore the image.")
            except DataError as error:
                problems.append(str(error))
        refuse(f"Data set '{self.name}' in {self.base}", problems)

    def _rows(self, split: str) -> list[Row]:
        refuse(f"Data set '{self.name}' in {self.base}", self.table_problems)
        return [row for row in self.rows if row.split == split]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = sha256(path.read_bytes()).hexdigest()
        return self._digests[path]


@dataclass(frozen=True)
class LazySamples(Sequence[Sample]):
    """Samples that are decoded when asked for."""

    modality: str
    data_kind: DataKind
    rows: Sequence[Row] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return LazySamples(self.modality, self.data_kind, self.rows[index])
        row = self.rows[index]
        image, mask = read_image(row.image), read_mask(row.mask)
        check_same_size(row.image, image, row.mask, mask)
        position, near_centre = position_of(mask, self.modality)
        return Sample(
            query=Query(sample_id=row.sample_id, image=image, question=row.question, modality=self.modality),
            truth=Truth(mask, row.answer, position, near_centre, zone_of_centroid(mask)),
            group=row.group,
            split=row.split,
            data_kind=self.data_kind,
        )


def open_root(root: Path) -> list[FolderDataset]:
    """The data sets of a root, one per modality found, in the order of `contract.types.MODALITIES`. No picture is read.

    Raises:
        DataError: no table, a table without a required column, or rows of no known modality.
    """
    root = Path(root)
    tables = sorted(root.glob("*.csv")) or sorted(root.glob("*/*.csv"))
    if not tables:
        raise DataError(f"{root}: expected a data set in the official layout, found no CSV there or one folder below.")
    cells: dict[tuple[str, Path], list[Mapping[str, str]]] = defaultdict(list)
    for table in tables:
        for row in _read_table(table):
            folder = _folder(table, row)
            cells[folder, _base(table, folder)].append(row)
    found = [_dataset(folder, base, rows) for (folder, base), rows in cells.items()]
    return sorted(found, key=lambda dataset: list(FOLDERS).index(dataset.modality))


def image_candidates(mask_path: str) -> list[str]:
    """Where the image of a mask may lie, likeliest first; paths relative to the root, as in the table.

    The official train script takes "_Segmentation" off the name and reads .jpg where the path holds "ISIC"; its test script
    keeps the name of other skin images. So: the train rule, the name as it is, then either name with another suffix. The
    folder becomes `{split}_images` in every split (the official loader does so for train alone, and reads val and test masks
    as images). Only the table's path is rewritten, never the root.
    """
    path = PurePosixPath(mask_path.replace("\\", "/"))
    folder = PurePosixPath(*(re.sub(r"(?i)^(train|val|test)_masks$", r"\1_images", part) for part in path.parts[:-1]))
    bare = path.stem.replace("_Segmentation", "")
    official_suffix = ".jpg" if "ISIC" in str(path) and path.suffix == ".png" else path.suffix
    names = [bare + official_suffix, path.name, *(stem + suffix for stem in (bare, path.stem) for suffix in IMAGE_SUFFIXES)]
    return [str(folder / name) for name in dict.fromkeys(names) if str(folder / name) != str(path)]


def _read_table(table: Path) -> list[dict[str, str]]:
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
            f"{', '.join(columns) or 'none'}. Rename or add the column, or move a file that is no table of this data set away."
        )
    if not rows:
        raise DataError(f"{table}: expected rows, got a header alone. Restore the table, or prepare the archive again.")
    return rows


def _folder(table: Path, row: Mapping[str, str]) -> str:
    for part in row["image_path"].replace("\\", "/").split("/"):
        if part in MODALITY_OF_FOLDER:
            return part
    raise DataError(
        f"{table}: expected a modality's folder in image_path ({', '.join(MODALITY_OF_FOLDER)}), got '{row['image_path']}'. "
        "Correct the path."
    )


def _base(table: Path, folder: str) -> Path:
    """The folder that the table's paths start from: beside the table, or one above it."""
    if not (table.parent / folder).is_dir() and (table.parent.parent / folder).is_dir():
        return table.parent.parent
    return table.parent


def _dataset(folder: str, base: Path, cells: Sequence[Mapping[str, str]]) -> FolderDataset:
    card, modality = read_card(base), MODALITY_OF_FOLDER[folder]
    rows, problems = [], []
    seen: Counter[str] = Counter()
    for cell in cells:
        mask = cell["image_path"].replace("\\", "/")
        row = _row(base, modality, cell, mask, seen[mask])
        seen[mask] += 1
        rows.append(row)
        if seen[mask] == 1:
            problems += _path_problems(base, row, mask)
    return FolderDataset(
        name=folder,
        modality=modality,
        data_kind=DataKind(card.get("data_kind", DataKind.UNDECLARED)),
        target=card.get("modalities", {}).get(folder, {}).get("target", TARGETS[modality]),
        rows=rows,
        table_problems=[*problems, *_split_problems(rows)],
        base=base,
    )


def _row(base: Path, modality: str, cell: Mapping[str, str], mask: str, number: int) -> Row:
    stem = PurePosixPath(cell["image_name"].replace("\\", "/")).stem or PurePosixPath(mask).stem
    found = next((base / name for name in image_candidates(mask) if (base / name).is_file()), None)
    return Row(
        sample_id=f"{modality}/{stem}#{number}",
        mask=base / mask,
        image=found,
        split=cell["split"].strip().lower(),
        question=cell["question"],
        answer=cell["answer"],
        group=cell.get("group") or stem,
    )


def _path_problems(base: Path, row: Row, mask: str) -> Iterator[str]:
    candidates = image_candidates(mask)
    if not re.search(r"(?i)(^|/)(train|val|test)_masks/", mask):
        yield (
            f"image_path '{mask}': expected a mask in a folder train_masks, val_masks or test_masks, so that the mask is never "
            "read as the image. Correct the path."
        )
    elif not row.mask.is_file():
        yield f"{row.mask}: expected a mask, found no such file. Restore it, or take its rows out of the table."
    elif row.image is None:
        tried = ", ".join(str(base / name) for name in candidates[:3])
        yield f"{row.mask}: expected its image, found none (tried {tried} and other suffixes). Restore it, or take its rows out."


def _split_problems(rows: Sequence[Row]) -> Iterator[str]:
    splits_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits_of[row.group].add(row.split)
    for value, count in Counter(row.split for row in rows if row.split not in SPLITS).items():
        yield f"split '{value}' in {count} rows: expected train, val or test. Correct the column."
    for group, splits in splits_of.items():
        if len(splits & set(SPLITS)) > 1:
            yield f"group '{group}': expected one split, got {', '.join(sorted(splits))}, a leak. Move the group into one split."
    for sample_id, count in Counter(row.sample_id for row in rows).items():
        if count > 1:
            yield f"sample '{sample_id}': expected one row, got {count}. Give the images different names."

"""Reader of the official PRS-Med/MMRS layout, for the official release, prepared archives and phantoms alike.

A table is any CSV in the root (or, if none there is a table, one folder below) with the columns `image_path` (really the MASK's
path), `image_name`, `split`, `question` and `answer`. A column `position` is only compared with the answers: labels are computed
from the masks.
The official folder name in image_path gives the modality. Where a table has no `group` column, as in the official release,
each mask path is a separate group, because patients and videos are not identified. (Not the image name: numbered files of
different archives share names across splits.) A column `spacing_mm` (ours) may give a pixel's height and width as in
"0.7 0.65"; distances in mm need it. A column `family` (ours) may name the kind of each question (`contract.families`). A
sample's id ends in the number of its row among those of the same image name.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.card import read_card
from prsbench.datasets.changes import Change, changed_id
from prsbench.datasets.official_table import (
    MODALITY_OF_FOLDER,
    Line,
    Row,
    base_of,
    folder_of,
    folder_of_name,
    folders_named,
    meant_folder,
    read_table,
    resolve_rows,
)
from prsbench.datasets.picture_files import PictureFiles, Say
from prsbench.datasets.pictures import check_same_size, read_image, read_mask
from prsbench.datasets.rows import Rows
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import DataError, refuse
from prsbench.harness.contract.families import OFFICIAL
from prsbench.harness.contract.modalities import BY_NAME, MODALITIES
from prsbench.harness.contract.position import position_of, zone_of_centroid
from prsbench.harness.contract.types import DataKind, Query, Sample, Truth


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What identifies one sample; hashes are sha256 of the files' bytes, in hex."""

    sample_id: str
    image_sha256: str
    mask_sha256: str
    question: str
    answer: str
    group: str
    spacing_mm: tuple[float, float] | None
    family: str = OFFICIAL


@dataclass(frozen=True)
class FolderDataset:
    """One modality of a root.

    name is the official folder name; target is a noun for what the masks outline. Samples and manifests are in the order of the
    table, but the questions about one image stand together, at the place of the first. rows may be replaced by some of them.
    `samples`, `manifest` and `check` refuse a faulty table, `open_root` does not, so that other modalities stay usable.
    notes are sentences on what the user should look at. change is made to every picture and its mask after decoding, and
    begins the ids of its samples.
    """

    name: str
    modality: str
    data_kind: DataKind
    target: str
    rows: Sequence[Row] = field(repr=False)
    table_problems: Sequence[str] = field(repr=False)
    base: Path
    notes: Sequence[str] = field(default=(), repr=False)
    files: PictureFiles = field(default=None, repr=False, compare=False)  # type: ignore[assignment]  # None: of these rows
    change: Change | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.rows, Rows):
            object.__setattr__(self, "rows", Rows.of(self.base, self.rows))
        if self.files is None:
            object.__setattr__(self, "files", PictureFiles.of(self.columns))

    @property
    def columns(self) -> Rows:
        """`rows`, whose texts can be read column by column."""
        assert isinstance(self.rows, Rows)
        return self.rows

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that have rows, in the order train, val, test."""
        named = set(self.columns.column("split"))
        return tuple(split for split in SPLITS if split in named)

    def samples(self, split: str) -> Sequence[Sample]:
        """The split's samples: the length is known immediately, files are decoded on access.

        One whose file is not the one that was checked raises a DataError.
        """
        return LazySamples(self.modality, self.data_kind, self._rows(split), self.files, self.change)

    def sample_ids(self, split: str) -> list[str]:
        """The ids of `samples`, in order; no file is read."""
        return [changed_id(sample_id, self.change) for sample_id in self._rows(split).column("sample_id")]

    def answers(self, split: str) -> dict[str, str]:
        """The reference answer of every sample of a split, by id; no file is read."""
        return dict(zip(self.sample_ids(split), self._rows(split).column("answer"), strict=True))

    def manifest(self, split: str) -> list[ManifestRow]:
        """What identifies each of the split's samples, in order."""
        rows, files = self._rows(split), self.files
        numbers = [files.number[mask] for mask in rows.column("mask")]
        files.hash_files(dict.fromkeys(numbers))
        hashes = {
            number: (files.hashes[number, 0].tobytes().hex(), files.hashes[number, 1].tobytes().hex()) for number in set(numbers)
        }
        known = (None if isnan(height) else (height, width) for height, width in rows.spacing.tolist())
        columns = (rows.column(name) for name in ("sample_id", "question", "answer", "group", "family"))
        return [
            ManifestRow(changed_id(sample_id, self.change), *hashes[number], question, answer, group, spacing, family)
            for number, spacing, sample_id, question, answer, group, family in zip(numbers, known, *columns, strict=True)
        ]

    @property
    def title(self) -> str:
        return f"Data set '{self.name}' in {self.base}"

    @property
    def split_of(self) -> dict[str, str]:
        """The split of every picture, by the path of its mask."""
        return dict(zip(self.columns.column("mask"), self.columns.column("split"), strict=True))

    def check(self, say: Say = lambda _: None, seen: MutableMapping[bytes, Seen] | None = None) -> list[tuple[str, str]]:
        """Decode and hash every file that is not known to be as it was, and look for pictures in two splits.

        Many files are checked by as many processes as there are cores. Pictures of one colour are never called the same.

        Args:
            seen: pictures of data sets that are used with this one; its own are added.

        Returns:
            For every picture in two splits a sentence, and the name of the data set that has the other one.

        Raises:
            DataError: all faults of the table and its files, first 20 shown.
        """
        numbers = {self.files.number[mask]: split for mask, split in self.split_of.items()}
        refuse(self.title, [*self.table_problems, *self.files.check(numbers, say, self.name)])
        twice: list[tuple[str, str]] = []
        seen = {} if seen is None else seen
        for number, split in numbers.items():
            if not (pixels := self.files.pixels[number]).any():
                continue
            first, of_first, split_of_first = seen.setdefault(pixels.tobytes(), (number, self, split))
            if split_of_first != split:
                here, there = self.files.files(number)[0], of_first.files.files(first)[0]
                twice.append((f"{here} ({split}) is the same picture as {there} ({split_of_first}).", of_first.name))
        return twice

    def _rows(self, split: str) -> Rows:
        refuse(self.title, self.table_problems)
        return self.columns.of_split(split)


Seen = tuple[int, FolderDataset, str]  # number of a picture among the files of its data set, the data set, the split


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the questions about one image share: image, mask, and the labels computed from the mask."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    position: tuple[str, ...]
    near_centre: bool
    zone: str


@dataclass(frozen=True)
class LazySamples(Sequence[Sample]):
    """Samples decoded on access. Each thread keeps its last picture, because the questions about one image stand together.

    last: these pictures, by thread; slices share them. files: to refuse a file that has changed since it was checked; None where
    samples were sent to another process. change: made to picture and mask, before labels are computed from the mask.
    """

    modality: str
    data_kind: DataKind
    rows: Rows = field(repr=False)
    files: PictureFiles | None = field(default=None, repr=False, compare=False)
    change: Change | None = None
    last: dict[int, tuple[tuple[Path, Path], _Picture]] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[LazySamples], tuple[object, ...]]:
        return LazySamples, (self.modality, self.data_kind, self.rows, None, self.change)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return LazySamples(self.modality, self.data_kind, self.rows[index], self.files, self.change, self.last)
        row = self.rows[index]
        picture = self._picture(row)
        image, mask = picture.image.copy(), picture.mask.copy()  # writing into one sample must not change the next
        sample_id = changed_id(row.sample_id, self.change)
        return Sample(
            query=Query(sample_id=sample_id, image=image, question=row.question, modality=self.modality),
            truth=Truth(mask, row.answer, picture.position, picture.near_centre, picture.zone, row.spacing_mm, row.family),
            group=row.group,
            split=row.split,
            data_kind=self.data_kind,
        )

    def _picture(self, row: Row) -> _Picture:
        files = image_path, mask_path = row.files
        known, last = self.last.get(threading.get_ident(), (None, None))
        if last is None or known != files:
            if self.files is not None:
                self.files.refuse_changed(image_path, mask_path)
            image, mask = read_image(image_path), read_mask(mask_path)
            check_same_size(image_path, image, mask_path, mask)
            if self.change is not None:
                image, mask = self.change(image, mask)
            last = _Picture(image, mask, *position_of(mask, self.modality), zone_of_centroid(mask))
            self.last[threading.get_ident()] = files, last
        return last


def open_root(root: Path) -> list[FolderDataset]:
    """The data sets of a root, one per modality found, in the order of `contract.modalities`. Reads no picture.

    Raises:
        DataError: no table of a known modality.
    """
    return read_root(root)[0]


def read_root(root: Path) -> tuple[list[FolderDataset], list[str]]:
    """`open_root`, and a sentence for all files and rows that are left out because they are of no known modality."""
    root = Path(root)
    here, below = (tables_of(root, pattern) for pattern in ("*", "*/*"))
    datasets, left_out = _read_tables(root, here)
    if datasets and below:
        left_out.append(
            f"{below[0]}: not read ({len(below)} such files), because the root holds tables. Move it there if it is one."
        )
    elif not datasets:
        datasets, more = _read_tables(root, below)
        left_out += more
    if not datasets:
        found = "\n".join(["found only:", *left_out]) if left_out else "found no CSV there or one folder below."
        raise DataError(f"{root}: expected a data set in the official layout, {found}")
    return datasets, left_out


def tables_of(root: Path, pattern: str) -> list[Path]:
    """The CSV files that fit a pattern below a root, tables or not; hidden ones are left out."""
    paths = root.glob(pattern)
    return sorted(path for path in paths if path.suffix.lower() == ".csv" and not path.name.startswith(".") and path.is_file())


def _read_tables(root: Path, tables: Sequence[Path]) -> tuple[list[FolderDataset], list[str]]:
    lines: dict[tuple[str, Path], list[Line]] = defaultdict(list)
    problems: dict[tuple[str, Path], list[str]] = defaultdict(list)
    left_out: list[str] = []
    for table in tables:
        try:
            found = read_table(table)
        except DataError as error:
            folders = folders_named(table, root)
            left_out += [] if folders else [f"not read, as it names no modality's folder: {error}"]
            for folder in folders:
                problems[folder, base_of(table, folder)].append(str(error))
            continue
        unknown, own = [], folder_of_name(table, root)
        for line in found:
            named = folder_of(line)
            meant = own or named or meant_folder(line)
            if meant is None:
                unknown.append(line)
            elif meant == named:
                lines[named, base_of(table, named)].append(line)
            else:
                for folder in filter(None, (meant, named)):
                    problems[folder, base_of(table, folder)].append(
                        f"{line.where}: expected the modality's folder {meant} in image_path, got '{line.mask}'. Correct the "
                        "path, or move the row to another table."
                    )
        if unknown:
            left_out.append(
                f"{unknown[0].where}: image_path '{unknown[0].mask}' is in no modality's folder ("
                f"{', '.join(MODALITY_OF_FOLDER)}), so {len(unknown)} rows of this table are left out. Correct the paths if they "
                "are of one."
            )
    keys = {**lines, **problems}.keys()
    datasets = [_dataset(folder, base, lines[folder, base], problems[folder, base]) for folder, base in keys]
    return sorted(datasets, key=lambda dataset: MODALITIES.index(dataset.modality)), left_out


def _dataset(folder: str, base: Path, lines: Sequence[Line], table_problems: Sequence[str]) -> FolderDataset:
    card, modality = read_card(base), MODALITY_OF_FOLDER[folder]
    rows, problems, notes = resolve_rows(base, modality, lines, may_repeat=bool(card))
    return FolderDataset(
        name=folder,
        modality=modality,
        data_kind=DataKind(card.get("data_kind", DataKind.UNDECLARED)),
        target=card.get("modalities", {}).get(folder, {}).get("target", BY_NAME[modality].target),
        rows=_together(rows),
        table_problems=[*table_problems, *problems],
        base=base,
        notes=notes,
    )


def _together(rows: Sequence[Row]) -> list[Row]:
    """The questions about one image at the place of the first, in the order of the table: it is decoded and encoded once."""
    of_picture: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        of_picture[row.mask].append(row)
    return [row for together in of_picture.values() for row in together]

"""Reader of the official PRS-Med/MMRS layout, for the official release, prepared archives and phantoms alike.

A table is any CSV in the root (or, if there is none, one folder below) with the columns `image_path` (really the MASK's path),
`image_name`, `split`, `question` and `answer`. A column `position` is ignored: labels are computed from the masks.
The official folder name in image_path gives the modality. Where a table has no `group` column, as in the official release,
each mask path is a separate group, because patients and videos are not identified. (Not the image name: numbered files of
different archives share names across splits.) A column `spacing_mm` (ours) may give a pixel's height and width as in
"0.7 0.65"; distances in mm need it. A sample's id ends in the number of its row among those of the same image name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.card import read_card
from prsbench.datasets.official_table import MODALITY_OF_FOLDER, Row, base_of, folder_of, read_table, resolve_rows
from prsbench.datasets.pictures import check_same_size, read_image, read_mask
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import DataError, refuse
from prsbench.harness.contract.files import file_hash
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


@dataclass(frozen=True)
class FolderDataset:
    """One modality of a root.

    name is the official folder name; target is a noun for what the masks outline. Samples and manifests are in the order of the
    table. `samples`, `manifest` and `check` refuse a faulty table, `open_root` does not, so that other modalities stay usable.
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
        """The split's samples: the length is known immediately, files are decoded on access."""
        return LazySamples(self.modality, self.data_kind, self._rows(split))

    def manifest(self, split: str) -> list[ManifestRow]:
        """What identifies each of the split's samples, in order."""
        return [
            ManifestRow(
                sample_id=row.sample_id,
                image_sha256=self._digest(image),
                mask_sha256=self._digest(mask),
                question=row.question,
                answer=row.answer,
                group=row.group,
                spacing_mm=row.spacing_mm,
            )
            for row in self._rows(split)
            for image, mask in [row.files]
        ]

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
            self._digests[path] = file_hash(path)
        return self._digests[path]


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
    """Samples decoded on access. The last picture is cached, because a table lists the questions about one image together."""

    modality: str
    data_kind: DataKind
    rows: Sequence[Row] = field(repr=False)
    _last: dict[tuple[Path, Path], _Picture] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        picture = self._picture(row)
        image, mask = picture.image.copy(), picture.mask.copy()  # writing into one sample must not change the next
        return Sample(
            query=Query(sample_id=row.sample_id, image=image, question=row.question, modality=self.modality),
            truth=Truth(mask, row.answer, picture.position, picture.near_centre, picture.zone, row.spacing_mm),
            group=row.group,
            split=row.split,
            data_kind=self.data_kind,
        )

    def _picture(self, row: Row) -> _Picture:
        files = image_path, mask_path = row.files
        if files not in self._last:
            image, mask = read_image(image_path), read_mask(mask_path)
            check_same_size(image_path, image, mask_path, mask)
            self._last.clear()
            self._last[files] = _Picture(image, mask, *position_of(mask, self.modality), zone_of_centroid(mask))
        return self._last[files]


def open_root(root: Path) -> list[FolderDataset]:
    """The data sets of a root, one per modality found, in the order of `contract.modalities`. Reads no picture.

    Raises:
        DataError: no table, a table without a required column, or rows of no known modality.
    """
    root = Path(root)
    tables = sorted(root.glob("*.csv")) or sorted(root.glob("*/*.csv"))
    if not tables:
        raise DataError(f"{root}: expected a data set in the official layout, found no CSV there or one folder below.")
    lines: dict[tuple[str, Path], list[Mapping[str, str]]] = defaultdict(list)
    for table in tables:
        for row in read_table(table):
            folder = folder_of(table, row)
            lines[folder, base_of(table, folder)].append(row)
    datasets = [_dataset(folder, base, rows) for (folder, base), rows in lines.items()]
    return sorted(datasets, key=lambda dataset: MODALITIES.index(dataset.modality))


def _dataset(folder: str, base: Path, lines: Sequence[Mapping[str, str]]) -> FolderDataset:
    card, modality = read_card(base), MODALITY_OF_FOLDER[folder]
    rows, problems = resolve_rows(base, modality, lines)
    return FolderDataset(
        name=folder,
        modality=modality,
        data_kind=DataKind(card.get("data_kind", DataKind.UNDECLARED)),
        target=card.get("modalities", {}).get(folder, {}).get("target", BY_NAME[modality].target),
        rows=rows,
        table_problems=problems,
        base=base,
    )

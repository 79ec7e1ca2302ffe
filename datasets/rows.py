"""Rows of a data set held in columns: 116,000 questions take some tens of MiB, and a `Row` is made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.official_table import Row

_TEXTS = ("sample_id", "mask", "image", "split", "question", "answer", "group", "table", "family")
NO_IMAGE = ""  # in the column `image`: no candidate exists


class Texts(Sequence[str]):
    """Texts in one block of UTF-8, which ends at `ends` (N,) int64 for each of them."""

    def __init__(self, data: bytes, ends: NDArray[np.int64]):
        self.data, self.ends = data, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        return cls(b"".join(encoded), np.cumsum([0, *map(len, encoded)], dtype=np.int64)[1:])

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]  # IndexError past the end, on which iteration ends
        start = self.ends[number - 1] if number else 0
        return self.data[start : self.ends[number]].decode("utf-8", "surrogatepass")


@dataclass(frozen=True, eq=False)
class Rows(Sequence[Row]):
    """Rows whose paths are relative to `base`.

    codes is (N, 9) int32: for each text of a row (`_TEXTS`) its place in `texts`; line is (N,) int32: its first line in the
    table; spacing is (N, 2) float64, NaN where it is not known.
    """

    base: Path
    texts: Texts = field(repr=False)
    codes: NDArray[np.int32] = field(repr=False)
    line: NDArray[np.int32] = field(repr=False)
    spacing: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, base: Path, rows: Sequence[Row]) -> Rows:
        """The same rows in columns."""
        code: dict[str, int] = {}
        codes = np.empty((len(rows), len(_TEXTS)), np.int32)
        line, spacing = np.empty(len(rows), np.int32), np.empty((len(rows), 2))
        for number, row in enumerate(rows):
            table, _, line[number] = row.where.rpartition(" line ")
            image = relative_to(base, row.image) if row.image else NO_IMAGE
            paths = relative_to(base, row.mask), image
            texts = row.sample_id, *paths, row.split, row.question, row.answer, row.group, table, row.family
            codes[number] = [code.setdefault(text, len(code)) for text in texts]
            spacing[number] = row.spacing_mm or (nan, nan)
        return cls(base, Texts.of(code), codes, line, spacing)

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        texts = map(self.texts.__getitem__, self.codes[index].tolist())
        sample_id, mask, image, split, question, answer, group, table, family = texts
        height, width = self.spacing[index].tolist()
        spacing_mm = None if isnan(height) else (height, width)
        where = f"{table} line {self.line[index]}"
        paths = self.base / mask, (self.base / image if image else None)
        return Row(sample_id, *paths, split, question, answer, group, where, spacing_mm, family)

    def column(self, name: str) -> Iterator[str]:
        """One text of every row: `sample_id`, `split`, `question`, ...; `mask` and `image` relative to `base`."""
        return map(self.texts.__getitem__, self.codes[:, _TEXTS.index(name)].tolist())

    def take(self, numbers: NDArray[np.integer] | Sequence[int]) -> Rows:
        """These rows, in this order; the texts are shared."""
        chosen = np.asarray(numbers, np.int64)
        return Rows(self.base, self.texts, self.codes[chosen], self.line[chosen], self.spacing[chosen])

    def of_split(self, split: str) -> Rows:
        """The rows of one split, in order."""
        codes = self.codes[:, _TEXTS.index("split")]
        named = {code for code in np.unique(codes).tolist() if self.texts[code] == split}
        return self.take(np.flatnonzero(np.isin(codes, list(named))))


def relative_to(base: Path, path: Path) -> str:
    """The text of a path below base, relative to it; of another path the whole text."""
    return str(path).removeprefix(f"{base}/")

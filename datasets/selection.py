"""A selection of a data root: pictures left out, an even part of it, or a fold of a cross-validation; and corruptions of its test
pictures. The root is not changed.

A selection is a folder that holds only selection.json, and stands for a root wherever data are opened. What it takes shows in the
manifests of the data sets, and so in the key of every cell. Each corruption makes a data set of each test split, without splits
to train on: its cells have the trainings of the others.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from prsbench.datasets.changes import corruptions_named
from prsbench.datasets.official_reader import FolderDataset
from prsbench.datasets.official_table import Row
from prsbench.datasets.splits import SPLITS, folds_by_group
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.results import CHANGE_MARK

SELECTION = "selection.json"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is taken of a root.

    root: its folder. excluded: masks' paths relative to it (image_path). limit: pictures of the whole root, None for all. folds:
    into how many parts the groups of each modality are divided, 0 for the splits of the tables; fold: the part that is tested;
    the next one is val, the others are train. seed: of limit and folds. corruptions: names of `corruptions_named`.
    """

    root: Path
    excluded: tuple[str, ...] = ()
    limit: int | None = None
    folds: int = 0
    fold: int = 0
    seed: int = 0
    corruptions: tuple[str, ...] = ()

    def apply(self, datasets: Sequence[FolderDataset]) -> list[FolderDataset]:
        """The data sets of the root with the rows that are taken, each with a note that says so; then the corrupted ones.

        Raises:
            DataError: an excluded path that no table names, too few groups for the folds, or a split without pictures.
        """
        taken = self._taken(datasets) if self.takes_a_part else list(datasets)
        return [*taken, *(one for dataset in taken for one in self._corrupted(dataset))]

    @property
    def takes_a_part(self) -> bool:
        return bool(self.excluded or self.folds or self.limit is not None)

    def _corrupted(self, dataset: FolderDataset) -> list[FolderDataset]:
        """The test split of a data set under each corruption."""
        test = dataset.columns.of_split("test")
        changes = corruptions_named(self.corruptions) if len(test) else ()
        return [
            replace(dataset, name=f"{dataset.name}{CHANGE_MARK}{change.name}", rows=test, notes=(), change=change)
            for change in changes
        ]

    def _taken(self, datasets: Sequence[FolderDataset]) -> list[FolderDataset]:
        rows = {dataset.name: list(dataset.rows) for dataset in datasets}
        bases = {dataset.name: dataset.base for dataset in datasets}
        leave = set(self.excluded)
        unknown = leave - {_path(bases[name], row) for name, found in rows.items() for row in found}
        if unknown:
            raise DataError(
                f"{self.root}: {len(unknown)} excluded paths are in no table (such as '{min(unknown)}'). Write the list "
                "again with `prsbench data check --exclude`."
            )
        before = {name: _pictures(found) for name, found in rows.items()}
        rows = {name: [row for row in found if _path(bases[name], row) not in leave] for name, found in rows.items()}
        if self.folds:
            rows = {name: self._folded(name, found) for name, found in rows.items()}
        if self.limit is not None:
            rows = self._limited(rows)
        taken = []
        for dataset in datasets:
            note = f"{dataset.name}: {_pictures(rows[dataset.name])} of {before[dataset.name]} pictures are taken ({self})."
            taken.append(replace(dataset, rows=rows[dataset.name], notes=[*dataset.notes, note]))
        return taken

    def __str__(self) -> str:
        parts = [f"{len(self.excluded)} excluded"] if self.excluded else []
        parts += [f"fold {self.fold} of {self.folds}"] if self.folds else []
        parts += [f"at most {self.limit} of all modalities"] if self.limit is not None else []
        return ", ".join(parts) or "all"

    def _folded(self, name: str, rows: Sequence[Row]) -> list[Row]:
        """The rows with the splits of the fold. A test picture is asked each question once."""
        pictures = {row.mask: row.group for row in rows}
        try:
            part_of = folds_by_group(pictures.values(), self.folds, self.seed)
        except DataError as error:
            raise DataError(f"Data set '{name}' in {self.root}: {error}") from error
        split_of = {self.fold: "test", (self.fold + 1) % self.folds: "val"}
        folded, asked = [], set()
        for row in rows:
            split = split_of.get(part_of[row.group], "train")
            if split != "test" or (row.mask, row.question) not in asked:
                folded.append(replace(row, split=split))
            asked.add((row.mask, row.question))
        return folded

    def _limited(self, rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
        """Pictures drawn evenly: modality by modality, in each by the shares of its splits, in a split group by group."""
        assert self.limit is not None
        sizes = {name: _pictures(found) for name, found in rows.items()}
        limited = {}
        for name, share in _shares(self.limit, sizes).items():
            in_split: dict[str, dict[Path, str]] = defaultdict(dict)
            for row in rows[name]:
                in_split[row.split][row.mask] = row.group
            present = [split for split in SPLITS if split in in_split]
            if share < len(present):
                raise DataError(
                    f"limit {self.limit}: expected a picture of every split of {len(rows)} modalities, got {share} for "
                    f"'{name}', which has {', '.join(present)}. Set a higher limit."
                )
            taken = set()
            for split, count in _in_proportion(share, {split: len(in_split[split]) for split in present}).items():
                taken |= set(self._drawn(name, in_split[split])[:count])
            limited[name] = [row for row in rows[name] if row.mask in taken]
        return limited

    def _drawn(self, name: str, group_of: dict[Path, str]) -> list[Path]:
        """Pictures in a random order in which no group has its second before every group has its first."""
        turn: Counter[str] = Counter()
        rounds = []
        for mask in sorted(group_of, key=lambda mask: self._chance(name, str(mask.name), group_of[mask])):
            group = group_of[mask]
            rounds.append((turn[group], self._chance(name, group), mask))
            turn[group] += 1
        return [mask for *_, mask in sorted(rounds)]

    def _chance(self, *names: str) -> str:
        return sha256("/".join((str(self.seed), *names)).encode("utf-8", "surrogateescape")).hexdigest()


def write_selection(selection: Selection, folder: Path) -> Path:
    """Write the folder that stands for the selection, and return it. Its root is named relative to it if they are neighbours."""
    root = selection.root
    content = {**asdict(selection), "root": os.path.relpath(root, folder) if root.parent == folder.parent else str(root)}
    write_atomically(folder / SELECTION, json.dumps(content, indent=1).encode())
    return folder


def read_selection(folder: Path) -> Selection | None:
    """The selection that a folder stands for; None for any other folder."""
    path = folder / SELECTION
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        root, lists = (folder / content["root"]).resolve(), ("excluded", "corruptions")
        return Selection(**{**content, "root": root, **{name: tuple(content.get(name, ())) for name in lists}})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected a selection of prsbench, got {error!r}. Delete it and run the grid again.") from error


def read_excluded(path: Path) -> tuple[str, ...]:
    """The paths in a list that `data check --exclude` wrote: one a line, up to a tab; # begins a comment line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: expected a list of excluded pictures, got '{error}'. Write it with `prsbench data check`."
        ) from None
    paths = (line.partition("\t")[0].strip() for line in lines)
    return tuple(dict.fromkeys(path.replace("\\", "/") for path in paths if path and not path.startswith("#")))


def _path(base: Path, row: Row) -> str:
    return row.mask.relative_to(base).as_posix()


def _pictures(rows: Iterable[Row]) -> int:
    return len({row.mask for row in rows})


def _shares(limit: int, sizes: dict[str, int]) -> dict[str, int]:
    """An equal share for each name; what one cannot use goes to the others."""
    shares, left = {}, limit
    for place, name in enumerate(sorted(sizes, key=lambda name: sizes[name])):
        shares[name] = min(sizes[name], left // (len(sizes) - place))
        left -= shares[name]
    return shares


def _in_proportion(count: int, sizes: dict[str, int]) -> dict[str, int]:
    """Whole numbers of this sum in proportion to the sizes, at least one each (largest remainders)."""
    count = min(count, sum(sizes.values()))
    exact = {
        name: 1 + (count - len(sizes)) * (size - 1) / max(1, sum(sizes.values()) - len(sizes)) for name, size in sizes.items()
    }
    shares = {name: int(value + 1e-9) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: shares[name] - exact[name])
    for name in order[: count - sum(shares.values())]:
        shares[name] += 1
    return shares

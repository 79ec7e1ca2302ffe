"""`prsbench data check`: examines every picture of a data set and looks for those that show the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.card import read_card
from prsbench.datasets.catalog import SOURCES
from prsbench.datasets.check.duplicates import Pair, Table, pairs_of
from prsbench.datasets.check.examined import Facts, Named, examine, named_in
from prsbench.datasets.check.findings import CHECKS, Finding, findings_of
from prsbench.datasets.check.views import SIDE, hashes_of_turns
from prsbench.datasets.official_reader import FolderDataset, read_root
from prsbench.datasets.processes import chunks, in_order
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.files import write_atomically

CHUNK = 64  # pictures of one task


@dataclass(frozen=True)
class Checked:
    """What was found in a root. pictures and facts are in parallel; a str in place of facts says why files cannot be used."""

    root: Path
    datasets: tuple[str, ...]
    pictures: Sequence[Named]
    facts: Sequence[Facts | str]
    findings: Sequence[Finding]

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if CHECKS[finding.check].is_problem]

    def __str__(self) -> str:
        """Counts and, for every kind of finding, how many and the first."""
        lines = [f"{self.root}: {len(self.pictures)} pictures of {', '.join(self.datasets)} checked."]
        for name, check in CHECKS.items():
            found = [finding for finding in self.findings if finding.check == name]
            if found:
                more = f" (first of {len(found)})" * (len(found) > 1)
                lines.append(f"  {'Problem' if check.is_problem else 'Note'}: {check.title}{more}: {found[0].sentence}")
        lines.append("  No problem found." if not self.problems else f"  Problems: {len(self.problems)}.")
        return "\n".join(lines)


def check_root(root: Path, processes: int = 1, say: Callable[[str], None] = lambda _: None) -> Checked:
    """Examine every picture of a root; nothing in it is changed.

    Memory does not grow with the size of the pictures: their thumbnails lie in a temporary file.

    Args:
        processes: how many work at once; the findings do not depend on it.
        say: is told of progress.

    Raises:
        DataError: no table of a known modality.
    """
    datasets, left_out = read_root(root)
    pictures = [named for dataset in datasets for named in named_in(dataset)]
    with TemporaryDirectory(prefix="prsbench-check-") as folder:
        facts, pairs = _examined(pictures, Path(folder) / "thumbnails", processes, say)
    tables = [Finding("table", problem) for dataset in datasets for problem in dataset.table_problems]
    tables += [Finding("table", sentence) for sentence in left_out]
    findings = [*tables, *findings_of(list(zip(pictures, facts, strict=True)), pairs), *_counts(datasets, pictures)]
    return Checked(root, tuple(dataset.name for dataset in datasets), pictures, facts, findings)


def write_excluded(checked: Checked, path: Path) -> int:
    """Write the masks' paths (image_path) of pictures that are too many or cannot be used: the key `exclude` of a grid's data.

    Returns how many. Of pictures in two splits, those of the last split are kept, in the order train, val, test.
    """
    reasons: dict[str, str] = {}
    for finding in checked.findings:
        for number in finding.excluded:
            reasons.setdefault(checked.pictures[number].mask, CHECKS[finding.check].title)
    head = f"# Pictures of {checked.root.name} that a grid leaves out by `exclude: {path.name}` beside `source: prs_med`."
    lines = [head, *(f"{mask}\t# {reason}" for mask, reason in sorted(reasons.items()))]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
    return len(reasons)


def _examined(
    pictures: Sequence[Named], thumbnails: Path, processes: int, say: Callable[[str], None]
) -> tuple[list[Facts | str], list[Pair]]:
    """The facts of every picture, and the pairs that look alike. thumbnails is a file that is written."""
    count = len(pictures)
    hashes = np.zeros(count, np.uint64)
    facts: list[Facts | str] = []
    together = chunks(range(count), CHUNK)
    blank = np.zeros((SIDE, SIDE), np.uint8)
    with thumbnails.open("wb") as file:
        for found in in_order(examine, ((chunk,) for chunk in chunks(pictures, CHUNK)), processes):
            for one in found:
                fact, thumb = (one, blank) if isinstance(one, str) else one
                hashes[len(facts)] = hashes_of_turns(thumb)[0]
                facts.append(fact)
                file.write(thumb.tobytes())
            say(f"{len(facts)} of {count} pictures examined")
    table, groups = Table(hashes), [named.group for named in pictures]
    readable = [[number for number in chunk if isinstance(facts[number], Facts)] for chunk in together]
    pairs: list[Pair] = []
    tasks = ((thumbnails, numbers, table, groups) for numbers in readable)
    for done, alike in enumerate(in_order(_pairs, tasks, processes)):
        pairs += alike
        say(f"{min((done + 1) * CHUNK, count)} of {count} pictures compared")
    return facts, pairs


def _pairs(thumbnails: Path, numbers: Sequence[int], table: Table, groups: Sequence[str]) -> list[Pair]:
    def thumbnail(number: int) -> NDArray[np.uint8]:  # read, not mapped: a mapped file counts as memory of this process
        start = number * SIDE * SIDE
        return np.fromfile(thumbnails, np.uint8, SIDE * SIDE, offset=start).reshape(SIDE, SIDE)

    return [pair for number in numbers for pair in pairs_of(number, thumbnail, table, groups)]


def _counts(datasets: Sequence[FolderDataset], pictures: Sequence[Named]) -> Iterator[Finding]:
    """Counts against the card of the root, and those of whole archives against their sources."""
    for dataset in datasets:
        own = [named for named in pictures if named.dataset == dataset.name]
        card = read_card(dataset.base).get("modalities", {}).get(dataset.name, {})
        for split in SPLITS if card else ():
            found, expected = sum(named.split == split for named in own), card.get("images_per_split", {}).get(split)
            if expected is not None and found != expected:
                yield Finding("count", f"{dataset.name}, {split}: {expected} pictures by the card, {found} in the table.")
        for archive in card.get("archives", ()):
            found = sum(named.group.startswith(f"{archive}/") for named in own)
            expected = SOURCES[archive].images if archive in SOURCES else None
            if expected is not None and found != expected:
                yield Finding("count", f"{dataset.name}: {found} pictures of {archive}, whose complete archive has {expected}.")

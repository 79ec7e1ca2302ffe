"""Rows of the results tables (one method on one data kind under one protocol, over its data sets and seeds) and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import stdev

from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.results import CellResult, ResultStatus, unchanged
from prsbench.harness.contract.types import DataKind, PromptSource, Weights
from prsbench.harness.report.statistics.means_and_differences import SampleCounts, mean_of_defined, mean_with_counts
from prsbench.harness.report.statistics.validity import NOT_VALID, is_doubtful, why_not_valid

UNKNOWN = "unknown"  # label of a method that was never loaded
_CONSTANT = {"position_accuracy": "position_constant", "answer_accuracy": "answer_constant"}  # and of the best constant answer


@dataclass(frozen=True)
class Row:
    """All cells of one method on one data kind under one protocol; real and synthetic data never share a row.

    across_prompts: the row is ranked together with rows of other prompt sources.
    """

    method: str
    data_kind: DataKind
    protocol: str
    cells: tuple[CellResult, ...]
    across_prompts: bool = False

    def label(self, name: str) -> str:
        """A label (prompt_source, weights, text_source) as text: every value if cells differ, "unknown" if no cell was loaded."""
        return " / ".join(dict.fromkeys(str(getattr(c.labels, name)) for c in self.cells if c.labels)) or UNKNOWN

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for cell in self.cells if cell.labels for note in cell.labels.notes))

    @property
    def judges(self) -> tuple[str, ...]:
        """The models that judged the text of this row, with their versions."""
        return tuple(dict.fromkeys(cell.judge for cell in self.cells if cell.judge))

    @property
    def judge_notes(self) -> tuple[str, ...]:
        """Warnings about the models that judged the text of this row, such as random weights."""
        return tuple(dict.fromkeys(note for cell in self.cells for note in cell.judge_notes))

    @property
    def has_random_weights(self) -> bool:
        return any(cell.labels is not None and cell.labels.weights is Weights.RANDOM for cell in self.cells)

    @property
    def is_reference(self) -> bool:
        """Whether the row is a floor or ceiling, which is not ranked."""
        return self.label("prompt_source") in (PromptSource.TRUTH, PromptSource.NONE)

    @property
    def ranked_with(self) -> tuple[str, ...] | None:
        """The row's ranking: only rows with the same key are compared. None if the row is not ranked."""
        source = self.label("prompt_source")
        if self.is_reference or source not in list(PromptSource):
            return None
        return (str(self.data_kind), self.protocol, "any prompt" if self.across_prompts else source)


@dataclass(frozen=True, slots=True)
class Score:
    """One number of a row. `status` is "" or why there is no number: FAILED, SKIPPED, MISSING or NOT_VALID.

    value is the mean over seeds, spread the standard deviation over seeds (NaN for one seed). Both are NaN, with status "",
    where the metric is defined for no sample. is_doubtful: the judge that it depends on is worse here than its mean point.
    is_below_constant: it is a position or answer accuracy below that of the best constant answer.
    """

    value: float
    spread: float
    status: str
    counts: SampleCounts
    n_cells: int
    n_incomplete: int
    is_doubtful: bool = False
    is_below_constant: bool = False

    @property
    def failed_text(self) -> str:
        """The text after the number if samples failed: " [2 failed]"."""
        return f" [{self.counts.n_failed} failed]" if self.counts.n_failed else ""

    @property
    def is_complete(self) -> bool:
        """Whether it may be ranked: there is a number, no sample failed, and the judge is not in doubt."""
        return isfinite(self.value) and self.counts.n_failed == 0 and not self.is_doubtful


def rows_of(cells: Sequence[CellResult], across_prompts: bool = False) -> list[Row]:
    """Group cells into rows, sorted by data kind, protocol and prompt source, then by first appearance.

    A data set on which another method of the same data kind and protocol was run, but not this one, becomes a missing cell, so
    that no mean silently covers fewer modalities. Methods that were not run at all are no rows, as `not_run` says, and cells on
    changed test pictures are in none.
    """
    cells = unchanged(cells)
    gathered: dict[tuple[str, DataKind, str], list[CellResult]] = {}
    left_out = not_run(cells)
    for cell in cells:
        if cell.method in left_out:
            continue
        gathered.setdefault((cell.method, cell.data_kind, cell.protocol), []).append(cell)
    rows = [Row(*key, _with_missing(group, cells), across_prompts) for key, group in gathered.items()]
    return sorted(rows, key=_order)


def not_run(cells: Sequence[CellResult]) -> list[str]:
    """The methods of the grid of which no cell was begun, such as those left out by --only; none if no method was run."""
    begun = {cell.method for cell in cells if cell.status != ResultStatus.MISSING}
    return [method for method in dict.fromkeys(cell.method for cell in cells) if method not in begun] if begun else []


def modalities_of(cells: Sequence[CellResult]) -> list[str]:
    """The modalities that occur, in the contract's order, then unknown ones by name."""
    present = {cell.modality for cell in cells}
    return [name for name in MODALITIES if name in present] + sorted(present - set(MODALITIES))


def summarise(row: Row, metric: str, modality: str | None = None) -> Score:
    """A row's score in one modality, or its mean over modalities.

    Modalities have equal weights, and so have the data sets within each. An incomplete cell in scope leaves no number.
    Modalities where the metric is defined for no sample are left out. A data set where the metric is not valid leaves no number.
    """
    scope = [cell for cell in row.cells if modality in (None, cell.modality)]
    means = [(cell, *mean_with_counts(cell, metric)) for cell in scope]
    counts = sum((counts for _, _, counts in means), SampleCounts())
    lost = [c for c, _, n in means if c.status != ResultStatus.COMPLETE or (n.n_failed and not n.n_scored + n.n_undefined)]
    if lost:
        status = next((c.status.upper() for c in lost if c.status != ResultStatus.COMPLETE), ResultStatus.FAILED.upper())
        return Score(nan, nan, status, counts, len(scope), len(lost))
    if n_refused := sum(bool(why_not_valid(cell, metric)) for cell in scope):
        return Score(nan, nan, NOT_VALID, counts, len(scope), n_refused)
    by_seed = _mean_by_seed(scope, metric)
    defined = [value for value in by_seed if isfinite(value)]
    value, spread = mean_of_defined(defined), stdev(defined) if len(defined) > 1 else nan
    is_below = metric in _CONSTANT and value < mean_of_defined(_mean_by_seed(scope, _CONSTANT[metric]))
    return Score(value, spread, "", counts, len(scope), 0, is_doubtful(scope, metric), is_below)


def _mean_by_seed(cells: Sequence[CellResult], metric: str) -> list[float]:
    """Of each seed, the mean over data sets within each modality, then over modalities."""
    means = [(cell.seed, cell.modality, mean_with_counts(cell, metric)[0]) for cell in cells]
    return [
        mean_of_defined(mean_of_defined(mean for *where, mean in means if where == [seed, name]) for name in modalities_of(cells))
        for seed in sorted({cell.seed for cell in cells})
    ]


def _with_missing(group: Sequence[CellResult], cells: Sequence[CellResult]) -> tuple[CellResult, ...]:
    first = group[0]
    present = {(cell.dataset, cell.seed) for cell in group}
    expected = {cell.dataset: cell for cell in cells if cell.data_kind is first.data_kind and cell.protocol == first.protocol}
    missing = {"method": first.method, "status": ResultStatus.MISSING, "error": "not part of this run", "labels": None}
    absent = [
        other.without_numbers(seed=seed, **missing)
        for dataset, other in expected.items()
        for seed in {cell.seed for cell in group}
        if (dataset, seed) not in present
    ]
    return tuple(sorted([*group, *absent], key=lambda c: (_rank(MODALITIES, c.modality), c.dataset, c.seed)))


def _order(row: Row) -> tuple[int, str, int]:
    return (_rank(list(DataKind), row.data_kind), row.protocol, _rank(list(PromptSource), row.label("prompt_source")))


def _rank(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)

"""Tables of uncertainty: 95 % intervals of each row's means, and significance tests between rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

from prsbench.harness.contract.types import PromptSource
from prsbench.harness.report.statistics.intervals import POWER
from prsbench.harness.report.statistics.means_and_differences import (
    MeanInterval,
    PairedDifference,
    mean_intervals,
    n_trainings,
    paired_differences,
)
from prsbench.harness.report.statistics.rows import Row, summarise
from prsbench.harness.report.statistics.significance import holm
from prsbench.harness.report.statistics.validity import NOT_VALID
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import (
    LABELS,
    Table,
    judges_of,
    labels_of,
    marked,
    number_text,
    text_table,
)
from prsbench.metrics.catalog import METRICS

METRICS_COMPARED = ("mdice_pranet", "dice@0.5", "prscore", "position_accuracy")
MOST_PAIRS = 500  # of rows; more would take hours, and Holm's correction would leave nothing significant
_PAIR = ("metric", "method", "against", "prompt source", "data kind", "judge")
_NUMBERS = ("difference", "95% low", "95% high", "p", "resolves", "d_z", "rank-biserial", "groups", "trainings")


def intervals(rows: Sequence[Row]) -> Table:
    """Means over modalities with their 95 % intervals."""
    lines, metrics = [], (*METRICS_COMPARED, "position_constant")
    for row in rows:
        means = mean_intervals(row.cells, metrics)
        texts = [_interval_text(row, metric, mean) for metric, mean in zip(metrics, means, strict=True)]
        groups = " / ".join(dict.fromkeys(str(m.n_groups) for m in means if m.n_groups))  # metrics may have different samples
        reasons = dict.fromkeys(m.reason for m in means if m.reason)
        lines.append([*labels_of(row), *texts, groups or "0", str(n_trainings(row.cells) or "-"), "; ".join(reasons) or "-"])
    numbers = [*(METRICS[metric].title for metric in metrics), "groups", "trainings"]
    caption = "Means over modalities with 95 % intervals over patients, videos or cases, and over trainings if there are several."
    notes = (*footnotes.of_data(rows), footnotes.INTERVAL, footnotes.TRAININGS, *footnotes.of_validity(rows), footnotes.CONSTANT)
    return text_table("intervals", "Intervals", caption, LABELS, numbers, lines, notes, remarks=["remark"])


def _interval_text(row: Row, metric: str, mean: MeanInterval) -> str:
    score = summarise(row, metric)
    if score.status == NOT_VALID:
        return NOT_VALID
    if not isfinite(mean.low):
        return "-"
    doubt = footnotes.DOUBTFUL if score.is_doubtful else ""
    below = footnotes.BELOW_CONSTANT if score.is_below_constant and not row.is_reference else ""
    return marked(f"{mean.mean:z.3f}{doubt}{below} [{mean.low:z.3f}, {mean.high:z.3f}]", metric, row)


def comparisons(rows: Sequence[Row]) -> Table | None:
    """Paired differences between methods with tests and effect sizes; None if no two rows may be compared."""
    pairs = [(first, second) for i, first in enumerate(rows) for second in rows[i + 1 :] if _may_be_compared(first, second)]
    if not pairs:
        return None
    is_bounded = len(pairs) > MOST_PAIRS
    if is_bounded:
        pairs = _with_the_first(pairs)
    lines, differences_of = [], [paired_differences(first.cells, second.cells, METRICS_COMPARED) for first, second in pairs]
    for number, metric in enumerate(METRICS_COMPARED):
        differences = [of_pair[number] for of_pair in differences_of]
        for (first, second), difference, p in zip(pairs, differences, holm([d.p for d in differences]), strict=True):
            source = " / ".join(dict.fromkeys([first.label("prompt_source"), second.label("prompt_source")]))
            title = marked(METRICS[metric].title, metric, first, second)
            labels = [title, first.method, second.method, source, first.data_kind.label, judges_of((first, second))]
            lines.append([*labels, *_numbers(difference, p), difference.reason or "-"])
    data = footnotes.of_data([row for pair in pairs for row in pair])
    bound = (footnotes.BOUNDED_COMPARISONS.format(most=MOST_PAIRS),) if is_bounded else ()
    rivals = [d for (first, second), d in zip(pairs, differences_of, strict=True) if first.ranked_with == second.ranked_with]
    resolved = resolution([pair for d in rivals or differences_of for pair in zip(METRICS_COMPARED, d, strict=True)])
    notes = (*data, *bound, *resolved, *footnotes.COMPARISONS)
    caption = "Method minus the method in column 'against': mean paired difference on the same samples, over all modalities."
    return text_table("comparisons", "Comparisons", caption, _PAIR, _NUMBERS, lines, notes, remarks=["remark"])


def resolution(found: Sequence[tuple[str, PairedDifference]]) -> list[str]:
    """Notes on what these differences, each with its metric, can and cannot tell; none if no difference has an interval."""
    known = [(metric, paired) for metric, paired in found if isfinite(paired.resolvable)]
    if not known:
        return []
    by_metric: dict[str, list[float]] = {}
    for metric, paired in known:
        by_metric.setdefault(METRICS[metric].title, []).append(paired.resolvable)
    sizes = ", ".join(f"{title} {_range_text(values)}" for title, values in by_metric.items())
    groups = _range_text([paired.n_groups for _, paired in known], "d")
    trainings = sorted({paired.n_trainings for _, paired in known} - {0})
    seeds = f" and {_range_text(trainings, 'd')} training{'s' * (trainings[-1] > 1)} a side" if trainings else ""
    note = (
        f"Resolves: with {groups} groups{seeds}, true differences of this size are found in {POWER * 100:.0f} % of tests at the "
        f"5 % level (two-sided): {sizes}. Smaller ones are likely to be missed."
    )
    return [note, footnotes.ONE_TRAINING] if 1 in trainings else [note]


def _range_text(values: Sequence[float], form: str = ".3f") -> str:
    ends = dict.fromkeys(format(value, form) for value in (min(values), max(values)))
    return " to ".join(ends)


def _with_the_first(pairs: Sequence[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    """The pairs of each ranking's first row in the grid's order; choosing the best row would bias the tests."""
    leaders: dict[tuple[str, ...] | None, Row] = {}
    for first, _ in pairs:
        leaders.setdefault(first.ranked_with, first)
    return [pair for pair in pairs if pair[0] is leaders[pair[0].ranked_with]]


def _may_be_compared(first: Row, second: Row) -> bool:
    """Whether the rows are ranked together, or the first is ranked and the second is a floor (prompt source none)."""
    if first.ranked_with is None or (first.data_kind, first.protocol) != (second.data_kind, second.protocol):
        return False
    return first.ranked_with == second.ranked_with or second.label("prompt_source") == PromptSource.NONE


def _numbers(paired: PairedDifference, p: float) -> list[str]:
    signed = [number_text(value, "+z.3f") for value in (paired.difference, paired.low, paired.high)]
    effects = ["-" if isnan(value) else f"{value:+z.2f}" for value in (paired.dz, paired.rank_biserial)]  # d_z may be infinite
    counts = [str(paired.n_groups), str(paired.n_trainings or "-")]
    return [*signed, "<0.0001" if p < 1e-4 else number_text(p, ".4f"), number_text(paired.resolvable), *effects, *counts]

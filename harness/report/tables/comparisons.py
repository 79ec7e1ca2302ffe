"""Tables of uncertainty: 95 % intervals of each row's means, and significance tests between rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

from prsbench.harness.contract.types import PromptSource
from prsbench.harness.report.statistics.means_and_differences import PairedDifference, mean_intervals, paired_differences
from prsbench.harness.report.statistics.rows import Row
from prsbench.harness.report.statistics.significance import holm
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import LABELS, Table, data_kind_of, labels_of, marked, number_text, text_table
from prsbench.metrics.catalog import METRICS

METRICS_COMPARED = ("mdice_pranet", "dice@0.5", "prscore", "position_accuracy")
MOST_PAIRS = 500  # of rows; more would take hours, and Holm's correction would leave nothing significant
_PAIR = ("metric", "method", "against", "prompt source", "data kind")
_NUMBERS = ("difference", "95% low", "95% high", "p bootstrap", "p Wilcoxon", "d_z", "rank-biserial", "groups")


def intervals(rows: Sequence[Row]) -> Table:
    """Means over modalities with their 95 % intervals."""
    lines = []
    for row, means in zip(rows, mean_intervals([row.cells for row in rows], METRICS_COMPARED), strict=True):
        plain = [f"{m.mean:.3f} [{m.low:.3f}, {m.high:.3f}]" if isfinite(m.low) else "-" for m in means]
        texts = [marked(text, metric, row) for text, metric in zip(plain, METRICS_COMPARED, strict=True)]
        reasons = dict.fromkeys(m.reason for m in means if m.reason)
        lines.append([*labels_of(row), *texts, "; ".join(reasons) or "-"])
    numbers = [METRICS[metric].title for metric in METRICS_COMPARED]
    caption = "Means over modalities with 95 % intervals over patients, videos or cases."
    notes = (*footnotes.of_data(rows), footnotes.INTERVAL)
    return text_table("intervals", "Intervals", caption, LABELS, numbers, lines, notes, remarks=["remark"])


def comparisons(rows: Sequence[Row]) -> Table | None:
    """Paired differences between methods with tests and effect sizes; None if no two rows may be compared."""
    pairs = [(first, second) for i, first in enumerate(rows) for second in rows[i + 1 :] if _may_be_compared(first, second)]
    if not pairs:
        return None
    is_bounded = len(pairs) > MOST_PAIRS
    if is_bounded:
        pairs = _with_the_first(pairs)
    lines, differences_of = [], paired_differences([(first.cells, second.cells) for first, second in pairs], METRICS_COMPARED)
    for number, metric in enumerate(METRICS_COMPARED):
        differences = [of_pair[number] for of_pair in differences_of]
        corrected = zip(holm([d.p_bootstrap for d in differences]), holm([d.p_wilcoxon for d in differences]), strict=True)
        for (first, second), difference, p in zip(pairs, differences, corrected, strict=True):
            source = " / ".join(dict.fromkeys([first.label("prompt_source"), second.label("prompt_source")]))
            title = marked(METRICS[metric].title, metric, first, second)
            labels = [title, first.method, second.method, source, data_kind_of(first)]
            lines.append([*labels, *_numbers(difference, *p), difference.reason or "-"])
    data = footnotes.of_data([row for pair in pairs for row in pair])
    bound = (footnotes.BOUNDED_COMPARISONS.format(most=MOST_PAIRS),) if is_bounded else ()
    notes = (*data, *bound, *footnotes.COMPARISONS)
    caption = "Method minus the method in column 'against': mean paired difference on the same samples, over all modalities."
    return text_table("comparisons", "Comparisons", caption, _PAIR, _NUMBERS, lines, notes, remarks=["remark"])


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


def _numbers(paired: PairedDifference, p_bootstrap: float, p_wilcoxon: float) -> list[str]:
    signed = [number_text(value, "+.3f") for value in (paired.difference, paired.low, paired.high)]
    p_values = [number_text(value, ".4f") for value in (p_bootstrap, p_wilcoxon)]
    effects = ["-" if isnan(value) else f"{value:+.2f}" for value in (paired.dz, paired.rank_biserial)]  # d_z may be infinite
    return [*signed, *p_values, *effects, str(paired.n_groups)]

"""Table of ranks: how stable each row's place is among the rows of its prompt source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prsbench.harness.report.statistics.means_and_differences import n_trainings
from prsbench.harness.report.statistics.ranks import FEW_GROUPS, RESAMPLES, Rank
from prsbench.harness.report.statistics.ranks import ranks as ranks_of
from prsbench.harness.report.statistics.rows import Row
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.comparisons import METRICS_COMPARED
from prsbench.harness.report.tables.table import Table, marked, number_text, text_table
from prsbench.metrics.catalog import METRICS

_LABELS = ("metric", "method", "prompt source", "data kind")
_NUMBERS = ("mean", "rank", "first", "rank low", "rank high", "P(next as good)", "groups", "trainings")
_NOTE = (
    f"{RESAMPLES} resamples of patients, videos or cases within each data set, the same for all rows, and of trainings where a "
    "row has several. first: share of resamples in which the row is first. rank low, rank high: central 95 % of its ranks. "
    "P(next as good): share in which the row behind it is at least as good, so that the claim 'better than the next' is false."
)
_ONE_TRAINING = "Trainings: with one, another training may change the ranks; these shares do not hold it."

Rankings = Mapping[str, Sequence[Sequence[Rank]]]  # by metric


def rankings_of(rows: Sequence[Row]) -> Rankings:
    """Every ranking of two rows or more in the metrics that `comparisons` tests, for all that show ranks: it takes seconds."""
    return {metric: ranks_of(rows, metric) for metric in METRICS_COMPARED}


def ranks(rankings: Rankings) -> Table | None:
    """The table of these rankings; None if there is none."""
    lines, ranked = [], []
    for metric, found in rankings.items():
        for ranking in found:
            for one in ranking:
                row = one.row
                ranked.append(row)
                title = marked(METRICS[metric].title, metric, row)
                numbers = [number_text(one.mean), str(one.rank), number_text(one.share_first, ".2f"), str(one.low), str(one.high)]
                numbers += [number_text(one.p_next, ".2f"), str(one.n_groups), str(n_trainings(row.cells) or "-")]
                few = f"fewer than {FEW_GROUPS} groups" if one.n_groups < FEW_GROUPS else "-"
                lines.append([title, row.method, row.label("prompt_source"), row.data_kind.label, *numbers, few])
    if not lines:
        return None
    caption = "Place of each row among the complete rows of its prompt source."
    one_training = [_ONE_TRAINING] if any(n_trainings(row.cells) == 1 for row in ranked) else []
    notes = (*footnotes.of_data(ranked), _NOTE, *one_training)
    return text_table("ranks", "Ranks", caption, _LABELS, _NUMBERS, lines, notes, remarks=["remark"])

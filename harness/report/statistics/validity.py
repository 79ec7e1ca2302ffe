"""Where PRScore says nothing: data sets whose references its judge, Text2Centroid, cannot read, and groups that it misreads."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, nan

from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.summary import Tally
from prsbench.metrics.catalog import METRICS

NOT_VALID = "not valid here"  # printed in place of a number
LEAST_SAMPLES = 10  # with a reference, of which a data set can be refused
LEAST_AUC = 0.7  # acceptable discrimination (Hosmer and Lemeshow, Applied Logistic Regression)
LEAST_AUC_OF_WORSE = 0.8  # excellent discrimination (the same), asked of a judge that is worse than its mean point
_NOTHING_SCORED = Tally(nan, 0, 0, 0)


def why_not_valid(cell: CellResult, metric: str) -> str:
    """Why this metric is not valid on the cell's data set, in one line; "" if it is, or if that cannot be told.

    It is not valid if it depends on the judge, at least LEAST_SAMPLES references are known, and the judge cannot read them: its
    AUC is below LEAST_AUC, or is not at least LEAST_AUC_OF_WORSE where its error is not below that of the mean point. A subgroup
    shares the verdict of its data set.
    """
    if not METRICS[metric].needs_valid_judge:
        return ""
    error, mean_point, auc = (_tally(cell, name) for name in ("judge_error", "mean_point_error", "judge_auc"))
    cannot_read = auc.mean < LEAST_AUC or (error.mean >= mean_point.mean and not auc.mean >= LEAST_AUC_OF_WORSE)
    if error.n_scored < LEAST_SAMPLES or not cannot_read:
        return ""
    return (
        f"judge error {error.mean:.3f}, mean point error {mean_point.mean:.3f}, judge AUC {auc.mean:.2f} on {cell.dataset} "
        f"({error.n_scored} references)"
    )


def n_references(cell: CellResult) -> int:
    """How many references of the cell's data set the judge was tried on."""
    return _tally(cell, "judge_error").n_scored


def is_doubtful(cells: Sequence[CellResult], metric: str) -> bool:
    """Whether the metric depends on a judge whose error on these cells' own references is not below that of the mean point."""
    summaries = [cell.summary for cell in cells if cell.summary] if METRICS[metric].needs_valid_judge else []
    known = [(s.tallies.get("judge_error"), s.tallies.get("mean_point_error")) for s in summaries]
    excess = [e.n_scored * (e.mean - m.mean) for e, m in known if e and m and 0 < e.n_scored == m.n_scored]
    return bool(excess) and fsum(excess) >= 0


def _tally(cell: CellResult, metric: str) -> Tally:
    summary = cell.dataset_summary or cell.summary
    return summary.tallies.get(metric, _NOTHING_SCORED) if summary else _NOTHING_SCORED

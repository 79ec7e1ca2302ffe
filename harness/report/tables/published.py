"""Published numbers beside reproduced ones: every row of `results/published.csv`, our number, and whether the two agree."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path

from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.types import DataKind, Weights
from prsbench.harness.report.statistics.means_and_differences import MeanInterval, mean_intervals
from prsbench.harness.report.statistics.rows import Row, Score, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.paper import title_of
from prsbench.harness.report.tables.scores import number_or_status
from prsbench.harness.report.tables.table import Table, number_text, text_table
from prsbench.metrics.catalog import METRICS

PUBLISHED = Path(__file__).parents[3] / "results" / "published.csv"
METRIC_OF: Mapping[str, str] = {"mdice": "mdice_pranet", "miou": "miou_pranet", "prscore": "prscore"}
# The rows that stand for a published method: those with its weights first, then our embedded ones.
ROWS_OF: Mapping[str, tuple[str, ...]] = {
    "cg_reasoner": ("cg_reasoner_checkpoint", "cg_reasoner", "cg_reasoner_small"),
    "cg_reasoner_without_t2c": ("cg_reasoner_without_t2c",),
    "prs_med": ("prs_med_official", "prs_med"),
    "lisa_7b": ("lisa_7b", "lisa_tiny"),
    "lisa_13b": ("lisa_13b",),
    "biomedparse": ("biomedparse",),
    "grounding_dino_sam_med2d": ("grounding_dino_sam_med2d",),
}
PAPER_SIZE = "paper size"  # a row whose notes hold it has the published size
ROUNDING = 0.0005  # published numbers have three digits
RULE = (
    "Verdict: match: the published number, give or take its rounding, lies in our 95 % interval; off: it does not. 'not "
    "comparable' names each reason: synthetic images; another test set (data that `prsbench prepare` wrote have splits of their "
    "own; the official data set has no card, so its kind is UNDECLARED); another size or other weights than published; PRScore, "
    "whose published judge was never released. Published numbers are means without n or spread."
)
_LABELS = ("published method", "modality", "metric", "source", "row", "data kind")
_NUMBERS = ("published", "ours", "difference", "95% low", "95% high", "n")


@dataclass(frozen=True, slots=True)
class PublishedNumber:
    """One line of `results/published.csv`; metric is a name of our catalog."""

    method: str
    modality: str
    metric: str
    value: float
    source: str


@cache
def published_numbers() -> tuple[PublishedNumber, ...]:
    """The published numbers in the file's order."""
    with PUBLISHED.open(newline="") as file:
        return tuple(
            PublishedNumber(line["method"], line["modality"], METRIC_OF[line["metric"]], float(line["value"]), line["source"])
            for line in csv.DictReader(file)
        )


def published_and_reproduced(rows: Sequence[Row]) -> Table:
    """Every published number, once for each of our rows that stands for its method, or once as "not run"."""
    standing = {method: _rows_for(method, rows) for method in ROWS_OF}
    lines = []
    for number in published_numbers():
        known = [title_of(number.method).replace(" (embedded)", ""), number.modality, METRICS[number.metric].title, number.source]
        if not standing[number.method]:
            lines.append([*known, "-", "-", number_text(number.value), *["-"] * 5, "not run"])
        lines += [
            [*known, row.method, row.data_kind.label, number_text(number.value), *_ours(number, row)]
            for row in standing[number.method]
        ]
    notes = (*footnotes.of_data([row for some in standing.values() for row in some]), RULE)
    caption = "Each published number, and ours minus it."
    return text_table("published", "Published beside reproduced", caption, _LABELS, _NUMBERS, lines, notes, ["verdict"])


def _rows_for(method: str, rows: Sequence[Row]) -> list[Row]:
    names = ROWS_OF[method]
    found = [row for row in rows if row.method.partition(VARIANT_MARK)[0] in names]
    return sorted(found, key=lambda row: names.index(row.method.partition(VARIANT_MARK)[0]))


def _ours(number: PublishedNumber, row: Row) -> list[str]:
    """Our number with its difference, interval and n, and the verdict."""
    cells = [cell for cell in row.cells if cell.modality == number.modality]
    if not cells:
        return [*["-"] * 5, "not run"]
    score = summarise(row, number.metric, number.modality)
    n = f"{score.counts.n_scored}/{score.counts.n_manifest}"
    if not isfinite(score.value):
        return [number_or_status(score, row.is_reference), *["-"] * 3, n, f"no number: {score.status or 'undefined'}"]
    [mean] = mean_intervals(cells, [number.metric])
    ends = [number_text(value) for value in (mean.low, mean.high)]
    difference = number_text(score.value - number.value, "+z.3f")
    return [number_text(score.value), difference, *ends, n, verdict(number, row, cells, score, mean)]


def verdict(number: PublishedNumber, row: Row, cells: Sequence[CellResult], score: Score, mean: MeanInterval) -> str:
    """match, off, or why the two numbers cannot be compared."""
    reasons = [_of_data(kind) for kind in dict.fromkeys(cell.data_kind for cell in cells) if _of_data(kind)]
    weights = row.label("weights")
    if VARIANT_MARK in row.method:
        reasons.append("a variant")
    if weights not in (Weights.OFFICIAL, Weights.PACKAGED) and not any(PAPER_SIZE in note for note in row.notes):
        reasons.append("another size")
    elif weights not in (Weights.OFFICIAL, Weights.TRAINED_HERE):
        reasons.append(f"other weights ({weights})")
    if number.metric == "prscore":
        reasons.append("another judge")
    if score.counts.n_failed:
        reasons.append(f"{score.counts.n_failed} failed")
    if reasons:
        return f"not comparable: {', '.join(reasons)}"
    if not isfinite(mean.low):
        return f"open: {mean.reason or 'no interval'}"
    return "match" if mean.low - ROUNDING <= number.value <= mean.high + ROUNDING else "off"


def _of_data(kind: DataKind) -> str:
    return {DataKind.SYNTHETIC: "synthetic", DataKind.REAL: "another test set"}.get(kind, "")

"""Spread over paraphrases: how far a row's scores move between different questions about the same image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite, nan

import numpy as np
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.modalities import ALL
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.results import ResultStatus
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.harness.report.statistics.rows import Row
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import LABELS, Table, labels_of, marked, number_text, text_table
from prsbench.metrics.catalog import METRICS

MEASURED = ("dice@0.5", "prscore", "position_accuracy")
LEAST_ASKED = 5  # images that a wording must have been asked about to be the worst
NOTE = (
    "Spread: standard deviation (n - 1) of the scores of one image's questions, mean over the images with two or more; 0 where "
    "the wording does not matter. Worst wording: the question with the lowest mean position accuracy among those asked about "
    f"{LEAST_ASKED} images or more, the names of target and image replaced by *."
)
Asked = tuple[Record, Mapping[str, float]]


def paraphrases(rows: Sequence[Row]) -> Table | None:
    """One line per row with images that were asked about twice or more; None if there is none."""
    lines = []
    for row in rows:
        asked = _asked(row)
        several = [some for some in asked.values() if len(some) > 1]
        if not several:
            continue
        spreads = [mean_of_defined(_spread(some, metric) for some in several) for metric in MEASURED]
        wording, accuracy, n = _worst([one for some in asked.values() for one in some])
        numbers = [marked(number_text(value), metric, row) for value, metric in zip(spreads, MEASURED, strict=True)]
        lines.append([*labels_of(row), *numbers, number_text(accuracy), str(n), str(len(several)), wording])
    if not lines:
        return None
    numbers_of = [*(f"{METRICS[metric].title} spread" for metric in MEASURED), "worst wording's pos.", "its n", "images"]
    caption = "How much the wording of the question matters: several questions about one image."
    notes = (*footnotes.of_data(rows), NOTE)
    return text_table("paraphrases", "Paraphrases", caption, LABELS, numbers_of, lines, notes, remarks=["worst wording"])


def _asked(row: Row) -> dict[tuple[str, int, str, str], list[Asked]]:
    """The answered questions of each image, seed and family; sample ids are `image#number of the question`."""
    found: dict[tuple[str, int, str, str], list[Asked]] = {}
    for cell in row.cells:
        try:
            details = cell.read() if cell.status == ResultStatus.COMPLETE else ((), ())
        except RunFolderError:  # `prsbench verify` reports the damage
            continue
        for record, scores in zip(*details, strict=True):
            if record.status == SampleStatus.OK:
                image = record.sample_id.rpartition("#")[0] or record.sample_id
                found.setdefault((cell.dataset, cell.seed, image, record.family), []).append((record, scores))
    return found


def _spread(some: Sequence[Asked], metric: str) -> float:
    values = [value for _, scores in some if isfinite(value := scores.get(metric, nan))]
    return float(np.std(values, ddof=1)) if len(values) > 1 else nan


def _worst(asked: Sequence[Asked]) -> tuple[str, float, int]:
    """The wording with the lowest position accuracy, its accuracy, and how often it was asked; "-" if none was asked often."""
    by_wording: dict[str, list[float]] = {}
    for record, scores in asked:
        if isfinite(value := scores.get("position_accuracy", nan)):
            by_wording.setdefault(wording_of(record), []).append(value)
    means = {wording: mean_of_defined(values) for wording, values in by_wording.items() if len(values) >= LEAST_ASKED}
    if not means:
        return "-", nan, 0
    worst = min(means, key=lambda wording: (means[wording], wording))
    return worst, means[worst], len(by_wording[worst])


def wording_of(record: Record) -> str:
    """The question without the names of target and image, so that a template is one wording in all modalities.

    Example: "Where is the tumour in the MRI image?" is "Where is the * in the *?".
    """
    nouns = {noun for m in ALL for noun in (m.target, m.phantom_target, m.image_noun)}
    pattern = "|".join(re.escape(noun) for noun in sorted(nouns, key=len, reverse=True))
    return re.sub(rf"\b(?:{pattern})\b", "*", record.question)

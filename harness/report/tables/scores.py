"""Tables of scores, as data frames of formatted text. The same cells give the same bytes, in whatever order they ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from sys import intern

import pandas as pd
from prsbench.harness.contract.errors import first_line
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.report.statistics.means_and_differences import mean_with_counts
from prsbench.harness.report.statistics.rows import Row, Score, modalities_of, summarise
from prsbench.harness.report.statistics.validity import LEAST_SAMPLES, NOT_VALID, is_doubtful, n_references, why_not_valid
from prsbench.harness.report.tables import footnotes, subgroups
from prsbench.harness.report.tables.table import LABELS, Column, Table, labels_of, marked, modality_text, text_table
from prsbench.metrics.catalog import METRICS

REASONING = (
    "prscore", "prscore_corrected", "prscore_chance", "s_sem", "s_spatial", "s_vis", "position_accuracy", "position_constant",
    "distance_word_accuracy", "absence_accuracy", "centroid_error_of_text", "direction_undefined",
)  # fmt: skip
LEVELS = (
    "prscore", "prscore_corrected", "prscore_chance", "prscore_constant", "prscore_opposite", "prscore_ceiling",
    "judge_error", "mean_point_error", "label_mean_error", "judge_auc", "centroid_error_of_text", "position_accuracy",
    "position_constant",
)  # fmt: skip
PRANET = (
    "mdice_pranet", "miou_pranet", "weighted_f_pranet", "s_measure_pranet", "e_measure_mean_pranet", "mae_pranet",
    "e_measure_max_pranet", "maxdice_pranet", "maxiou_pranet", "sensitivity_pranet", "specificity_pranet",
)  # fmt: skip
LESIONS = (
    "hd95_px", "nsd_2px", "hd95_mm", "nsd_2mm", "sensitivity@0.5", "specificity@0.5",
    "lesion_sensitivity", "lesions_missed", "lesions_false", "prediction_empty",
)  # fmt: skip
TEXT = (
    "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "s_sem", "position_accuracy", "position_constant",
    "position_not_understood",
)  # fmt: skip
Columns = Mapping[Column, tuple[str, Sequence[Score]]]  # of each column its metric, and its score in each row


def subgroup(rows: Sequence[Row], name: str) -> Table:
    """Dice, PRScore and position accuracy in each subgroup of one kind, means over the modalities that have it."""
    title, groups, membership = subgroups.KINDS[name]
    members = membership(rows)
    metrics = ("dice@0.5", "prscore", "position_accuracy", "position_constant")
    subsets = subgroups.Subsets(members)
    scores: dict[tuple[str, str], list[Score]] = {(group, metric): [] for group in (*groups, "mean") for metric in metrics}
    for row in rows:  # frees the subsets of one row before those of the next are made
        for group, subset in (*subsets.of(row, groups).items(), ("mean", row)):
            for metric in metrics:
                scores[group, metric].append(summarise(subset, metric))
    columns = {Column(group, METRICS[metric].title): (metric, column) for (group, metric), column in scores.items()}
    group_of_each = list(members.values())
    sizes = f"Samples: {', '.join(f'{group} {group_of_each.count(group)}' for group in groups)}. {footnotes.SUBGROUPS}"
    caption = f"{title}: Dice, PRScore and position accuracy; means over the modalities that have such samples."
    return _table(name, title, caption, rows, columns, sizes, *_reasoning_notes(rows))


def by_family(rows: Sequence[Row]) -> Table | None:
    """The accuracy of each family of questions beside that of its best constant answer; None if all are of the official one."""
    families = subgroups.families_in(rows)
    if not families:
        return None
    of_places, of_answers = ("position_accuracy", "position_constant"), ("answer_accuracy", "answer_constant")
    of_family = {family: of_places if FAMILIES[family].states_place else of_answers for family in families}
    metrics: dict[str, tuple[str, ...]] = {**of_family, "mean": (*of_places, *of_answers)}
    scores: dict[tuple[str, str], list[Score]] = {(group, metric): [] for group in metrics for metric in metrics[group]}
    for row in rows:
        parts = {**subgroups.by_family(row, families), "mean": row}
        for (group, metric), column in scores.items():
            column.append(summarise(parts[group], metric))
    columns = {Column(group, METRICS[metric].title): (metric, column) for (group, metric), column in scores.items()}
    rules = "; ".join(f"{family}: {FAMILIES[family].rule}" for family in families)
    caption = "Accuracy by family of questions: the place that is named, or what else is asked; means over modalities."
    return _table("by_family", "Families of questions", caption, rows, columns, f"{rules}.", footnotes.FAMILIES)


def overview(rows: Sequence[Row], notes: Sequence[str] = ()) -> Table:
    """The means that a first look needs, for a terminal of 80 columns; notes are more footnotes."""
    metrics = ("mdice_pranet", "prscore", "position_accuracy", "position_constant")
    caption = "Means over modalities."
    return _means("overview", "Overview", caption, rows, metrics, *_reasoning_notes(rows), *notes)


def main(rows: Sequence[Row], notes: Sequence[str] = ()) -> Table:
    """Segmentation by the published protocol in every modality, with `dice@0.5` next to the means; notes are more footnotes."""
    metrics = ("mdice_pranet", "miou_pranet")
    caption = "mDice and mIoU (PraNet protocol) per modality; Dice@0.5 next to their means over modalities."
    table = _by_modality("main", "Segmentation, published protocol", caption, rows, metrics, (*metrics, "dice@0.5"), *notes)
    counts = [summarise(row, "dice@0.5").counts for row in rows]
    rates = [f"{100 * n.n_failed / n.n_manifest:.1f} %" if n.n_manifest else "-" for n in counts]
    return replace(table, frame=table.frame.assign(**{"failure rate": rates}))


def overlap_at_half(rows: Sequence[Row]) -> Table:
    """Segmentation of the mask at probability >= 0.5, without PraNet's stretch."""
    metrics = ("dice@0.5", "iou@0.5")
    caption = (
        "Dice and IoU of the mask at probability >= 0.5, without PraNet's per-image stretch; LISA's gIoU (with images without a "
        "target) and cIoU (summed over a data set) next to their means."
    )
    return _by_modality("overlap_at_half", "Segmentation at 0.5", caption, rows, metrics, (*metrics, "giou", "ciou"))


def reasoning_by_modality(rows: Sequence[Row]) -> Table:
    """PRScore and position accuracy in every modality."""
    metrics = ("prscore", "position_accuracy", "position_constant")
    caption = "PRScore and accuracy of the position named in the text against the true mask, per modality."
    notes = _reasoning_notes(rows)
    return _by_modality("reasoning_by_modality", "Reasoning by modality", caption, rows, metrics, metrics, *notes)


def reasoning(rows: Sequence[Row]) -> Table:
    """PRScore, its components and the rule-based scores of the text, each a mean over modalities."""
    caption = "PRScore, its three components, and the text checked against the true mask; means over modalities."
    return _means("reasoning", "Reasoning", caption, rows, REASONING, *_reasoning_notes(rows))


def prscore_levels(rows: Sequence[Row]) -> Table:
    """PRScore between its floors and its ceiling."""
    caption = "PRScore, the scores of the same masks with uninformative texts, and the highest score that the labels allow."
    return _means("prscore_levels", "PRScore in context", caption, rows, LEVELS, *_reasoning_notes(rows), *footnotes.LEVELS)


def _reasoning_notes(rows: Sequence[Row]) -> list[str]:
    return [*footnotes.of_validity(rows), footnotes.CONSTANT]


def text(rows: Sequence[Row]) -> Table:
    """Similarity of wording (BLEU, ROUGE-L) and meaning to the reference, and position accuracy."""
    caption = "Answer against reference: word overlap, similarity of meaning (S_sem), and position; means over modalities."
    return _means("text", "Text", caption, rows, TEXT, footnotes.TEXT, footnotes.CONSTANT)


def published_protocol(rows: Sequence[Row]) -> Table:
    """Everything that PraNet's official evaluation prints; the raw measures are in main_long."""
    caption = "All measures of PraNet's official evaluation, on the stretched 8-bit map; means over modalities."
    return _means("published_protocol", "Published protocol, all measures", caption, rows, PRANET, footnotes.PRANET)


def outlines_and_lesions(rows: Sequence[Row]) -> Table:
    """Outline distances (HD95, NSD), lesions found and missed, and how often the prediction is empty."""
    caption = "Outlines, lesions and empty predictions of the mask at probability >= 0.5; means over modalities."
    return _means("outlines_and_lesions", "Outlines and lesions", caption, rows, _known(LESIONS, rows), footnotes.LESIONS)


def _known(metrics: Iterable[str], rows: Sequence[Row]) -> list[str]:
    """The metrics, without those in mm if no data set gives the size of a pixel, and those of families that nobody asked."""
    cells = [cell for row in rows for cell in row.cells]

    def is_scored(metric: str) -> bool:
        return any(mean_with_counts(cell, metric)[1].n_scored for cell in cells)

    return [m for m in metrics if not (METRICS[m].needs_spacing or METRICS[m].needs_families) or is_scored(m)]


def _means(name: str, title: str, caption: str, rows: Sequence[Row], metrics: Sequence[str], *notes: str) -> Table:
    """One column per metric, each a mean over modalities."""
    columns = {Column("", METRICS[metric].title): (metric, [summarise(row, metric) for row in rows]) for metric in metrics}
    return _table(name, title, caption, rows, columns, *notes)


def _by_modality(
    name: str, title: str, caption: str, rows: Sequence[Row], metrics: Sequence[str], mean_metrics: Sequence[str], *notes: str
) -> Table:
    modalities = modalities_of([cell for row in rows for cell in row.cells])
    keys = [(modality, metric) for modality in modalities for metric in metrics] + [(None, metric) for metric in mean_metrics]
    columns = {}
    for modality, metric in keys:
        column = Column(modality_text(modality, "mean"), METRICS[metric].title)
        columns[column] = metric, [summarise(row, metric, modality) for row in rows]
    return _table(name, title, caption, rows, columns, *notes)


def _table(name: str, title: str, caption: str, rows: Sequence[Row], columns: Columns, *notes: str) -> Table:
    """Labels, columns of numbers, and n of the first mean."""
    first_mean = next(column for column in columns if column.is_mean)
    frame = pd.DataFrame([labels_of(row) for row in rows], columns=list(LABELS), dtype=str)
    best = set()
    for column, (metric, scores) in columns.items():
        texts = [number_or_status(score, row.is_reference, column.is_mean) for score, row in zip(scores, rows, strict=True)]
        frame[column.name] = [marked(text, metric, row) for text, row in zip(texts, rows, strict=True)]
        best |= {(row, column.name) for row in best_and_second(rows, scores, METRICS[metric].higher_is_better)[0]}
    frame["n"] = [str(score.counts) for score in columns[first_mean][1]]
    all_notes = (*footnotes.of_rows(rows, first_mean.name), *notes)
    return Table(name, title, caption, frame, LABELS, tuple(columns), frozenset(best), all_notes)


def number_or_status(score: Score, is_reference: bool, is_mean: bool = False) -> str:
    """A number with its marks, its spread over seeds and its failed samples, a status word or "-"; never blank."""
    if score.status == NOT_VALID:
        return NOT_VALID
    if score.status:
        return f"-{footnotes.DAGGER}" if is_mean and score.n_incomplete < score.n_cells else score.status
    if not isfinite(score.value):
        return "-"
    spread = f" ±{score.spread:.3f}" if isfinite(score.spread) else ""
    doubt = footnotes.DOUBTFUL if score.is_doubtful else ""
    below = footnotes.BELOW_CONSTANT if score.is_below_constant and not is_reference else ""
    return f"{score.value:z.3f}{doubt}{below}{spread}{score.failed_text}"


def best_and_second(rows: Sequence[Row], scores: Sequence[Score], higher_is_better: bool | None) -> tuple[list[int], list[int]]:
    """The rows that share the best printed number of their ranking, and the second best; a row without a rival is neither."""
    best: list[int] = []
    second: list[int] = []
    for key in dict.fromkeys(row.ranked_with for row in rows if row.ranked_with) if higher_is_better is not None else ():
        rivals = {i: round(scores[i].value, 3) for i, row in enumerate(rows) if row.ranked_with == key and scores[i].is_complete}
        if len(rivals) > 1:
            order = sorted(set(rivals.values()), reverse=bool(higher_is_better))
            best += [i for i, value in rivals.items() if value == order[0]]
            second += [i for i, value in rivals.items() if value in order[1:2]]
    return best, second


def main_long(rows: Sequence[Row]) -> Table:
    """One line per method, data set, seed and metric, with every count, also for cells without numbers.

    Where a metric is not valid, its mean is NaN and the remark says why; a remark also says where the judge is in doubt.
    """
    head = [*LABELS, "dataset", "modality", "seed", "metric"]
    counted = ["mean", "n_manifest", "n_scored", "n_failed", "n_empty", "n_undefined"]
    lines, metrics = [], _known(METRICS, rows)
    for row in rows:
        labels = labels_of(row)  # outside the loop: it reads all cells of the row
        for cell in row.cells:
            where, remark = [cell.dataset, cell.modality, str(cell.seed)], [cell.status, first_line(cell.error)]
            for metric in metrics:
                mean, counts = mean_with_counts(cell, metric)
                numbers = (intern(str(getattr(counts, name))) for name in counted[1:])  # very many lines share few values
                valid = _validity(cell, metric)
                text = f"{mean:z.4f}" if isfinite(mean) and not valid.startswith(NOT_VALID) else "NaN"
                lines.append((*labels, *where, metric, text, *numbers, *remark, valid))
    caption, remarks = "One line per method, data set, seed and metric.", ("status", "error", "validity")
    return replace(text_table("main_long", "All means", caption, head, counted, lines, remarks=remarks), is_long=True)


def _validity(cell: CellResult, metric: str) -> str:
    """Whether the metric is valid on this cell, for those that depend on the judge; "-" for all others."""
    if cell.status != ResultStatus.COMPLETE or not METRICS[metric].needs_valid_judge:
        return "-"
    if reason := why_not_valid(cell, metric):
        return f"{NOT_VALID}: {reason}"
    if is_doubtful([cell], metric):
        return footnotes.DOUBT
    return f"not checked: fewer than {LEAST_SAMPLES} references" if n_references(cell) < LEAST_SAMPLES else "valid"

"""Footnotes of the tables: data kind, protocol, missing numbers, and how to read each score."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from prsbench.harness.contract.errors import first_line
from prsbench.harness.contract.results import CellResult, ResultStatus, notes_by_text, unchanged
from prsbench.harness.contract.types import DataKind, PromptSource
from prsbench.harness.report.statistics.intervals import FEW_GROUPS, FEWEST_GROUPS
from prsbench.harness.report.statistics.means_and_differences import mean_with_counts
from prsbench.harness.report.statistics.rows import Row, modalities_of, not_run, summarise
from prsbench.harness.report.statistics.validity import (
    LEAST_AUC,
    LEAST_AUC_OF_WORSE,
    LEAST_SAMPLES,
    NOT_VALID,
    n_references,
    why_not_valid,
)

DAGGER = "†"
DOUBTFUL = "‡"  # marks numbers of a judge that is worse than its mean point
BELOW_CONSTANT = "§"  # marks position accuracies below that of the best constant answer
DOUBT = "on the references of these samples, however few, the judge's error is not below that of the mean point"
RANDOM_JUDGE = "RANDOM"  # marks each number that depends on text models with random weights
PRSCORE = (
    "PRScore: the chance level is not 0. Perfect masks with a random position word score about 0.7; compare with the reference "
    "rows. PRScore does not use the true mask: a sentence that fits the row's own mask scores high on S_vis, wherever that mask "
    "is. The position and near/far accuracies use the true mask."
)
VALIDITY = (
    f'"{NOT_VALID}": the judge cannot read a data set\'s references, so PRScore and all else that needs its points say '
    f"nothing there, nor do means over it. Rule, from {LEAST_SAMPLES} references on: the judge's AUC (table Validity of "
    f"PRScore) is below {LEAST_AUC}, or below {LEAST_AUC_OF_WORSE} where its error is not below that of always saying the data "
    f"set's mean point. {DOUBTFUL}: {DOUBT}; not ranked."
)
CONSTANT = (
    "Constant pos.: the accuracy of always saying the position that is most frequent in the data set's test split; no "
    f"constant answer scores higher. {BELOW_CONSTANT}: position accuracy below it."
)
INTERVAL = (
    "Interval: 95 %, t over groups (patient, video or case) within each data set; accuracies with pseudo-groups as by Agresti "
    f"and Coull, so that none is without width. 'too few groups': a data set has fewer than {FEW_GROUPS}; with fewer than "
    f"{FEWEST_GROUPS} there is no interval. It cannot tell of rare failures that no group shows. 'all' gives modalities equal "
    "weights."
)
TRAININGS = (
    "Trainings: seeds of the rows that were trained here ('-': not trained here). With two or more, the interval is over other "
    "trainings as well as other groups. With one it is for this training only."
)
ONE_TRAINING = (
    "One training a side: intervals and 'resolves' are about these trainings on other images. They cannot tell whether the "
    "methods differ: another training may change the sign, and one seed cannot say how likely that is. So there is no p where a "
    "row was trained. Use three seeds or more."
)
ABLATION = (INTERVAL, TRAININGS, "n: pairs scored on both sides / manifest. Sides with different manifests are not compared.")
VARIANTS = (
    "sd over seeds: standard deviation of the difference of means, one pair of trainings per seed; the interval contains it.",
    "Intervals are not corrected for the number of variants.",
)
HELD_OUT = (
    "Distances in the image frame, -1 to 1 across the image; position: the official label of the true mask. Error of mean point: "
    "the error of always predicting the mean of the true centroids. New wording: sentences that are not in the training data."
)
SUBGROUPS = (
    "Size: terciles of true area / image area, within each data set. Zone: zone of the true centroid, our definition. "
    "Lesions: 8-connected components of the true mask. Images without a lesion are in no subgroup."
)
FAMILIES = (
    "Constant: the accuracy of always giving the answer that is most frequent for the family in the data set's test split. "
    f"{BELOW_CONSTANT}: accuracy below it. "
    "Elsewhere, position accuracy and PRScore cover the families that state a place (PRScore: those that name zones), and masks "
    "are scored once per question."
)
COMPARISONS = (
    INTERVAL,
    TRAININGS,
    "Rows with different manifests are not compared.",
    "Rows of the same prompt source are compared, and every ranked row with the floors that see no input (prompt source none).",
    (
        "p: two-sided, of the interval's own distribution, Holm-corrected over all pairs of one metric; before this correction, "
        "p < 0.05 where the interval leaves out 0. d_z: mean over standard deviation of the groups' mean differences. "
        "Rank-biserial: -1 to 1, the favourable share of their ranks minus the unfavourable."
    ),
)
BOUNDED_COMPARISONS = (
    "More than {most} pairs are possible: only the first row of each ranking, in the grid's order, is compared with the "
    "others. For other pairs, run a grid with fewer rows."
)
LEVELS = (
    (
        "By chance: this row's masks with the answers it gave to other samples (up to 64 each, seeded). Above chance: "
        "(PRScore - chance) / (1 - chance) per data set. Constant: the one reference sentence that scores best for all samples. "
        "Opposite: the reference with every place word reversed. Ceiling: the reference sentence at the true centroid."
    ),
    (
        "Judge error: distance between the judge's point for the reference and the true centroid, -1 to 1 across the image. It "
        "contains the judge's own mistakes and what the words leave open, and is no lower bound of the text centroid error."
    ),
)
JUDGE = (
    (
        "Errors: distance to the true centroid, -1 to 1 across the image, of the judge's point for the reference; of the "
        "mean of the data set's true centroids (mean point); and of the mean of those with the same official label in the data "
        "set (label mean, an estimate of the floor). Each mean was fitted on its own n points, so distances to it are multiplied "
        "by sqrt(n / (n - 1)). A number known for less than half of a group is not given; a label that occurs once has no mean."
    ),
    (
        "Judge AUC: how often PRScore of the true centroid prefers another sample's reference with the right zones to one with "
        "others, within the data set (0.5 is chance, ties count half)."
    ),
)
RIGHT_AND_WRONG = (
    "Right: the zones that the rule parser reads from the answer are the official ones of the true mask. AUC: how often a right "
    "answer scores higher than a wrong one, over all pairs of the row's answers (0.5 is chance, ties count half)."
)
PRANET = (
    "As in PraNet's official evaluation: specificity is 0 at every threshold that misses the lesion; the S-measure is undefined "
    "if the truth's centroid lies in row or column 0; the E-measure is divided by pixels - 1 and may exceed 1; maxDice, maxIoU "
    "and max E use one threshold for all images of a data set. Measures without these rules and the stretch end in (raw), in "
    "main_long."
)
LESIONS = (
    "HD95 of an empty prediction is the image's diagonal. Lesions: 8-connected, matched one to one, found at IoU >= 0.1; "
    "missed and false are counts per image. Empty predictions score 0 in every overlap measure."
)
TEXT = (
    "BLEU and ROUGE-L reward wording: a sentence with the wrong side shares all words but one. BLEU: sacrebleu, per sentence, "
    "13a tokens, case-sensitive, exponential smoothing, effective order; ROUGE-L: F1, no stemming."
)
DATA_LINES = {  # what kind of data the numbers come from
    DataKind.SYNTHETIC: "SYNTHETIC phantoms: not comparable with any published number.",
    DataKind.REAL: "Real images.",
    DataKind.UNDECLARED: "UNDECLARED data: the folder does not say whether its images are real.",
}


def of_data(rows: Sequence[Row]) -> list[str]:
    """Notes on the data kinds, random judges and protocols that occur."""
    kinds = dict.fromkeys(row.data_kind for row in rows)
    mixed = ["Rows of different data kinds are never averaged or ranked together."] if len(kinds) > 1 else []
    protocols = [f"Protocol: {protocol}." for protocol in dict.fromkeys(row.protocol for row in rows)]
    of_sets = notes_by_text({cell.dataset: f"{cell.data_note}." for row in rows for cell in row.cells if cell.data_note})
    notes = dict.fromkeys(note for row in rows for note in row.judge_notes)
    meaningless = f" Numbers marked {RANDOM_JUDGE} (PRScore, its components, T2C points) are meaningless."
    warned = [f"{note}.{meaningless if note.startswith(RANDOM_JUDGE) else ''}" for note in notes]
    judges = dict.fromkeys(judge for row in rows for judge in row.judges)
    named = [f"Judge of the texts: {judge}." for judge in judges]
    named += ["These judges differ: their PRScores cannot be compared."] if len(judges) > 1 else []
    return [*(DATA_LINES[kind] for kind in kinds), *mixed, *of_sets, *named, *warned, *protocols]


def of_rows(rows: Sequence[Row], n_is_for: str) -> list[str]:
    """The footnotes of a table with one line per row."""
    return [
        *of_data(rows),
        (
            f"Emphasised: best among rows of {_ranked_among(rows)}. Not ranked: rows of prompt source truth or none (references) "
            "and rows with failed samples."
        ),
        (
            f"n: scored / manifest for {n_is_for}, over all modalities and seeds; manifest = scored + failed + empty + undefined."
            " failed: error or no record; empty: empty truth, left out of the mean. Other metrics: main_long."
        ),
        (
            '"-": no number, because the metric is defined for no sample or the row is incomplete. Modalities where a metric '
            "is defined for no sample are left out of its mean."
        ),
        *_seeds(rows),
        *_shared_modalities(rows),
        *missing_numbers(rows),
        *_row_notes(rows),
    ]


def _ranked_among(rows: Sequence[Row]) -> str:
    is_across = any(row.across_prompts for row in rows)
    return "all prompt sources, as requested, although their inputs differ" if is_across else "one prompt source"


def of_validity(rows: Sequence[Row]) -> list[str]:
    """How to read PRScore here: its floors, where it is not valid, and where that could not be told."""
    cells = [cell for row in rows for cell in row.cells]
    refused = dict.fromkeys(reason for cell in cells if (reason := why_not_valid(cell, "prscore")))
    unchecked = dict.fromkeys(c.dataset for c in cells if c.status == ResultStatus.COMPLETE and n_references(c) < LEAST_SAMPLES)
    lines = [PRSCORE, *_best_blind_row(rows), *_cut_texts(rows), VALIDITY, *(f"{NOT_VALID}: {reason}." for reason in refused)]
    if unchecked:
        lines.append(f"Fewer than {LEAST_SAMPLES} references, so validity is not checked: {', '.join(unchecked)}.")
    return lines


def _best_blind_row(rows: Sequence[Row]) -> list[str]:
    scores = [(summarise(row, "prscore").value, row.method) for row in rows if row.label("prompt_source") == PromptSource.NONE]
    known = [(value, method) for value, method in scores if isfinite(value)]
    if not known:
        return []
    value, method = max(known)
    return [f"{method}, which does not see the image, has PRScore {value:.3f}; a lower one of another row shows no reasoning."]


def _cut_texts(rows: Sequence[Row]) -> list[str]:
    """How many texts of each row the judge read only in part."""
    lines = []
    for row in rows:
        tallies = [cell.summary.tallies["text_cut"] for cell in row.cells if cell.summary and "text_cut" in cell.summary.tallies]
        if n_cut := sum(round(tally.mean * tally.n_scored) for tally in tallies if tally.n_scored):
            n = sum(tally.n_scored for tally in tallies)
            lines.append(
                f"{row.method}: in {n_cut} of {n} samples the answer or the reference is longer than the judge's encoder "
                "reads; PRScore judges the beginning alone."
            )
    return lines


def of_not_run(cells: Sequence[CellResult]) -> list[str]:
    """One line that names the methods of the grid that are no rows here."""
    names = not_run(cells)
    return (
        [f"In the grid but not run (left out by --only, or not begun yet), so no rows here: {', '.join(names)}."] if names else []
    )


def of_few_groups(cells: Sequence[CellResult]) -> list[str]:
    """One line that names the data sets of very few patients, videos or cases, whose means say little; reads one cell of each."""
    complete = {cell.dataset: cell for cell in reversed(unchanged(cells)) if cell.status == ResultStatus.COMPLETE}
    counts = {name: len(cell.samples().names.grouped[0]) for name, cell in complete.items()}
    few = [f"{name} ({n})" for name, n in sorted(counts.items()) if n < FEW_GROUPS]
    if not few:
        return []
    return [f"Fewer than {FEW_GROUPS} groups (patients, videos or cases), so means over them say little: {', '.join(few)}."]


def missing_numbers(rows: Sequence[Row]) -> list[str]:
    """One line for every reason that numbers are missing, with the cells concerned."""
    lines = []
    for row in rows:
        incomplete = [cell for cell in row.cells if cell.status != ResultStatus.COMPLETE]
        if incomplete:
            lines.append(f"{DAGGER} {row.method}: {len(incomplete)} of {len(row.cells)} cells incomplete, so no mean is given.")
        by_reason: dict[str, list[str]] = {}
        for cell in incomplete:
            where = f"{cell.dataset} seed {cell.seed}"
            by_reason.setdefault(f"{cell.status.upper()}: {first_line(cell.error) or 'no reason given'}", []).append(where)
        lines += [f"{row.method}: {reason} ({', '.join(where)})" for reason, where in by_reason.items()]
        lines += _lost_samples(row)
    return lines


def _lost_samples(row: Row) -> list[str]:
    lines = []
    for cell in row.cells:
        n_failed = mean_with_counts(cell, "dice@0.5")[1].n_failed
        if cell.status == ResultStatus.COMPLETE and n_failed:
            error = cell.summary.first_error if cell.summary else ""
            example = f", such as {error}" if error else ", without a record"
            where = f"{cell.dataset} seed {cell.seed}"
            lines.append(f"{row.method}: {n_failed} of {cell.n_manifest} samples failed ({where}){example}")
    return lines


def _seeds(rows: Sequence[Row]) -> list[str]:
    seeds = sorted({cell.seed for row in rows for cell in row.cells})
    if len(seeds) == 1:
        return [f"One seed ({seeds[0]})."]
    return [f"Seeds {', '.join(map(str, seeds))}: numbers are means over a row's seeds, ± their standard deviation."]


def _shared_modalities(rows: Sequence[Row]) -> list[str]:
    cells = [cell for row in rows for cell in row.cells]
    lines = []
    for modality in modalities_of(cells):
        for kind in dict.fromkeys(cell.data_kind for cell in cells):
            names = sorted({cell.dataset for cell in cells if (cell.modality, cell.data_kind) == (modality, kind)})
            if len(names) > 1:
                lines.append(f"{modality} is the mean of the {kind} data sets {', '.join(names)}; each is in main_long.")
    return lines


def _row_notes(rows: Sequence[Row]) -> list[str]:
    notes = dict.fromkeys(f"{row.method}: {note}" for row in rows for note in row.notes)
    random = dict.fromkeys(
        f"{row.method}: RANDOM weights (nothing was loaded and nothing trained)." for row in rows if row.has_random_weights
    )
    return [*random, *notes]

"""The audit of PRScore as one page of Markdown, and every number of it as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import get_args

from prsbench.harness.audit.prscore import EVALUATION, OWN, RULE, WEIGHTS, AuditedRow, Variant, agreement_of_order
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.harness.report.tables.formats import to_csv, to_markdown
from prsbench.harness.report.tables.table import Table, number_text, text_table
from prsbench.metrics.text.prscore import EQUAL, Combination, PartWeights

MOST_ORDERS = 8
_LABELS = ("method", "data kind")
_INTRODUCTION = (
    "PRScore combines scores of the answer by a sentence encoder and by a Text2Centroid (T2C). This page shows how much it "
    "changes with other judges or weights. Where the order of rows differs between columns, the ranking depends on that choice."
)


def write_page(rows: Sequence[AuditedRow], notes: Sequence[str], folder: Path) -> list[Path]:
    """Write audit/prscore.md and audit/prscore.csv under the run folder; notes are warnings about the judges."""
    kinds = dict.fromkeys(row.data_kind for row in rows)
    warnings = [f"**{line}**" for line in (*(DATA_LINES[kind] for kind in kinds), *notes)]
    tables = [_judges(rows), _orders(rows), _combinations(rows), _weights(rows)]
    page = "\n\n".join(["# Audit of PRScore", *warnings, _INTRODUCTION, *map(to_markdown, tables)])
    files = {folder / "audit" / "prscore.md": page, folder / "audit" / "prscore.csv": to_csv(_long(rows))}
    for path, text in files.items():
        write_atomically(path, text.encode())
    return list(files)


def _judges(rows: Sequence[AuditedRow]) -> Table:
    judges = (EVALUATION, OWN, RULE)
    numbers = (*judges, "by chance", "circularity gap", "rank corr. with Dice", "rank corr. with position", "n")
    lines = []
    for row in rows:
        means = [*(number_text(row.mean(judge)) for judge in judges), number_text(row.chance)]
        correlations = [number_text(value, "+z.3f") for value in (row.circularity_gap, row.spearman_dice, row.spearman_position)]
        lines.append([row.method, row.data_kind.label, *means, *correlations, str(row.n)])
    unplaced = max((row.n_unplaced for row in rows), default=0)
    notes = (
        (
            f"{EVALUATION}: the judge of every table; no method is trained with it. {OWN}: the one that methods are trained "
            f"with. Circularity gap: {OWN} minus {EVALUATION}, the gain from a judge that was used in training."
        ),
        (
            f"By chance: PRScore by {EVALUATION} of this row's masks with the answers it gave to other samples. A row near its "
            "chance level does not say where the lesion is, however high its PRScore."
        ),
        f"{RULE}: no learned T2C; {unplaced} references in which it finds no place are left out of its means.",
        "Rank correlations (Spearman, per sample) with Dice@0.5 and the text's position accuracy. '-': one of them is constant.",
    )
    return text_table("judges", "T2C judges", "PRScore, means over data sets.", _LABELS, numbers, lines, notes)


def _orders(rows: Sequence[AuditedRow]) -> Table:
    """How far each choice changes the order of rows in the tables, for each data kind."""
    default, lines = Variant(EVALUATION, "both", EQUAL), []
    for kind in dict.fromkeys(row.data_kind for row in rows):
        of_kind = [row for row in rows if row.data_kind == kind]
        for variant in dict.fromkeys(variant for row in of_kind for variant in row.means):
            if variant != default:
                tau, moved = agreement_of_order(of_kind, default, variant)
                choice = f"{variant.t2c}, {variant.combination}, {_weight_name(variant.weights)}"
                lines.append((tau, [choice, kind, number_text(tau, "+z.2f"), f"{moved} of {len(of_kind)}"]))
    worst_first = [line for tau, line in sorted(lines, key=lambda item: (isnan(item[0]), item[0]))][:MOST_ORDERS]
    note = (
        f"Kendall's tau between the order of rows in this choice and in the tables ({EVALUATION}, both, 1:1:1): 1 is the same "
        f"order, 0 no agreement. Shown: the {MOST_ORDERS} choices that change the order most."
    )
    return text_table(
        "orders", "Which choices change the order", "T2C, combination, weights.", ("choice", "data kind"), ("tau", "rows moved"),
        worst_first, [note],
    )  # fmt: skip


def _combinations(rows: Sequence[AuditedRow]) -> Table:
    names = get_args(Combination)
    lines = [[row.method, row.data_kind.label, *(number_text(row.mean(EVALUATION, name)) for name in names)] for row in rows]
    notes = ("The paper does not say how direction and distance combine; every table uses 'both', their mean.",)
    return text_table("combinations", "Direction or distance", f"PRScore by {EVALUATION}.", _LABELS, names, lines, notes)


def _weights(rows: Sequence[AuditedRow]) -> Table:
    heads = [_weight_name(weights) for weights in WEIGHTS]
    lines = [[row.method, row.data_kind.label, *(number_text(row.mean(EVALUATION, "both", w)) for w in WEIGHTS)] for row in rows]
    notes = ("Weights of S_sem : S_spatial : S_vis. 1:1:1 is the paper's score; 1:0:0, 0:1:0 and 0:0:1 are its components.",)
    return text_table("weights", "Weights", f"PRScore by {EVALUATION}.", _LABELS, heads, lines, notes)


def _long(rows: Sequence[AuditedRow]) -> Table:
    lines = [
        [row.method, row.data_kind.label, v.t2c, v.combination, _weight_name(v.weights), number_text(mean, ".6f")]
        for row in rows
        for v, mean in row.means.items()
    ]
    return text_table("prscore", "", "", (*_LABELS, "t2c", "combination", "weights"), ("prscore",), lines)


def _weight_name(weights: PartWeights) -> str:
    return ":".join(f"{weight:g}" for weight in weights)

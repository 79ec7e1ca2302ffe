"""Ablation tables: paired differences, with intervals, between a method with one change and the method without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite, nan
from statistics import stdev

import pandas as pd
from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.report.statistics.means_and_differences import PairedDifference, paired_difference
from prsbench.harness.report.statistics.rows import Row, modalities_of, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import SHORT_MODALITY, Column, Table, labels_of, marked
from prsbench.metrics.catalog import METRICS

WITH_T2C, WITHOUT_T2C = "cg_reasoner", "cg_reasoner_without_t2c"
ABLATED = ("prscore", "position_accuracy", "dice@0.5")
_NUMBERS = ("without", "with", "difference", "95% low", "95% high", "sd over seeds", "groups")


def ablations(rows: Sequence[Row]) -> Table | None:
    """Every variant minus its parent, the row without the change, over all modalities; None if there is no such pair."""
    caption = "The parent with one change minus the parent without it: mean paired difference on the same samples."
    return _ablations("ablations", "Ablations", caption, rows, by_modality=False)


def ablations_by_modality(rows: Sequence[Row]) -> Table | None:
    """As `ablations`, in each modality."""
    caption = (
        "The parent with one change minus the parent without it, in each modality: mean paired difference on the same samples."
    )
    return _ablations("ablations_by_modality", "Ablations by modality", caption, rows, by_modality=True)


def _ablations(name: str, title: str, caption: str, rows: Sequence[Row], by_modality: bool) -> Table | None:
    pairs = list(_variants_and_parents(rows))
    if not pairs:
        return None
    lines = []
    for variant, parent in pairs:
        for metric in ABLATED:
            for modality in modalities_of(parent.cells) if by_modality else (None,):
                sides = [_part(row, modality) for row in (variant, parent)]
                paired = paired_difference(sides[0].cells, sides[1].cells, metric)
                of_variant, of_parent, *numbers, groups, n, remark = _difference_text(paired)
                scope = SHORT_MODALITY.get(modality, modality) if modality else "all"
                change = variant.method.removeprefix(f"{parent.method}{VARIANT_MARK}")
                label = [change, parent.method, marked(METRICS[metric].title, metric, variant, parent), scope]
                lines.append(
                    [*label, labels_of(variant)[4], of_parent, of_variant, *numbers, _spread(*sides, metric), groups, n, remark]
                )
    labels = ("change", "parent", "metric", "modality", "data kind")
    notes = (*footnotes.of_data([row for pair in pairs for row in pair]), *footnotes.ABLATION, *footnotes.VARIANTS)
    frame = pd.DataFrame(lines, columns=[*labels, *_NUMBERS, "n", "remark"], dtype=str)
    return Table(name, title, caption, frame, labels, tuple(Column("", number) for number in _NUMBERS), footnotes=notes)


def _variants_and_parents(rows: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    parents = {(row.method, row.data_kind, row.protocol): row for row in rows}
    for row in rows:
        method, mark, _ = row.method.partition(VARIANT_MARK)
        parent = parents.get((method, row.data_kind, row.protocol))
        if mark and parent:
            yield row, parent


def _part(row: Row, modality: str | None = None, seed: int | None = None) -> Row:
    return replace(row, cells=tuple(c for c in row.cells if modality in (None, c.modality) and seed in (None, c.seed)))


def _spread(variant: Row, parent: Row, metric: str) -> str:
    """Standard deviation over seeds of the difference of means."""
    seeds = sorted({cell.seed for cell in variant.cells})
    means = [[summarise(_part(row, seed=seed), metric) for row in (variant, parent)] for seed in seeds]
    differences = [ours.value - theirs.value if ours.is_whole and theirs.is_whole else nan for ours, theirs in means]
    return f"{stdev(differences):.3f}" if len(differences) > 1 and all(map(isfinite, differences)) else "-"


def t2c_ablation(rows: Sequence[Row]) -> Table | None:
    """CG-Reasoner minus CG-Reasoner without Text2Centroid on the same samples; None without such a pair."""
    pairs = [
        (ours, theirs)
        for ours in rows
        for theirs in rows
        if (ours.method, theirs.method) == (WITH_T2C, WITHOUT_T2C)
        and (ours.data_kind, ours.protocol) == (theirs.data_kind, theirs.protocol)
    ]
    if not pairs:
        return None
    lines = []
    for ours, theirs in pairs:
        for metric in ABLATED:
            for modality in (*modalities_of(ours.cells), None):
                sides = [[cell for cell in row.cells if modality in (None, cell.modality)] for row in (ours, theirs)]
                scope = SHORT_MODALITY.get(modality, modality) if modality else "all"
                label = [marked(METRICS[metric].title, metric, ours, theirs), scope, labels_of(ours)[4]]
                lines.append([*label, *_difference_text(paired_difference(*sides, metric))])
    labels = ("metric", "modality", "data kind")
    numbers = ("with T2C", "without T2C", "difference", "95% low", "95% high", "groups")
    return Table(
        "t2c_ablation",
        "Text2Centroid ablation",
        f"{WITH_T2C} minus {WITHOUT_T2C}, mean paired difference on the same samples: the effect of the spatial loss and, with "
        "the hidden bridge, of its distillation (ours). `prsbench ablate text2centroid` measures each alone.",
        pd.DataFrame(lines, columns=[*labels, *numbers, "n", "remark"], dtype=str),
        labels,
        tuple(Column("", name) for name in numbers),
        footnotes=(*footnotes.of_data([row for pair in pairs for row in pair]), *footnotes.ABLATION),
    )


def _difference_text(paired: PairedDifference) -> list[str]:
    plain, signed = (paired.first, paired.second), (paired.difference, paired.low, paired.high)
    return [
        *(f"{value:.3f}" if isfinite(value) else "-" for value in plain),
        *(f"{value:+.3f}" if isfinite(value) else "-" for value in signed),
        str(paired.n_groups),
        str(paired.counts) if paired.counts.n_manifest else "-",
        paired.reason or "-",
    ]

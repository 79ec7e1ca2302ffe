"""Ablation tables: paired differences, with intervals, between a method with one change and the method without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite, nan
from statistics import stdev

from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.report.statistics.means_and_differences import PairedDifference, paired_difference
from prsbench.harness.report.statistics.rows import Row, modalities_of, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import Table, data_kind_of, marked, modality_text, number_text, text_table
from prsbench.metrics.catalog import METRICS

WITH_T2C, WITHOUT_T2C = "cg_reasoner", "cg_reasoner_without_t2c"
ABLATED = ("prscore", "position_accuracy", "dice@0.5")
_NUMBERS = ("without", "with", "difference", "95% low", "95% high", "sd over seeds", "groups")
Scopes = Callable[[Row], Sequence[str | None]]  # the modalities to report of a row; None is their mean


def ablations(rows: Sequence[Row]) -> Table | None:
    """Every variant minus its parent, the row without the change, over all modalities; None if there is no such pair."""
    caption = "The parent with one change minus the parent without it: mean paired difference on the same samples."
    return _ablations("ablations", "Ablations", caption, rows, lambda _: [None])


def ablations_by_modality(rows: Sequence[Row]) -> Table | None:
    """As `ablations`, in each modality."""
    caption = (
        "The parent with one change minus the parent without it, in each modality: mean paired difference on the same samples."
    )
    return _ablations("ablations_by_modality", "Ablations by modality", caption, rows, lambda row: modalities_of(row.cells))


def _ablations(name: str, title: str, caption: str, rows: Sequence[Row], scopes: Scopes) -> Table | None:
    pairs = _pairs(rows, _parent_of)
    if not pairs:
        return None
    lines = []
    for variant, parent, metric, label, difference in _differences(pairs, scopes):
        of_variant, of_parent, *numbers, groups, n, remark = difference
        change = variant.method.removeprefix(f"{parent.method}{VARIANT_MARK}")
        spread = _spread(variant, parent, metric)
        lines.append([change, parent.method, *label, of_parent, of_variant, *numbers, spread, groups, n, remark])
    labels = ("change", "parent", "metric", "modality", "data kind")
    notes = (*footnotes.of_data([row for pair in pairs for row in pair]), *footnotes.ABLATION, *footnotes.VARIANTS)
    return text_table(name, title, caption, labels, _NUMBERS, lines, notes, remarks=("n", "remark"))


def _parent_of(method: str) -> str | None:
    parent, mark, _ = method.partition(VARIANT_MARK)
    return parent if mark else None


def _spread(variant: Row, parent: Row, metric: str) -> str:
    """Standard deviation over seeds of the difference of means."""
    seeds = sorted({cell.seed for cell in variant.cells})
    means = [[summarise(_restricted(row, seed=seed), metric) for row in (variant, parent)] for seed in seeds]
    differences = [ours.value - theirs.value if ours.is_complete and theirs.is_complete else nan for ours, theirs in means]
    return f"{stdev(differences):.3f}" if len(differences) > 1 and all(map(isfinite, differences)) else "-"


def t2c_ablation(rows: Sequence[Row]) -> Table | None:
    """CG-Reasoner minus CG-Reasoner without Text2Centroid on the same samples; None without such a pair."""
    pairs = _pairs(rows, {WITH_T2C: WITHOUT_T2C}.get)
    if not pairs:
        return None
    lines = [[*label, *texts] for *_, label, texts in _differences(pairs, lambda row: [*modalities_of(row.cells), None])]
    labels = ("metric", "modality", "data kind")
    numbers = ("with T2C", "without T2C", "difference", "95% low", "95% high", "groups")
    caption = (
        f"{WITH_T2C} minus {WITHOUT_T2C}, mean paired difference on the same samples: the effect of the spatial loss and, with "
        "the hidden bridge, of its distillation (ours). `prsbench ablate text2centroid` measures each alone."
    )
    notes = (*footnotes.of_data([row for pair in pairs for row in pair]), *footnotes.ABLATION)
    title, remarks = "Text2Centroid ablation", ("n", "remark")
    return text_table("t2c_ablation", title, caption, labels, numbers, lines, notes, remarks)


def _pairs(rows: Sequence[Row], partner_of: Callable[[str], str | None]) -> list[tuple[Row, Row]]:
    """Each row with the row that it is compared with, of the same data kind and protocol; rows without one are left out."""
    known = {(row.method, row.data_kind, row.protocol): row for row in rows}
    partners = [known.get((partner_of(row.method) or "", row.data_kind, row.protocol)) for row in rows]
    return [(row, partner) for row, partner in zip(rows, partners, strict=True) if partner]


def _differences(pairs: Sequence[tuple[Row, Row]], scopes: Scopes) -> Iterator[tuple[Row, Row, str, list[str], list[str]]]:
    """(first row and second row restricted to a modality, metric, labels of the line, text of the difference)."""
    for pair in pairs:
        for metric in ABLATED:
            for modality in scopes(pair[0]):
                first, second = (_restricted(row, modality) for row in pair)
                label = [marked(METRICS[metric].title, metric, *pair), modality_text(modality, "all"), data_kind_of(first)]
                yield first, second, metric, label, _difference_text(paired_difference(first.cells, second.cells, metric))


def _restricted(row: Row, modality: str | None = None, seed: int | None = None) -> Row:
    return replace(row, cells=tuple(c for c in row.cells if modality in (None, c.modality) and seed in (None, c.seed)))


def _difference_text(paired: PairedDifference) -> list[str]:
    return [
        *(number_text(value) for value in (paired.first, paired.second)),
        *(number_text(value, "+.3f") for value in (paired.difference, paired.low, paired.high)),
        str(paired.n_groups),
        str(paired.counts) if paired.counts.n_manifest else "-",
        paired.reason or "-",
    ]

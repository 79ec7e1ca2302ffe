"""Ablation tables: paired differences, with intervals, between a method with one change and the method without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.report.statistics.means_and_differences import PairedDifference, paired_differences
from prsbench.harness.report.statistics.rows import Row, modalities_of
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.comparisons import resolution
from prsbench.harness.report.tables.table import Table, judges_of, marked, modality_text, number_text, text_table
from prsbench.metrics.catalog import METRICS

WITH_T2C, WITHOUT_T2C = "cg_reasoner", "cg_reasoner_without_t2c"
ABLATED = ("prscore", "position_accuracy", "dice@0.5")
_DIFFERENCE = ("difference", "95% low", "95% high", "sd over seeds", "resolves", "groups", "trainings")
Pair = tuple[Row, Row]
Difference = tuple[Pair, str, list[str], PairedDifference]  # two rows, metric, labels of the line, first minus second
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
    lines, found = [], list(_differences(pairs, scopes))
    for (variant, parent), _, label, paired in found:
        change = variant.method.removeprefix(f"{parent.method}{VARIANT_MARK}")
        means = [number_text(value) for value in (paired.second, paired.first)]
        lines.append([change, parent.method, *label, *means, *_numbers(paired)])
    labels = ("change", "parent", "metric", "modality", "data kind", "judge")
    notes = (*_notes(pairs, found), *footnotes.VARIANTS)
    return text_table(name, title, caption, labels, ("without", "with", *_DIFFERENCE), lines, notes, remarks=("n", "remark"))


def _parent_of(method: str) -> str | None:
    parent, mark, _ = method.partition(VARIANT_MARK)
    return parent if mark else None


def t2c_ablation(rows: Sequence[Row]) -> Table | None:
    """CG-Reasoner minus CG-Reasoner without Text2Centroid on the same samples; None without such a pair."""
    pairs = _pairs(rows, {WITH_T2C: WITHOUT_T2C}.get)
    if not pairs:
        return None
    found = list(_differences(pairs, lambda row: [*modalities_of(row.cells), None]))
    lines = [[*label, number_text(d.first), number_text(d.second), *_numbers(d)] for _, _, label, d in found]
    labels = ("metric", "modality", "data kind", "judge")
    numbers = ("with T2C", "without T2C", *_DIFFERENCE)
    caption = (
        f"{WITH_T2C} minus {WITHOUT_T2C}, mean paired difference on the same samples: the effect of the spatial loss and, with "
        "the hidden bridge, of its distillation (ours). `prsbench ablate text2centroid` measures each alone."
    )
    title, remarks = "Text2Centroid ablation", ("n", "remark")
    return text_table("t2c_ablation", title, caption, labels, numbers, lines, _notes(pairs, found), remarks)


def _pairs(rows: Sequence[Row], partner_of: Callable[[str], str | None]) -> list[Pair]:
    """Each row with the row that it is compared with, of the same data kind and protocol; rows without one are left out."""
    known = {(row.method, row.data_kind, row.protocol): row for row in rows}
    partners = [known.get((partner_of(row.method) or "", row.data_kind, row.protocol)) for row in rows]
    return [(row, partner) for row, partner in zip(rows, partners, strict=True) if partner]


def _differences(pairs: Sequence[Pair], scopes: Scopes) -> Iterator[Difference]:
    for pair in pairs:
        for modality in scopes(pair[0]):
            first, second = ([cell for cell in row.cells if modality in (None, cell.modality)] for row in pair)
            for metric, paired in zip(ABLATED, paired_differences(first, second, ABLATED), strict=True):
                title, where = marked(METRICS[metric].title, metric, *pair), modality_text(modality, "all")
                label = [title, where, pair[0].data_kind.label, judges_of(pair)]
                yield pair, metric, label, paired


def _notes(pairs: Sequence[Pair], found: Sequence[Difference]) -> list[str]:
    data = footnotes.of_data([row for pair in pairs for row in pair])
    return [*data, *resolution([(metric, paired) for _, metric, _, paired in found]), *footnotes.ABLATION]


def _numbers(paired: PairedDifference) -> list[str]:
    """The columns _DIFFERENCE, n, and the remark."""
    return [
        *(number_text(value, "+z.3f") for value in (paired.difference, paired.low, paired.high)),
        *(number_text(value) for value in (paired.sd_over_seeds, paired.resolvable)),
        str(paired.n_groups),
        str(paired.n_trainings or "-"),
        str(paired.counts) if paired.counts.n_manifest else "-",
        paired.reason or "-",
    ]

"""From a number of a table to its samples in the viewer, by the labels of its line and the heads of its column."""

from __future__ import annotations

from collections.abc import Mapping

from prsbench.harness.contract.modalities import ALL
from prsbench.harness.report.tables.ablations import WITH_T2C, WITHOUT_T2C
from prsbench.harness.report.tables.footnotes import RANDOM_JUDGE
from prsbench.harness.report.tables.subgroups import KINDS
from prsbench.harness.report.tables.table import Column, Table
from prsbench.harness.report.viewer.links import link
from prsbench.metrics.catalog import METRICS

_METRIC_OF = {metric.title: name for name, metric in METRICS.items()}
_MODALITY_OF = {text: modality.name for modality in ALL for text in (modality.name, modality.short, modality.title)}
_NOT_OURS = ("published",)  # columns of numbers that rest on no sample of the run


def sample_link(table: Table, line: Mapping[str, str], column: Column) -> str:
    """The address of the samples behind a number; "" where the table names no row of the run, or there is no number.

    Example: the column "lung_ct Dice@0.5" of row cg_reasoner gives "viewer/index.html#row=cg_reasoner&modality=lung_ct&sort=...".
    """
    row, other = line.get("row", line.get("method", "")), line.get("against", "")
    if table.name == "t2c_ablation":
        row, other = WITH_T2C, WITHOUT_T2C
    if row in ("", "-") or column.name in _NOT_OURS or line[column.name] == "-":
        return ""
    titles = column.head, line.get("metric", "").removesuffix(f" {RANDOM_JUDGE}")
    shown = {
        "row2": other,
        "by": "difference" if other else "",
        "sort": next((_METRIC_OF[title] for title in titles if title in _METRIC_OF), ""),
        "modality": _MODALITY_OF.get(column.group) or _MODALITY_OF.get(line.get("modality", ""), ""),
    }
    if table.name in KINDS and column.group in KINDS[table.name][1]:
        shown[table.name] = column.group
    if table.frame["data kind"].nunique() > 1:
        shown["kind"] = line["data kind"].lower()
    return link(row, **shown)

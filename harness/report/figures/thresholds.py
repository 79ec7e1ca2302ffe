"""Threshold curves: Dice of the stretched map at each of PraNet's 256 thresholds, whose mean is mDice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import SampleStatus
from prsbench.harness.contract.results import ResultStatus
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import Figure, finish, line_style, mark_data_kind, tidy
from prsbench.harness.report.statistics.rows import Row, modalities_of
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.metrics.mask.pranet import THRESHOLDS, dice_curve, threshold_counts


def threshold_curves(rows: Sequence[Row], kind: DataKind) -> Figure | None:
    """One line per ranked row, the mean over modalities of the means over samples; None if no record holds pixel counts."""
    from matplotlib.figure import Figure as Canvas

    curves = [(row, curve) for row in rows if not row.is_reference and (curve := mean_curve(row)) is not None]
    if not curves:
        return None
    canvas = Canvas(figsize=(10, 5.5), layout="constrained")
    axes = canvas.subplots()
    for number, (row, curve) in enumerate(curves):
        width = 1.2 + 2.6 * (1 - number / len(curves))  # a curve below an equal one stays in sight
        axes.plot(THRESHOLDS, curve, label=f"{row.method} ({curve.mean():.3f})", linewidth=width, **line_style(number))
    axes.set_xlabel("threshold of the stretched map")
    axes.set_ylabel("Dice")
    axes.set_ylim(0, 1.02)
    tidy(axes, "both")
    canvas.legend(loc="outside right upper", fontsize=9, frameon=False, title="row (mean = mDice)", title_fontsize=9)
    mark_data_kind(canvas, kind)
    caption = (
        f"Dice at each threshold of PraNet's protocol, means over modalities. {DATA_LINES[kind]} A flat line: a confident map."
    )
    return finish(canvas, f"threshold_curves_{kind}", f"Threshold curves. {DATA_LINES[kind]}", caption)


def mean_curve(row: Row) -> NDArray[np.float64] | None:
    """(256,) mean over modalities; None if a cell is incomplete, cannot be read or holds no counts."""
    by_modality: dict[str, list[NDArray[np.float64]]] = {}
    for cell in row.cells:
        if cell.status != ResultStatus.COMPLETE:
            return None
        try:
            records = cell.records
        except RunFolderError:
            return None
        counted = [r.counts for r in records if r.status == SampleStatus.OK and r.counts and r.counts.tp + r.counts.fn]
        if not counted:
            return None
        by_modality.setdefault(cell.modality, []).append(np.mean([dice_curve(threshold_counts(c)) for c in counted], axis=0))
    means: NDArray[np.float64] = np.mean([np.mean(by_modality[name], axis=0) for name in modalities_of(row.cells)], axis=0)
    return means

"""Threshold curves: their mean is mDice, and rows without pixel counts are left out."""

from dataclasses import replace

import numpy as np
import pytest
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.thresholds import mean_curve, threshold_curves
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.mask.pranet import dice_curve, threshold_counts

rng = np.random.default_rng(0)


def counts_of(truth):
    return count_maps(grey_maps(rng.random(truth.shape).astype(np.float32)), truth)


def row_of(cell, modality="brain_mri"):
    one = cell("cg_reasoner", (0.5, 0.6), modality)
    truth = rng.random((16, 16)) < 0.3
    records = [replace(record, counts=counts_of(truth)) for record in one.records]
    return replace(one, read=lambda: (records, one.scores)), records


def test_the_curve_is_the_mean_over_samples_then_over_modalities(cell):
    cells, expected = [], []
    for modality in ("brain_mri", "lung_ct"):
        one, records = row_of(cell, modality)
        cells.append(one)
        expected.append(np.mean([dice_curve(threshold_counts(record.counts)) for record in records], axis=0))
    [row] = rows_of(cells)
    assert mean_curve(row) == pytest.approx(np.mean(expected, axis=0))
    assert threshold_curves([row], DataKind.SYNTHETIC).name == "threshold_curves_synthetic"


def test_records_without_counts_and_incomplete_cells_give_no_curve(cell):
    assert mean_curve(rows_of([cell("cg_reasoner", (0.5,))])[0]) is None
    assert mean_curve(rows_of([cell("cg_reasoner", (0.5,), status="failed")])[0]) is None
    assert threshold_curves(rows_of([cell("cg_reasoner", (0.5,))]), DataKind.REAL) is None

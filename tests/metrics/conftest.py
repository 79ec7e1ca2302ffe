"""Known answers of the official evaluation."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from parity import Golden, goldens
from prsbench.harness.contract.records import Counts
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps


@dataclass
class OfficialScores:
    """One sample: the saved 8-bit map, its truth and what the official code computes from them (None = NaN)."""

    grey: np.ndarray
    truth: np.ndarray
    counts: Counts
    values: dict
    curves: np.ndarray  # Dice, IoU, E-measure, sensitivity, specificity at (5, 256) thresholds, or at every fifth: (5, 52)


@pytest.fixture(scope="session", params=goldens("pranet_metrics_golden"))
def golden(request):
    table, arrays = request.param.json, request.param.npz
    samples = {}
    for name, values in table["samples"].items():
        grey, truth = arrays[f"{name}/pred"], arrays[f"{name}/gt"] >= 128
        if grey.shape != truth.shape:  # the official nearest-neighbour rule; our predictions have native size
            rows, cols = (np.arange(n) * m // n for n, m in zip(truth.shape, grey.shape, strict=True))
            grey = grey[np.ix_(rows, cols)]
        counts = count_maps(grey_maps(grey.astype(np.float32) / np.float32(255)), truth)
        samples[name] = OfficialScores(grey, truth, counts, values, arrays[f"{name}/curve"])
    return SimpleNamespace(samples=samples, table=table, folder=request.param.folder)


@pytest.fixture(scope="session")
def pysod(golden):
    """PySODMetrics' own protocol on the same maps (they are stretched first, truth above 128)."""
    if not (golden.folder / "pysodmetrics_golden.json").exists():
        pytest.skip(f"no pysodmetrics_golden.json in {golden.folder}")
    return Golden(golden.folder, "pysodmetrics_golden").json["samples"]

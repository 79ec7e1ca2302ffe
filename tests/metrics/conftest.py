"""Known answers of the official evaluation, if they are here."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from prsbench.harness.contract.records import Counts
from prsbench.metrics.counts import count

PARITY = Path(os.environ.get("PRSBENCH_SHARED", Path(__file__).parents[3] / "shared")) / "parity"


@dataclass
class Golden:
    """One sample: the saved 8-bit map, its truth and what the official code makes of them (None = NaN)."""

    grey: np.ndarray
    truth: np.ndarray
    counts: Counts
    values: dict
    curves: np.ndarray  # (5, 256) Dice, IoU, E-measure, sensitivity, specificity


@pytest.fixture(scope="session")
def golden():
    if not (PARITY / "pranet_metrics_golden.json").exists():
        pytest.skip("parity fixtures are not here; set PRSBENCH_SHARED to their parent folder")
    table = json.loads((PARITY / "pranet_metrics_golden.json").read_text())
    arrays = np.load(PARITY / "pranet_metrics_golden.npz")
    samples = {}
    for name, values in table["samples"].items():
        grey, truth = arrays[f"{name}/pred"], arrays[f"{name}/gt"] >= 128
        if grey.shape != truth.shape:  # the official nearest rule; here predictions have native size
            rows, cols = (np.arange(n) * m // n for n, m in zip(truth.shape, grey.shape, strict=True))
            grey = grey[np.ix_(rows, cols)]
        counts = count(grey.astype(np.float32) / np.float32(255), truth)
        samples[name] = Golden(grey, truth, counts, values, arrays[f"{name}/curve"])
    return SimpleNamespace(samples=samples, table=table)


@pytest.fixture(scope="session")
def pysod():
    """PySODMetrics' own protocol on the same maps (they are stretched first, truth above 128)."""
    path = PARITY / "pysodmetrics_golden.json"
    if not path.exists():
        pytest.skip("parity fixtures are not here; set PRSBENCH_SHARED to their parent folder")
    return json.loads(path.read_text())["samples"]

"""Seconds that nodes take before any has run here: shipped ones of each method, times how slow this machine is now."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from prsbench.harness.engine.grid.schema import base_name
from prsbench.harness.engine.inspect.state import Run
from prsbench.harness.engine.plan.data import open_for_job
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode
from prsbench.harness.engine.worker.job import Job, Work

TABLE = Path(__file__).with_name("priors.csv")
REFERENCE_SPEED = 3000.0  # `speed` of one idle core of the machine that the table was measured on
MEASURED_S = 0.4
START_S = 8.0  # imports and loading in a worker process, once
REPORT_S = 15.0  # tables and figures after the last cell
FINISHING = 0.3  # of a cell's time: measuring and scoring


@dataclass(frozen=True)
class Priors:
    """Expected seconds of the nodes of one run.

    rates: by method, seconds a training image and epoch, and seconds a sample; empty where they do not hold.
    slowness: seconds here for each second in the table. busy: how much of it is due to other programs; 1 if there are none.
    """

    run: Run
    rates: Mapping[str, tuple[float, float]]
    slowness: float
    busy: float = 1.0

    @classmethod
    def here(cls, run: Run, workers: int) -> Priors:
        """Measures this machine for `MEASURED_S`, as busy as it is now. Without rates where a GPU is used: they are of cores."""
        on_gpu = run.setting.device != "cpu" and Path("/dev/nvidiactl").exists()
        now, alone = speed(workers)
        return cls(run, {} if on_gpu else read_rates(), REFERENCE_SPEED / now, alone / now)

    def training_s(self, node: TrainingNode) -> float | None:
        """None without a rate: an unknown method, or another size than the embedded one."""
        rate = self._rate(node.name, node.config)
        if rate is None:
            return None
        images = self._n_images.get(node.split, 0)
        return self.slowness * rate[0] * images * node.config.get("epochs", 1)

    def cell_s(self, cell: CellNode) -> float | None:
        rate = self._rate(cell.method, cell.config)
        return None if rate is None else self.slowness * rate[1] * cell.n_manifest

    def job_s(self, job: Job) -> float | None:
        """Seconds of a job; a training is taken to be the first in its process."""
        if job.training:
            seconds = self.training_s(job.training)
            return None if seconds is None else seconds + self.start_s
        share = {Work.ALL: 1.0, Work.PREDICT: 1 - FINISHING, Work.FINISH: FINISHING}[job.work]
        known = [
            seconds * (len(part) / cell.n_manifest if part else 1.0)
            for cell, part in job.shards
            if (seconds := self.cell_s(cell)) is not None
        ]
        return share * sum(known) if len(known) == len(job.cells) else None

    @property
    def start_s(self) -> float:
        return START_S * self.slowness

    @property
    def report_s(self) -> float:
        return REPORT_S * self.slowness

    def _rate(self, name: str, config: Mapping[str, object]) -> tuple[float, float] | None:
        return self.rates.get(base_name(name)) if config.get("size", "tiny") == "tiny" else None

    @cached_property
    def _n_images(self) -> dict[str, int]:
        """The number of images of each split that is trained on; several samples may ask about one."""
        splits = {node.split for node in self.run.plan.trainings.values()}
        setting, images = self.run.setting, set[tuple[str, str, str]]()
        for name, dataset in open_for_job(setting.roots, setting.run, self.run.plan.datasets).items() if splits else ():
            columns = (dataset.columns.column(column) for column in ("split", "image"))
            images |= {(split, name, str(image)) for split, image in zip(*columns, strict=True) if split in splits}
        return Counter(split for split, *_ in images)


def read_rates(path: Path = TABLE) -> dict[str, tuple[float, float]]:
    """The table: seconds (a training image and epoch, a sample) by method."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {row["name"]: (float(row["per_image"]), float(row["per_sample"])) for row in csv.DictReader(lines)}


def speed(workers: int, seconds: float = MEASURED_S) -> tuple[float, float]:
    """FFTs of 256 x 256 numbers a second and worker with so many threads at once (at most 8): now, and without other programs."""
    numbers = np.random.default_rng(0).random((256, 256)).astype(np.float32)

    def count(end: float) -> tuple[int, float]:
        n, began = 0, time.thread_time()
        while n == 0 or time.monotonic() < end:
            np.fft.rfft2(numbers)
            n += 1
        return n, time.thread_time() - began

    threads = min(workers, 8)
    start = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        counts, cpu_s = zip(*pool.map(count, [start + seconds] * threads), strict=True)
    now = sum(counts) / threads / (time.monotonic() - start)
    return now, max(now, sum(counts) / sum(cpu_s))

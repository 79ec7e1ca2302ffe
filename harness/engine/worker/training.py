"""One training: fit on the samples of all data sets together, save the weights, seal them."""

from __future__ import annotations

import shutil
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from math import isfinite

from prsbench.datasets.official_reader import FolderDataset
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.harness.engine.plan.nodes import TrainingNode
from prsbench.harness.engine.store.record_files import LazySequence
from prsbench.harness.engine.store.run_folder import PROGRESS, WEIGHTS, TrainingFolder
from prsbench.harness.engine.worker.loaded_methods import build
from prsbench.harness.engine.worker.provenance import provenance_of_process
from prsbench.harness.engine.worker.seeding import seed_everything
from prsbench.harness.engine.worker.setting import Setting, Ticks

SCRATCH = "scratch"  # in the training's folder, whose name has its key: its content is never of other code, config or data


def train(node: TrainingNode, setting: Setting, datasets: Sequence[FolderDataset]) -> None:
    """Fit, save and seal; a folder sealed meanwhile is left as it is. Only a training on train also gets val."""
    folder = TrainingFolder(setting.run.training(node.folder))
    with folder.lock():
        scratch = folder.path / SCRATCH
        if folder.digest is not None:
            shutil.rmtree(scratch, ignore_errors=True)
            return
        scratch.mkdir(exist_ok=True)
        partial = folder.path / f"{WEIGHTS}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        method = build(node)
        ticks = Ticks(folder.path / PROGRESS, time.process_time if setting.device == "cpu" else time.monotonic)
        needs = {role: setting.weights_folder(key) for role, key in node.needs.items()}
        context = FitContext(node.seed, setting.device, needs, ticks, scratch)
        seed_everything(node.seed)
        method.fit(_samples(datasets, node.split), _samples(datasets, "val") if node.split == "train" else (), context)
        method.save(partial)
        seconds = ticks.seconds if isfinite(ticks.seconds) else None
        folder.seal(partial, {"node": asdict(node), "provenance": provenance_of_process(setting), "steps_s": seconds})
        shutil.rmtree(scratch)


def _samples(datasets: Sequence[FolderDataset], split: str) -> Joined:
    return Joined([dataset.samples(split) for dataset in datasets])


class Joined(LazySequence[Sample]):
    """The samples of several sequences one after another, decoded only on access."""

    def __init__(self, sequences: Sequence[Sequence[Sample]]):
        self._sequences = [sequence for sequence in sequences if len(sequence)]
        self._ends = list(accumulate(map(len, self._sequences)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def item(self, number: int) -> Sample:
        index = bisect_right(self._ends, number)
        return self._sequences[index][number - self._ends[index]]

"""One training: fit on the samples of all data sets together, save the weights, seal them."""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import overload

from prsbench.datasets.official_reader import FolderDataset
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.harness.engine.plan.nodes import TrainingNode
from prsbench.harness.engine.store.run_folder import PROGRESS, WEIGHTS, digest_of, node_lock, seal_folder
from prsbench.harness.engine.worker.provenance import provenance_of_process
from prsbench.harness.engine.worker.seeding import seed_everything
from prsbench.harness.engine.worker.setting import Setting, Ticks

SCRATCH = "scratch"  # in the training's folder, whose name has its key: its content is never of other code, config or data


def train(node: TrainingNode, setting: Setting, datasets: Sequence[FolderDataset]) -> None:
    """Fit, save and seal; a folder sealed meanwhile is left as it is. Only a training on train also gets val."""
    folder = setting.run.training(node.folder)
    with node_lock(folder):
        scratch = folder / SCRATCH
        if digest_of(folder) is not None:
            shutil.rmtree(scratch, ignore_errors=True)
            return
        scratch.mkdir(exist_ok=True)
        partial = folder / f"{WEIGHTS}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        method = resolve(node.factory)(resolve(node.config_type).model_validate(node.config))
        ticks = Ticks(folder / PROGRESS)
        context = FitContext(node.seed, setting.device, _needs(node, setting), ticks, scratch)
        seed_everything(node.seed)
        method.fit(_samples(datasets, node.split), _samples(datasets, "val") if node.split == "train" else (), context)
        method.save(partial)
        seal_folder(partial, folder / WEIGHTS, {"node": asdict(node), "provenance": provenance_of_process(setting)})
        shutil.rmtree(scratch)


def _needs(node: TrainingNode, setting: Setting) -> dict[str, Path]:
    return {role: setting.weights_folder(key) for role, key in node.needs.items()}


def _samples(datasets: Sequence[FolderDataset], split: str) -> Joined:
    return Joined([dataset.samples(split) for dataset in datasets])


class Joined(Sequence[Sample]):
    """The samples of several sequences one after another, decoded only on access."""

    def __init__(self, sequences: Sequence[Sequence[Sample]]):
        self._parts = [sequence for sequence in sequences if len(sequence)]
        self._ends = list(accumulate(map(len, self._parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        number = bisect_right(self._ends, position)
        return self._parts[number][position - self._ends[number]]

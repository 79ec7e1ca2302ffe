"""What every job of a run shares, and the progress that a node at work reports."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prsbench.harness.engine.store.json_files import write_json
from prsbench.harness.engine.store.run_folder import WEIGHTS, RunFolder


@dataclass(frozen=True)
class Setting:
    """What all jobs of a run share; small, and the same for every worker.

    trainings maps a training's key to its folder's name. text_models is the key of the training that judges text, loader the
    "module:function" that loads it; measuring and scoring are the hashes of the code that makes records and scores.
    """

    folder: Path
    roots: tuple[Path, ...]
    trainings: Mapping[str, str]
    text_models: str
    loader: str
    measuring: str
    scoring: str
    device: str
    threads: int
    timeout_s: float | None = None  # of one node
    command: tuple[str, ...] = ()  # of the driver

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.folder)

    def training_folder(self, key: str) -> Path:
        return self.run.training(self.trainings[key])

    def weights_folder(self, key: str) -> Path:
        return self.training_folder(key) / WEIGHTS


class Ticks:
    """Progress of a running node, written to its progress.json at most once a second. Call it as often as you like."""

    def __init__(self, path: Path):
        self._path, self._last = path, 0.0

    def __call__(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if now - self._last >= 1 or done == total:
            self._last = now
            write_json(self._path, {"done": done, "total": total, "message": message}, durable=False)

"""What all jobs of a run share (`Setting`), as stored in run.json, and the progress of a running node (`Ticks`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Self

from prsbench.harness.engine.plan.nodes import Plan
from prsbench.harness.engine.store.json_files import write_json
from prsbench.harness.engine.store.run_folder import RunFolder, TrainingFolder


@dataclass(frozen=True)
class Setting:
    """What all jobs of a run share; small, and the same for every worker.

    trainings maps a training's key to its folder's name; text_models_key is the key of what judges text, a training or not.
    datasets names the data sets that are used; empty in run folders of older versions, which used all.
    """

    folder: Path
    trainings: Mapping[str, str]
    text_models_key: str
    measuring_hash: str  # of the code that makes records
    scoring_hash: str  # of the code that makes scores
    roots: tuple[Path, ...]  # of the data
    text_models_loader: str  # "module:function"
    device: str
    threads: int
    timeout_s: float | None = None  # of one node
    command: tuple[str, ...] = ()  # of the driver
    judge: str = "val"  # as in the grid
    datasets: tuple[str, ...] = ()

    @classmethod
    def of_plan(cls, plan: Plan, folder: Path, **facts: Any) -> Self:
        """The setting of a plan in a run folder; facts are the fields that the plan does not decide."""
        return cls(
            folder=folder.resolve(),
            trainings={key: node.folder for key, node in plan.trainings.items()},
            text_models_key=plan.text_models_key,
            measuring_hash=plan.measuring_hash,
            scoring_hash=plan.scoring_hash,
            datasets=plan.datasets,
            **facts,
        )

    @classmethod
    def from_json(cls, folder: Path, plan: Plan, facts: Mapping[str, Any]) -> Self:
        """The setting of a run folder: from its plan and what `to_json` returned."""
        roots = tuple((folder / root).resolve() for root in facts["roots"])
        others = {name: facts.get(name) for name in ("device", "threads", "timeout_s")}
        others["judge"] = facts.get("judge", "val")  # older runs have no other
        return cls.of_plan(plan, folder, roots=roots, text_models_loader=facts["loader"], **others)

    def to_json(self) -> dict[str, Any]:
        """The fields that the plan does not decide; roots in the run folder are relative to it, so that it can be moved."""
        roots = [root.relative_to(self.folder) if root.is_relative_to(self.folder) else root for root in self.roots]
        return {
            "roots": list(map(str, roots)),
            "loader": self.text_models_loader,
            "device": self.device,
            "threads": self.threads,
            "timeout_s": self.timeout_s,
            "judge": self.judge,
        }

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.folder)

    def training_folder(self, key: str) -> Path:
        return self.run.training(self.trainings[key])

    def weights_folder(self, key: str) -> Path:
        return TrainingFolder(self.training_folder(key)).weights

    def digest(self, key: str | None) -> str | None:
        """The digest of a training's sealed weights, as they are now; None if they are not sealed, and for no training."""
        return TrainingFolder(self.training_folder(key)).digest if key and key in self.trainings else None


class Ticks:
    """Progress of a running node, written to its progress.json at most once a second. Call it as often as you like.

    clock: measures `seconds`; time.process_time leaves out what other processes take of a busy machine.
    counted: (done, total, clock) of the first and the latest call.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic):
        self._path, self._last, self._clock = path, 0.0, clock
        self.counted: list[tuple[int, int, float]] = []

    @property
    def seconds(self) -> float:
        """What all steps take, from those after the first call: without imports and preparation. NaN before two calls."""
        if len(self.counted) < 2:
            return nan
        (first, _, start), (done, total, end) = self.counted
        return (end - start) / (done - first) * total

    def __call__(self, done: int, total: int, message: str) -> None:
        is_new_phase = bool(self.counted) and (total != self.counted[-1][1] or done <= self.counted[-1][0])
        self.counted = [*([] if is_new_phase else self.counted[:1]), (done, total, self._clock())]
        now = time.monotonic()
        if now - self._last >= 1 or done == total:
            self._last = now
            write_json(self._path, {"done": done, "total": total, "message": message}, durable=False)

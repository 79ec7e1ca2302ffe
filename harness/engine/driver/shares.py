"""Shares of a plan: what each of several drivers on one run folder predicts (`prsbench run --shard i/n`).

How cells are cut is written into the run folder by the first driver, so that all of them agree whenever they start. Nothing is
predicted twice: each driver has its own shards. A training that several need is done by the first; the others wait for its lock.
Cells of which several drivers predict parts are finished by `prsbench merge`.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.driver.schedule import cost_of, parts_of, pieces
from prsbench.harness.engine.plan.nodes import CellNode, Plan, TrainingNode, units
from prsbench.harness.engine.store.json_files import read_json, write_json
from prsbench.harness.engine.store.keys import key_of
from prsbench.harness.engine.worker.setting import Setting

CORES = 8  # that a script for SLURM asks for, beside one GPU
DIVISION = "division.json"  # of the run folder: how cells are cut for so many drivers


@dataclass(frozen=True)
class Share:
    """What one driver predicts: mine holds (cell's folder, shard or None). parts: the shards of every cut cell, by its folder."""

    parts: Mapping[str, list[range]]
    mine: frozenset[tuple[str, range | None]]

    def has_part_of(self, cell: CellNode) -> bool:
        return any(piece in self.mine for piece in self._pieces_of(cell))

    def has_all_of(self, cell: CellNode) -> bool:
        return all(piece in self.mine for piece in self._pieces_of(cell))

    def _pieces_of(self, cell: CellNode) -> list[tuple[str, range | None]]:
        return [(cell.folder, part) for part in self.parts.get(cell.folder, ())] or [(cell.folder, None)]


def numbers_of(text: str) -> tuple[int, int]:
    """(i, n) of "i/n".

    Raises:
        ConfigError: it is not that, or i is not one of 1 to n.
    """
    found = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--shard: expected i/n with i from 1 to n, as in 3/8, got '{text[:50]}'.")
    return int(found[1]), int(found[2])


def share_of(plan: Plan, setting: Setting, number: int, count: int) -> Share:
    """The share of one of `count` drivers. All shares together hold every cell once, in about equal parts.

    Call it under the lock of the plan: the first call writes the division, later ones read it.
    """
    parts = _division(plan, setting, count)
    mine = frozenset(piece for place, group in _dealt(plan, parts, count) if place == number for piece in group)
    return Share(parts, mine)


def _division(plan: Plan, setting: Setting, count: int) -> Mapping[str, list[range]]:
    """The shards of every cell that is cut. Shards that an earlier run began stay."""
    file = setting.folder / DIVISION
    of = {"count": count, "cells": key_of({"folders": [cell.folder for cell in plan.cells]})}
    stored = read_json(file)
    if not isinstance(stored, dict) or {name: stored.get(name) for name in of} != of:
        total = sum(map(cost_of, plan.cells))
        cut = {cell.folder: parts_of(cell, setting, count, total) for cell in plan.cells}
        stored = {**of, "parts": {folder: [[p.start, p.stop] for p in parts] for folder, parts in cut.items() if parts}}
        write_json(file, stored)
    return {folder: [range(*borders) for borders in parts] for folder, parts in stored["parts"].items()}


def _dealt(plan: Plan, parts: Mapping[str, list[range]], count: int) -> Iterator[tuple[int, list[tuple[str, range | None]]]]:
    """(number of the driver, pieces that one job predicts). A driver gets neighbours, so that it loads few models."""
    groups, by_model = [], defaultdict[str, float](float)
    for unit in units(plan.cells):
        model = str([(cell.factory, cell.training, cell.config) for cell in unit])
        for group in pieces(unit, [parts.get(cell.folder, []) for cell in unit]):
            cost = sum(cost_of(cell) * (len(part) / cell.n_manifest if part else 1) for cell, part in group)
            groups.append((model, cost, [(cell.folder, part) for cell, part in group]))
            by_model[model] += cost
    done, total = 0.0, sum(by_model.values())
    for _, cost, dealt in sorted(groups, key=lambda item: (-by_model[item[0]], item[0])):
        yield min(count, 1 + int((done + cost / 2) / total * count)) if total else 1, dealt
        done += cost


def sbatch_script(plan: Plan, name: str, command: Sequence[str], folder: Path, count: int) -> str:
    """A SLURM script: an array of `count` drivers on one folder, which all of its nodes must see, then a job that merges.

    Args:
        command: `prsbench run` with its arguments but --shard.
    """
    nodes: list[CellNode | TrainingNode] = [*plan.trainings.values(), *plan.cells]
    gpu = "#SBATCH --gres=gpu:1\n" if any(node.gpu_gib for node in nodes) else ""
    gib = 2 * CORES + max((node.memory_gib for node in nodes), default=0)
    limits = f"#SBATCH --cpus-per-task={CORES}\n#SBATCH --mem={gib:.0f}G\n#SBATCH --time=24:00:00\n"
    place, run = shlex.quote(str(folder.absolute())), shlex.join(command)
    return f"""#!/bin/bash
#SBATCH --job-name={shlex.quote(f"prsbench-{name}")}
#SBATCH --array=1-{count}
#SBATCH --output=prsbench-%A-%a.log
#SBATCH --signal=INT@120
{gpu}{limits}
# Set --partition, --account and --time for your cluster. A task that ends before its share is done goes on where it stopped
# when the same script is submitted again.
# Submit it, and what joins the shares and writes the tables, with
#   id=$(sbatch --parsable FILE)
#   sbatch --dependency=afterany:$id --mem={gib:.0f}G --cpus-per-task={CORES} --wrap {shlex.quote(f"prsbench merge {place}")}
exec {run} --shard "$SLURM_ARRAY_TASK_ID/{count}"
"""

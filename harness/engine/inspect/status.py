"""Status of a run folder in words: what is complete, what is not and why, where every sample went, attempts and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from prsbench.harness.contract.errors import unknown_name
from prsbench.harness.engine.inspect.state import Run, reason_of, state_of
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.store.cell_folder import statuses
from prsbench.harness.engine.store.json_files import read_json, reading_once
from prsbench.harness.engine.store.run_folder import LOG, PROGRESS, attempts_of, digest_of

LOG_LINES = 40


def status_lines(run: Run) -> Iterator[str]:
    """A line for each unfinished or partial node, then the counts: n_manifest = n_scored + n_failed + n_excluded + unfinished."""
    with reading_once():
        yield from _status_lines(run)


def _status_lines(run: Run) -> Iterator[str]:
    setting = run.setting
    for node in run.plan.trainings.values():
        folder = setting.run.training(node.folder)
        failure = (attempts_of(folder) or [None])[-1]
        if digest_of(folder) is None and failure and failure["kind"] != "done":
            yield f"{failure['kind']:8} {node.folder} ({failure['reason']}, {_tries(folder)}): {_first_line(failure['error'])}"
    states, samples = Counter[str](), Counter[str]()
    for cell in run.plan.cells:
        state = state_of(cell, setting)
        states[state] += 1
        counted = _samples(cell, state, run)
        samples += counted
        if line := _line(cell, state, counted, run):
            yield line
    total = sum(cell.n_manifest for cell in run.plan.cells)
    parts = f"{samples['ok']} scored + {samples['failed']} failed + {samples['excluded']} excluded"
    unfinished = f" + {samples['unfinished']} in unfinished cells" if samples["unfinished"] else ""
    yield f"samples: {total} = {parts}{unfinished}"
    yield f"{_run_status(run)}: {', '.join(f'{n} {state}' for state, n in sorted(states.items())) or 'no cells'}"


def log_text(run: Run, name: str, is_whole: bool) -> str:
    """The attempts at a cell or training and the end of its log, or all of its log.

    Raises:
        ConfigError: no folder begins with this name.
    """
    folders = [run.setting.run.cell(cell.folder) for cell in run.plan.cells]
    folders += [run.setting.run.training(node.folder) for node in run.plan.trainings.values()]
    chosen = [folder for folder in folders if folder.name.startswith(name)]
    if not chosen:
        raise unknown_name("cell or training of this run", name, [folder.name for folder in folders])
    return "\n\n".join(_history(folder, is_whole) for folder in chosen)


def _history(folder: Path, is_whole: bool) -> str:
    lines = [f"== {folder}"]
    for number, attempt in enumerate(attempts_of(folder), 1):
        why = f" ({attempt['reason']})" if attempt["reason"] else ""
        lines.append(
            f"attempt {number}, {attempt['time']}, {attempt['seconds']:.1f} s: {attempt['kind']}{why} {attempt['error']}"
        )
        lines += [attempt["trace"].rstrip()] if attempt["trace"] else []
    log = (folder / LOG).read_text(errors="replace").splitlines() if (folder / LOG).exists() else []
    shown = log if is_whole else log[-LOG_LINES:]
    left_out = [f"... {len(log) - len(shown)} lines before; --all shows them"] if len(shown) < len(log) else []
    return "\n".join([*lines, f"-- {LOG}", *left_out, *shown])


def _line(cell: CellNode, state: str, counted: Counter[str], run: Run) -> str | None:
    """The line of a cell; None if it is complete and none of its samples failed."""
    folder = run.setting.run.cell(cell.folder)
    if state == "cached":
        return f"partial  {cell.folder}: {counted['failed']} of {cell.n_manifest} samples failed" if counted["failed"] else None
    if state == "new":
        tick = read_json(folder / PROGRESS)
        return f"{state:8} {cell.folder}: " + (f"{tick['done']} of {tick['total']} {tick['message']}" if tick else "not run yet")
    attempts = attempts_of(folder)
    why = f" ({attempts[-1]['reason']}, {_tries(folder)})" if attempts and attempts[-1]["kind"] != "done" else ""
    return f"{state:8} {cell.folder}{why}: {_first_line(reason_of(cell, state, run.setting))}"


def _samples(cell: CellNode, state: str, run: Run) -> Counter[str]:
    """How many samples of a cell have each status, from its seal."""
    if state != "cached":
        return Counter(unfinished=cell.n_manifest)
    return Counter(statuses(run.setting.run.cell(cell.folder)))


def _run_status(run: Run) -> str:
    """The status in run.json, but "killed" if it is "running" without a driver."""
    return "killed" if run.status == "running" and not run.setting.run.is_driven() else run.status


def _tries(folder: Path) -> str:
    n = len(attempts_of(folder))
    return f"{n} attempt{'' if n == 1 else 's'}"


def _first_line(text: str) -> str:
    return (text.splitlines() or [""])[0]

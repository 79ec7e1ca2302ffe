"""Commands that plan and run a grid: run, plan, config, status, logs, retry, merge, tune, ablate."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from prsbench.harness.cli.arguments import (
    Commands,
    add,
    add_executor,
    add_grid,
    add_grid_and_folder,
    add_group,
    add_json,
    add_run_folder,
    add_trust_mtime,
)
from prsbench.harness.cli.exit_codes import OK, SOME_FAILED
from prsbench.harness.cli.opening import execution_changes, grid_and_folder, opened, registry, run_folder, selection
from prsbench.harness.cli.results import pictures_of

if TYPE_CHECKING:
    from prsbench.harness.engine.driver.display import Display
    from prsbench.harness.engine.grid.schema import GridConfig
    from prsbench.harness.engine.inspect.state import CellState, Run
    from prsbench.harness.engine.store.run_folder import RunFolder


def add_commands(commands: Commands) -> None:
    _add_run(commands)
    _add_plan(commands)
    _add_config(commands)
    summary = "Show which cells of a run folder are complete, and why the others are not."
    add(commands, "status", _status, summary, add_run_folder, add_json)
    summary = "Show the attempts at one cell or training of a run folder, and the end of its log."
    logs = add(commands, "logs", _logs, summary, add_run_folder)
    logs.add_argument("name", metavar="CELL", help="a folder name in RUN/cells or RUN/trainings, or its start")
    logs.add_argument("--all", action="store_true", help="show the complete log")
    _add_retry(commands)
    _add_merge(commands)
    _add_tune(commands)
    _add_ablate(commands)


def _add_run(commands: Commands) -> None:
    summary = "Train and evaluate a grid, then write its tables. The same command resumes a stopped run."
    run = add(commands, "run", _run, summary, add_grid_and_folder)
    run.add_argument("--only", nargs="+", default=[], metavar="METHOD", help="run only these methods of the grid")
    shard = run.add_argument("--shard", metavar="I/N", help="do the I-th of N shares: for N drivers on one folder (--out), as in")
    shard.help = f"{shard.help} a SLURM array; `prsbench merge` then joins them and writes the tables"
    add_executor(run)
    add_trust_mtime(run)


def _add_merge(commands: Commands) -> None:
    summary = "Finish a run whose drivers each did a share (run --shard): join, measure and score, then write its tables."
    add_executor(add(commands, "merge", _merge, summary, add_run_folder))


def _add_retry(commands: Commands) -> None:
    summary = "Run the failed and damaged cells of a run folder again, with the grid stored in it."
    retry = add(commands, "retry", _retry, summary, add_run_folder)
    # Nothing reads --failed: scripts that name the default still work.
    retry.add_argument("--failed", action="store_true", help="the default: every retry includes failed and damaged cells")
    retry.add_argument("--skipped", action="store_true", help="also retry skipped cells")
    retry.add_argument("--partial", action="store_true", help="also retry complete cells in which samples failed")
    add_executor(retry)


def _add_config(commands: Commands) -> None:
    kinds = add_group(commands, "config", "Print a grid as prsbench reads it, or the JSON Schema of grid files.")
    show = add(kinds, "show", _show_config, "Print a grid as prsbench reads it, in YAML.", add_grid)
    show.add_argument("--resolved", action="store_true", help="include every key of every method, also defaults")
    add(kinds, "schema", _show_schema, "Print the JSON Schema of grid files, for editors.")


def _add_plan(commands: Commands) -> None:
    summary = "Check a grid and its data; show which cells are new, cached, failed or stale and why, and estimate the time left."
    plan = add(commands, "plan", _plan, summary, add_grid_and_folder)
    plan.add_argument("--workers", type=int, metavar="N", help="parallel jobs (default: one per core)")
    plan.add_argument("--sbatch", type=int, metavar="N", help="print a SLURM script of N drivers instead, each with a share")
    add_trust_mtime(plan)
    add_json(plan)


def _add_ablate(commands: Commands) -> None:
    summary = (
        "Change a method's config one value at a time, or run a setting, on a grid's data with several seeds; report effects."
    )
    ablate = add(commands, "ablate", _ablate, summary)
    ablate.add_argument("ablation", metavar="WHAT", help="a packaged ablation: text2centroid")
    add_grid_and_folder(ablate)
    setting = ablate.add_argument("--setting", metavar="NAME")
    setting.help = "an experiment with a verdict (seen, refuted, open): answers, dose or points; without it, one change at a time"
    ablate.add_argument("--plan", action="store_true", help="only show the plan and the estimated time")
    add_executor(ablate)


def _add_tune(commands: Commands) -> None:
    summary = "Try the same number of learning rates for every row trained here, the best at full length, on the val split."
    tune = add(commands, "tune", _tune, summary)
    add_grid(tune)
    tune.add_argument("--out", metavar="DIR", help="the run folder (default: runs/<grid's name>-tuning)")
    tune.add_argument("--only", nargs="+", default=[], metavar="METHOD", help="tune only these methods of the grid")
    tune.add_argument("--minutes", type=float, default=3.0, metavar="M", help="training time of each first try (default 3)")
    add_executor(tune)


def _run(options: argparse.Namespace) -> int:
    if options.shard:
        return _run_share(*grid_and_folder(options), options)
    return _run_and_report(*grid_and_folder(options), options, only=options.only)


def _run_share(grid: GridConfig, folder: RunFolder, options: argparse.Namespace) -> int:
    """Do one share of a grid. Its tables are written by `merge`, when all shares are done."""
    from prsbench.harness.engine.driver.run import run_grid
    from prsbench.harness.engine.driver.shares import numbers_of
    from prsbench.harness.engine.inspect.state import CellState, stored_cells

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    (say, display), share = _output(options), numbers_of(options.shard)
    run = run_grid(grid, registry(), folder, say, options.executor, options.only, options.address, (), display, share=share)
    n_failed = sum(stored.state is CellState.FAILED for stored in stored_cells(run.plan.cells, run.setting))
    failures = f" {n_failed} cells of the run have failed so far: prsbench status {folder.path}." if n_failed else ""
    print(f"Share {options.shard} is done.{failures} After all shares: prsbench merge {folder.path}")
    return SOME_FAILED if n_failed else OK


def _merge(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.grid.loading import changed
    from prsbench.harness.engine.inspect.state import grid_of
    from prsbench.harness.engine.store.run_folder import RunFolder

    grid = changed(grid_of(options.run), execution_changes(options))
    return _run_and_report(grid, RunFolder(options.run), options, only_finish=True)


def _retry(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.grid.loading import changed
    from prsbench.harness.engine.inspect.state import CellState, grid_of, move_damaged
    from prsbench.harness.engine.store.run_folder import RunFolder

    opened(options)
    grid, folder = changed(grid_of(options.run), execution_changes(options)), RunFolder(options.run)
    with folder.driver_lock():
        for line in move_damaged(opened(options), options.partial):
            print(line)
    return _run_and_report(grid, folder, options, states={CellState.FAILED, *([CellState.SKIPPED] if options.skipped else [])})


def _run_and_report(
    grid: GridConfig,
    folder: RunFolder,
    options: argparse.Namespace,
    only: Collection[str] = (),
    states: Collection[CellState] = (),
    only_finish: bool = False,
) -> int:
    """Run a grid, write its report and print the main tables."""
    from prsbench.harness.contract.results import ResultStatus, digest_of
    from prsbench.harness.engine.driver.run import run_grid
    from prsbench.harness.engine.inspect.results import held_out, results, trainings_of
    from prsbench.harness.engine.inspect.state import RunStatus
    from prsbench.harness.report.writer import summary_text, write_report

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # schedulers send SIGTERM; treat it as Ctrl-C
    say, display = _output(options)
    run = run_grid(
        grid,
        registry(),
        folder,
        say,
        options.executor,
        only,
        options.address,
        states,
        display,
        only_finish=only_finish,
        floors_done=partial(_show_floors, say),
    )
    cells = results(run)
    write_report(cells, folder.path, partial(pictures_of, run), trainings_of(run), held_out(run))
    folder.report_written()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    print(f"\n{summary_text(cells, width=width)}\nTables, figures and report.html are in {folder.path}")
    print(f"Digest of these results: {digest_of(cells)}")
    n_failed = sum(cell.summary.n_failed for cell in cells if cell.summary)
    if n_failed:
        print(f"{n_failed} samples failed. The tables count them; `prsbench retry --partial {folder.path}` predicts them again.")
    is_complete = run.status is RunStatus.COMPLETE and all(cell.status is not ResultStatus.FAILED for cell in cells)
    return OK if is_complete and not n_failed else SOME_FAILED


def _show_floors(say: Callable[[str], None], run: Run) -> None:
    """Show the first table, of what is finished, while the other jobs of the run go on."""
    from prsbench.harness.contract.errors import first_line
    from prsbench.harness.contract.results import ResultStatus
    from prsbench.harness.engine.inspect.results import results
    from prsbench.harness.report.writer import overview_text

    try:
        cells = [cell for cell in results(run) if cell.status is ResultStatus.COMPLETE]
        table = overview_text(cells, is_first=True) if cells else ""
    except Exception as error:  # noqa: BLE001 (jobs are running, and the tables at the end will say it again)
        say(f"No table of the first rows: {first_line(str(error))}")
        return
    if table:
        title = "The first rows are finished. What they are and what the scores mean follows with the tables of all rows."
        say(f"\n{fill(title, 80)}\n\n{table}")


def _output(options: argparse.Namespace) -> tuple[Callable[[str], None], Display | None]:
    """Where the lines of a run go, and its live display: on a terminal, without --plain or --quiet."""
    if options.quiet:
        return lambda _: None, None
    if options.plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return partial(print, file=sys.stdout, flush=True), None  # bound now: the output of a node goes to its log
    from prsbench.harness.engine.driver.display import Display

    display = Display()
    return display.say, display


def _plan(options: argparse.Namespace) -> int:
    if options.sbatch:
        return _print_sbatch(options)
    run = _planned(*grid_and_folder(options), as_json=options.json)
    is_whole = not run.plan.left_out and not any("problem" in cell.origin for cell in run.plan.cells)
    return OK if is_whole else SOME_FAILED


def _print_sbatch(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.driver.run import plan_run
    from prsbench.harness.engine.driver.shares import sbatch_script

    grid, folder = grid_and_folder(options)
    run = plan_run(grid, registry(), folder, partial(print, file=sys.stderr))
    data = ["--data", str(options.data.absolute())] if options.data else []
    changes = [argument for change in options.changes for argument in ("--set", change)]
    named = str(Path(options.grid).absolute()) if Path(options.grid).is_file() else options.grid
    command = ["prsbench", "run", named, *data, *changes, "--out", str(folder.path.absolute())]
    print(sbatch_script(run.plan, grid.name, command, folder.path, options.sbatch), end="")
    return OK


def _planned(grid: GridConfig, folder: RunFolder, last: int = 0, as_json: bool = False) -> Run:
    """Print the plan as JSON, or as text, or only the text's last lines: the counts and the forecast."""
    import json

    from prsbench.harness.engine.driver.executor import workers_here
    from prsbench.harness.engine.driver.forecast import Planned
    from prsbench.harness.engine.driver.run import plan_run

    run = plan_run(grid, registry(), folder, partial(print, file=sys.stderr) if as_json else print)
    planned = Planned.of(run, workers_here(grid.execution))
    for line in [json.dumps(planned.to_json(), indent=1)] if as_json else list(planned.lines())[-last:]:
        print(line, flush=True)
    return run


def _ablate(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.driver.executor import workers_here
    from prsbench.harness.engine.driver.forecast import estimate
    from prsbench.harness.engine.plan.ablation import ablation_grid
    from prsbench.harness.report.tables.verdict import RULE

    grid, folder = grid_and_folder(options, partial(ablation_grid, options.ablation, registry(), setting=options.setting))
    if options.setting:
        print(RULE)
    run = _planned(grid, folder, last=2)
    rows = ", ".join(dict.fromkeys(cell.method for cell in run.plan.cells))
    print(f"Rows: {rows}\nSeeds: {', '.join(map(str, grid.seeds))}\nRun folder: {folder.path}", flush=True)
    parent_run = Path("runs") / grid.name.partition(f"-{options.ablation}")[0]
    if parent_run.is_dir():
        print(estimate(run, workers_here(grid.execution), parent_run), flush=True)
    return OK if options.plan else _run_and_report(grid, folder, options)


def _tune(options: argparse.Namespace) -> int:
    from math import isfinite

    from prsbench.harness.engine.driver.tuning import tune
    from prsbench.harness.engine.grid.loading import load_grid
    from prsbench.harness.engine.inspect.tuning import tuning_text, write_tuning

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    grid = load_grid(options.grid, [*options.changes, *execution_changes(options)], options.data, selection(options))
    folder, (say, display) = run_folder(options.out, f"{grid.name}-tuning"), _output(options)
    how = {"executor": options.executor, "address": options.address, "display": display}
    rows = tune(grid, registry(), folder, say, options.minutes, options.only, **how)
    write_tuning(rows, folder.path / "tuning.csv")
    folder.report_written()
    print(f"\n{tuning_text(rows)}\nScored on the val split. All tries are in {folder.path / 'tuning.csv'}")
    return OK if all(isfinite(row.score) for row in rows) else SOME_FAILED


def _status(options: argparse.Namespace) -> int:
    import json

    from prsbench.harness.engine.inspect.status import status_json, status_lines

    run = opened(options)
    for line in [json.dumps(status_json(run), indent=1)] if options.json else status_lines(run):
        print(line)
    return OK


def _logs(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.status import log_text

    print(log_text(opened(options), options.name, options.all))
    return OK


def _show_config(options: argparse.Namespace) -> int:
    import yaml
    from prsbench.harness.engine.grid.loading import load_grid
    from prsbench.harness.engine.plan.choices import resolved

    grid = load_grid(options.grid, options.changes, options.data, selection(options))
    content = resolved(grid, registry()) if options.resolved else grid.model_dump(mode="json", exclude_unset=True)
    print(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), end="")
    return OK


def _show_schema(_: argparse.Namespace) -> int:
    import json

    from prsbench.harness.engine.plan.choices import grid_schema

    print(json.dumps(grid_schema(registry()), indent=1))
    return OK

"""The command line, and the one module that knows the three catalogs. Commands import what they need when they run."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.harness.contract.errors import ConfigError, PrsbenchError

if TYPE_CHECKING:
    from prsbench.harness.engine.config import GridConfig
    from prsbench.harness.engine.grid import Registry
    from prsbench.harness.engine.ledger import RunFolder
    from prsbench.harness.engine.results import Run
    from prsbench.harness.report.pictures import Pictures

OK, SOME_FAILED, USER_ERROR, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 all well, 1 some cells are not complete, 2 an error the user can cure."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except PrsbenchError as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        print(f"{error}. Make room or choose another place with --out; the same command goes on from here.", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\nStopped. Nothing finished is lost: the same command goes on from here.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prsbench",
        description="Train, run and compare positional-reasoning segmenters: a mask and a sentence that says where it is.",
        epilog="Start with: prsbench run smoke (two minutes), then prsbench run. Each command explains itself with --help.",
    )
    parser.add_argument("--version", action="version", version=f"prsbench {version('prsbench')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_plan(commands)
    report = _add(commands, "report", _report, "Write tables, figures and report.html of a run folder again; computes nothing.")
    report.add_argument("run", type=Path, metavar="RUN", help="the run folder, such as runs/default")
    status = _add(commands, "status", _status, "Say which cells of a run folder are complete, and why others are not.")
    status.add_argument("run", type=Path, metavar="RUN", help="the run folder, such as runs/default")
    _add_prepare(commands)
    examine = _add(commands, "test-method", _test_method, "Examine a method's manners on a few drawn images; no data needed.")
    examine.add_argument("name", metavar="NAME", help="a name of `prsbench list methods`, or file.py:ClassName")
    new = _add(commands, "new-method", _new_method, "Write a working method of one file, to start from.")
    new.add_argument("name", metavar="NAME", help="such as my_method; writes my_method.py here")
    lists = _add(commands, "list", _list, "List what can be named in a grid or on the command line.")
    lists.add_argument("what", choices=("methods", "datasets", "metrics", "grids"))
    return parser


def _add(commands: argparse._SubParsersAction, name: str, command: object, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(command=command)
    return parser


def _add_grid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("grid", nargs="?", default="default", help="a packaged grid (`prsbench list grids`) or a YAML file")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder in the official layout, for sources 'prs_med'")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: runs/<name of the grid>)")
    changes = parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="changes")
    changes.help = "change one key of the grid, as in seeds=[0,1] or data.0.train=20; may be repeated"


def _add_run(commands: argparse._SubParsersAction) -> None:
    run = _add(commands, "run", _run, "Train and evaluate a grid, then write its tables. Finished work is never done again.")
    _add_grid(run)
    run.add_argument("--only", nargs="+", default=[], metavar="METHOD", help="work on these methods of the grid alone")
    run.add_argument("--executor", choices=("ray", "serial"), default="ray", help="side by side or one by one; same numbers")
    run.add_argument("--workers", type=int, metavar="N", help="jobs side by side (default: one a core)")
    run.add_argument("--address", help="work on this existing Ray cluster")


def _add_plan(commands: argparse._SubParsersAction) -> None:
    plan = _add(commands, "plan", _plan, "Check a grid and its data and say which cells are new, cached or failed.")
    _add_grid(plan)


def _add_prepare(commands: argparse._SubParsersAction) -> None:
    summary = "Turn a public archive, unpacked, into the official layout. Running it again changes nothing."
    prepare = _add(commands, "prepare", _prepare, summary)
    prepare.add_argument("source", metavar="SOURCE", help="which archive (`prsbench list datasets`)")
    prepare.add_argument("--from", type=Path, metavar="DIR", dest="from_folder", help="the unpacked archive")
    prepare.add_argument("--to", type=Path, required=True, metavar="DIR", dest="to_folder", help="the prepared data set's root")
    prepare.add_argument("--modality", help="for 'pairs': what the images are, such as lung_xray")
    prepare.add_argument("--target", help="for 'pairs': the noun of what the masks outline, such as lungs")
    prepare.add_argument("--archive", help="for 'pairs': a name for where the images come from")
    prepare.add_argument("--group", metavar="REGEX", help="for 'pairs': its first group is the case in a file's name")
    prepare.add_argument("--seed", type=int, default=0, help="of the split into train, val and test (default 0)")


def _run(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.results import results
    from prsbench.harness.engine.run import run_grid
    from prsbench.harness.report.writer import summary_text, write_report

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's way to say Ctrl-C
    grid, folder = _grid_and_folder(options)
    say = partial(print, file=sys.stdout, flush=True)
    run = run_grid(grid, _registry(), folder, say, options.executor, options.only, options.address)
    cells = results(run)
    write_report(cells, folder.path, partial(_pictures, run))
    print(f"\n{summary_text(cells)}\nTables, figures and report.html are in {folder.path}")
    return OK if run.status == "complete" else SOME_FAILED


def _plan(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.results import state_of
    from prsbench.harness.engine.run import plan_run

    grid, folder = _grid_and_folder(options)
    run = plan_run(grid, _registry(), folder, print)
    states = {cell.folder: state_of(cell, run.setting) for cell in run.plan.cells}
    for cell, state in states.items():
        print(f"{state:8} {cell}")
    print(_count(list(states.values())))
    return OK


def _report(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.results import open_run, results
    from prsbench.harness.report.writer import write_report

    run = open_run(options.run)
    for path in write_report(results(run), options.run, partial(_pictures, run)):
        print(path)
    return OK


def _status(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.results import open_run, reason_of, state_of

    run = open_run(options.run)
    states = []
    for cell in run.plan.cells:
        state = state_of(cell, run.setting)
        states.append(state)
        if state != "cached":
            print(f"{state:8} {cell.folder}: {reason_of(cell, state, run.setting)}")
    print(f"{run.status}: {_count(states)}")
    return OK


def _prepare(options: argparse.Namespace) -> int:
    from prsbench.datasets.catalog import prepare

    names = ("modality", "target", "archive", "group", "seed")
    chosen = {name: getattr(options, name) for name in names}
    print(prepare(options.source, options.from_folder, options.to_folder, **chosen))
    return OK


def _test_method(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.process import prepare_process

    prepare_process(threads=1)
    from prsbench.methods.conformance import report

    return OK if report(options.name, print) else SOME_FAILED


def _new_method(options: argparse.Namespace) -> int:
    from prsbench.methods.skeleton import write_skeleton

    name = write_skeleton(options.name, Path())
    print(f"{name} is ready. Examine it: prsbench test-method {name}. Then name it in a grid.")
    return OK


def _list(options: argparse.Namespace) -> int:
    known = _names(options.what)
    width = max(map(len, known))
    for name, summary in known.items():
        print(f"{name:{width}}  {summary}")
    return OK


def _names(what: str) -> Mapping[str, str]:
    """Names of one catalog with what they are."""
    if what == "methods":
        from prsbench.methods.catalog import METHODS

        return {name: entry.summary for name, entry in METHODS.items()}
    if what == "metrics":
        from prsbench.metrics.catalog import METRICS

        return {name: metric.title for name, metric in METRICS.items()}
    if what == "grids":
        from prsbench.harness.engine.grid_files import packaged_grids

        return packaged_grids()
    from prsbench.datasets.catalog import SOURCES

    return {name: source.summary for name, source in SOURCES.items()}


def _registry() -> Registry:
    from prsbench.harness.engine.grid import Registry
    from prsbench.methods.catalog import METHODS, PARTS

    return Registry(METHODS, PARTS, "prsbench.methods.text2centroid:load_text_models", "text2centroid")


def _grid_and_folder(options: argparse.Namespace) -> tuple[GridConfig, RunFolder]:
    from prsbench.harness.engine.config import load_grid
    from prsbench.harness.engine.ledger import RunFolder

    changes = list(options.changes)
    if getattr(options, "workers", None) is not None:
        if options.workers < 1:
            raise ConfigError(f"--workers: expected 1 or more, got {options.workers}.")
        changes.append(f"execution.workers={options.workers}")
    grid = load_grid(options.grid, changes, options.data)
    return grid, RunFolder(options.out or Path("runs") / grid.name)


def _pictures(run: Run, sample_id: str, dataset: str, methods: Sequence[str]) -> Pictures | None:
    """A sample and the maps of these methods, from the run folder."""
    from prsbench.harness.engine.cell_folder import read_map
    from prsbench.harness.engine.results import sample_of
    from prsbench.harness.report.pictures import Pictures

    found = sample_of(run, dataset, sample_id)
    if found is None:
        return None
    index, sample = found
    maps = {}
    for cell in run.plan.cells:
        if cell.dataset == dataset and cell.method in methods and cell.method not in maps:  # the first seed
            kept = read_map(run.setting.run.cell(cell.folder), index)
            if kept is not None:
                maps[cell.method] = kept
    return Pictures(sample.query.image, sample.truth.mask, maps)


def _count(states: Sequence[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "no cells"

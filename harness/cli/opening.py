"""From the options of a command to grids, run folders and results; the one place that knows all three catalogs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.harness.contract.errors import ConfigError

if TYPE_CHECKING:
    from prsbench.harness.engine.grid.schema import GridConfig
    from prsbench.harness.engine.inspect.state import Run
    from prsbench.harness.engine.plan.choices import Registry
    from prsbench.harness.engine.store.run_folder import RunFolder
    from prsbench.harness.report.exports.samples import Results

LONGEST_PATH = 3000  # of a run folder; systems allow 4096 bytes for the paths of the files in it


def registry() -> Registry:
    from prsbench.harness.engine.plan.choices import Registry
    from prsbench.methods.catalog import METHODS, PACKAGED_JUDGE, PARTS

    t2c = "prsbench.methods.text2centroid.model"
    return Registry(METHODS, PARTS, f"{t2c}:load_text_models", "text2centroid", PACKAGED_JUDGE, f"{t2c}:load_training_head")


def grid_and_folder(
    options: argparse.Namespace, change: Callable[[GridConfig], GridConfig] = lambda grid: grid
) -> tuple[GridConfig, RunFolder]:
    from prsbench.harness.engine.grid.loading import load_grid

    grid = change(load_grid(options.grid, [*options.changes, *execution_changes(options)], options.data, selection(options)))
    return grid, run_folder(options.out, grid.name)


def selection(options: argparse.Namespace) -> dict[str, object]:
    """What `--exclude` and `--limit` set of a source prs_med."""
    selection = {"exclude": str(options.exclude.absolute()) if options.exclude else None, "limit": options.limit}
    return {key: value for key, value in selection.items() if value is not None}


def run_folder(out: str | None, name: str) -> RunFolder:
    """The run folder that `--out` names, or the default one of a grid."""
    from prsbench.harness.engine.store.remote import RemoteRunFolder, is_url, mirror_folder
    from prsbench.harness.engine.store.run_folder import RunFolder

    if out and is_url(out):
        return RemoteRunFolder(out, mirror_folder(out))
    path = Path(out) if out else Path("runs") / name
    if len(os.fsencode(path.absolute())) > LONGEST_PATH:
        raise ConfigError(
            f"{shortened(str(path))}: expected a path of at most {LONGEST_PATH:,} bytes. Choose another with --out."
        )
    return RunFolder(path)


def execution_changes(options: argparse.Namespace) -> list[str]:
    workers = getattr(options, "workers", None)
    is_distrusted = getattr(options, "trust_mtime", "yes") == "no"
    changes = [] if workers is None else [f"execution.workers={workers}"]
    return changes + ["execution.trust_mtime=false"] * is_distrusted


def opened(options: argparse.Namespace) -> Run:
    """The run in the folder RUN."""
    return opened_folder(options.run)


def opened_folder(folder: Path) -> Run:
    from prsbench.harness.engine.inspect.state import open_run

    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: this is not a folder. Name the folder that `run` wrote, as in runs/default.")
    if is_records(folder):
        raise ConfigError(f"{folder}: these are a run's records, without its predictions. Name the folder that `run` wrote.")
    return open_run(folder)


def is_records(folder: Path) -> bool:
    from prsbench.harness.report.exports.samples import CELLS

    return (folder / CELLS).is_file() and not (folder / "run.json").exists()


def results_of(folder: Path) -> Results:
    """The results in a run folder, or in a folder that `prsbench records` wrote."""
    from prsbench.harness.contract.results import digest_of
    from prsbench.harness.engine.inspect.results import facts_of, held_out, results, trainings_of
    from prsbench.harness.report.exports.samples import Results, read_results

    if is_records(folder):
        return read_results(folder)
    run = opened_folder(folder)
    cells = results(run)
    return Results(cells, held_out(run), trainings_of(run), {"digest": digest_of(cells), **facts_of(run)})


def shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."

"""Export: write a trained method of a run to a folder, in the public layout of that method."""

from __future__ import annotations

import shutil
from pathlib import Path

from prsbench.harness.contract.errors import ConfigError, RunFolderError, unknown_name
from prsbench.harness.engine.inspect.state import Run
from prsbench.harness.engine.worker.loaded_methods import build


def export(run: Run, method: str, to: Path, seed: int | None = None) -> Path:
    """Load the method's trained weights and let it write to `to`. Without a seed, the run's first one is exported.

    Raises:
        ConfigError: the run has no such method or seed, it trains nothing, it has no `export`, or `to` is not empty.
        RunFolderError: its training is not finished.
    """
    cells = [cell for cell in run.plan.cells if cell.method == method]
    if not cells:
        raise unknown_name("method of this run", method, {cell.method for cell in run.plan.cells})
    cell = next((cell for cell in cells if seed in (None, cell.seed)), None)
    if cell is None:
        seeds = ", ".join(sorted({str(cell.seed) for cell in cells}))
        raise ConfigError(f"{method} has no seed {seed} in this run. Known: {seeds}.")
    loaded = build(cell)
    if cell.training is None or not hasattr(loaded, "export"):
        raise ConfigError(f"{method} cannot be exported. Only a method that trains and has `export` can, such as cg_reasoner.")
    if run.setting.digest(cell.training) is None:
        raise RunFolderError(f"{method}, seed {cell.seed}: its training is not finished. Run its grid again to resume it.")
    if to.exists() and any(to.iterdir()):
        raise ConfigError(f"{to}: expected an empty folder or none, got files. Choose another with --to.")
    loaded.load(run.setting.weights_folder(cell.training), "cpu")
    partial = to.resolve().with_name(f".{to.resolve().name}.partial")  # a partial export must not look complete
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    loaded.export(partial)
    partial.replace(to)
    return to

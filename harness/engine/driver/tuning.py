"""The tuning of a grid's rows: a pilot of each measures an epoch, all tries run for equal minutes, the best at full length."""

from __future__ import annotations

from collections.abc import Collection
from math import isnan
from typing import Any

from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.engine.driver.run import Say, run_grid
from prsbench.harness.engine.grid.schema import GridConfig, base_name
from prsbench.harness.engine.inspect.state import RunStatus
from prsbench.harness.engine.inspect.tuning import FINAL, SCREENING, Tried, finals_of, training_seconds, tried
from prsbench.harness.engine.plan.choices import Registry
from prsbench.harness.engine.plan.tuning import full_epochs, tries_of, tuning_grid
from prsbench.harness.engine.store.run_folder import RunFolder

PILOT_EPOCHS = 2


def tune(
    grid: GridConfig, registry: Registry, folder: RunFolder, say: Say, minutes: float, only: Collection[str] = (), **how: Any
) -> list[Tried]:
    """Train and score every try, then each row's finals; the same call resumes. A try that failed has NaN for its scores.

    Args:
        minutes: of each try's training steps, by the pilot's measure; at least one epoch. Finals train for the grid's epochs.
        only: methods to tune; empty for all that are trained here with a learning rate.
        how: executor and address, as for `run_grid`.

    Raises:
        PrsbenchError: the grid cannot be tuned, or a pilot failed.
    """
    tries = tries_of(grid, registry, only)
    pilots = {name: some[:1] for name, some in tries.items()}
    run = run_grid(tuning_grid(grid, pilots, dict.fromkeys(tries, PILOT_EPOCHS)), registry, folder, say, **how)
    if run.status is not RunStatus.COMPLETE:
        raise PrsbenchError(f"{folder.path}: a pilot training failed. `prsbench status {folder.path}` says why.")
    seconds = {base_name(cell.method): training_seconds(run, cell.training) for cell in run.plan.cells if cell.training}
    if untimed := [name for name, taken in seconds.items() if isnan(taken)]:
        raise PrsbenchError(f"tune: {', '.join(untimed)} took too few steps to be timed. Call `context.progress` at every step.")
    epochs = {name: epochs_within(minutes, taken) for name, taken in seconds.items()}
    run = run_grid(tuning_grid(grid, tries, epochs), registry, folder, say, **how)
    screened = tried(run, grid.name, tries, epochs, SCREENING)
    finals = {name: best for name in tries if (best := finals_of(row for row in screened if row.method == name))}
    if not finals:
        return screened
    lengths = full_epochs(grid, registry, finals)
    run = run_grid(tuning_grid(grid, finals, lengths), registry, folder, say, **how)
    return [*screened, *tried(run, grid.name, finals, lengths, FINAL)]


def epochs_within(minutes: float, pilot_s: float) -> int:
    """How many epochs fit into the budget, at least one, if the pilot took these seconds.

    Example:
        >>> epochs_within(3.0, 40.0)
        9
    """
    return max(1, round(60 * minutes * PILOT_EPOCHS / pilot_s))

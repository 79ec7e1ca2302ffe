"""The losses of a run's trainings as TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.report.figures.losses import LOSSES, VALIDATION


def write_events(trainings: Mapping[str, Path], folder: Path) -> list[Path]:
    """Write the losses as TensorBoard events to `folder`/<title>, replacing those of a previous call; returns the folders.

    Raises:
        MissingPrerequisite: tensorboardX is not installed.
    """
    import pandas as pd

    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise MissingPrerequisite("TensorBoard events need tensorboardX. Run: pip install 'prsbench[tensorboard]'.") from error

    written = []
    for title, training in trainings.items():
        for name, split in ((LOSSES, "train"), (VALIDATION, "val")):
            if (training / name).is_file():
                written.append(target := folder / title / split)
                for stale in target.glob("events.out.tfevents.*"):
                    stale.unlink()
                with SummaryWriter(str(target)) as writer:
                    for line in pd.read_csv(training / name).to_dict("records"):
                        step = int(line.pop("step"))
                        for term, value in line.items():
                            writer.add_scalar(term, value, step, walltime=0.0)  # the time is not stored
    return written

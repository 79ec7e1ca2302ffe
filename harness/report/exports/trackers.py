"""A run replayed into folders of Weights & Biases or MLflow: one tracker's run per row, with its losses and mean scores.

Both write to a local folder and send nothing. README.md says how to upload or show them.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.report.exports.samples import Results
from prsbench.harness.report.figures.losses import LOSSES, VALIDATION
from prsbench.harness.report.statistics.rows import Row, modalities_of, rows_of, summarise
from prsbench.harness.report.tables.comparisons import METRICS_COMPARED
from prsbench.harness.report.tables.table import labels_of

PROJECT = "prsbench"
Step = tuple[int, dict[str, float]]
Write = Callable[[str, Mapping[str, str], Mapping[str, float], Sequence[Step]], None]  # name, labels, mean scores, losses


def to_tracker(name: str, found: Results, folder: Path) -> list[str]:
    """One run of the tracker ("wandb" or "mlflow") per row, and per training with losses; returns their names.

    Raises:
        MissingPrerequisite: the tracker is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        write = {"wandb": _wandb, "mlflow": _mlflow}[name](folder)
    except ImportError as error:
        raise MissingPrerequisite(f"This needs {name}. Run: pip install 'prsbench[{name}]'.") from error
    names = []
    for run, params, scores, steps in _replayed(found):
        write(run, params, scores, steps)
        names.append(run)
    return names


def _wandb(folder: Path) -> Write:
    import wandb

    def write(name: str, params: Mapping[str, str], scores: Mapping[str, float], steps: Sequence[Step]) -> None:
        run = wandb.init(project=PROJECT, name=name, config=dict(params), dir=str(folder), mode="offline")
        for step, values in steps:
            run.log(values, step=step)
        run.summary.update(dict(scores))
        run.finish()

    return write


def _mlflow(folder: Path) -> Write:
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 refuses file stores without it
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.resolve().as_uri())
    known = client.get_experiment_by_name(PROJECT)
    experiment = known.experiment_id if known else client.create_experiment(PROJECT)

    def write(name: str, params: Mapping[str, str], scores: Mapping[str, float], steps: Sequence[Step]) -> None:
        run = client.create_run(experiment, run_name=name).info.run_id
        for key, text in params.items():
            client.log_param(run, key.replace(" ", "_"), text)
        for step, values in steps:
            for key, value in values.items():
                client.log_metric(run, key, value, step=step)
        for key, value in scores.items():
            client.log_metric(run, key, value)
        client.set_terminated(run)

    return write


def _replayed(found: Results) -> Iterator[tuple[str, dict[str, str], dict[str, float], list[Step]]]:
    """Name, labels, mean scores and losses of each row; then name and losses of each training."""
    about = {key: str(found.about.get(key, "unknown")) for key in ("prsbench", "commit", "digest")}
    for row in rows_of(found.cells):
        names = ("method", "prompt_source", "weights", "text_source", "data_kind", "protocol")
        yield row.method, dict(zip(names, labels_of(row), strict=True)) | about, _scores(row), []
    for title, folder in found.trainings.items():
        steps: dict[int, dict[str, float]] = {}
        for name, split in ((LOSSES, "train"), (VALIDATION, "val")):
            for step, values in _steps(folder / name, split):
                steps[step] = steps.get(step, {}) | values
        if steps:
            yield f"training {title}", about, {}, sorted(steps.items())  # W&B drops steps that come late


def _scores(row: Row) -> dict[str, float]:
    """Means by METRIC/mean and METRIC/MODALITY, with "@" as "_at_"; numbers with failed samples or a doubtful judge left out."""
    scores = {}
    for metric in METRICS_COMPARED:
        for modality in (None, *modalities_of(row.cells)):
            score = summarise(row, metric, modality)
            if score.is_complete:
                scores[f"{metric.replace('@', '_at_')}/{modality or 'mean'}"] = score.value
    return scores


def _steps(path: Path, split: str) -> Iterator[Step]:
    if not path.is_file():
        return
    with path.open(newline="") as stream:
        for line in csv.DictReader(stream):
            yield int(line["step"]), _numbers(line, split)


def _numbers(line: Mapping[str, str], split: str) -> dict[str, float]:
    values = {name: float(text) for name, text in line.items() if name != "step" and text}
    return {f"{split}/{name}": value for name, value in values.items() if isfinite(value)}

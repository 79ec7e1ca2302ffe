"""W&B and MLflow, with stand-ins for both: one run per row and training, nothing sent, no number that hides a failure."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.report.exports.samples import Results
from prsbench.harness.report.exports.trackers import to_tracker


@pytest.fixture
def found(cell, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "losses.csv").write_text("step,loss\n1,2.0\n5,nan\n9,1.0\n")
    (weights / "validation.csv").write_text("step,loss\n5,1.5\n")
    cells = [cell("cg_reasoner", (0.5, 0.7)), cell("oracle", (0.5, 0.7), failed=(0,))]
    return Results(cells, [], {"cg_reasoner s0": weights, "without losses": tmp_path}, {"commit": "abc", "digest": "d"})


@pytest.fixture
def wandb(monkeypatch):
    runs, module = [], ModuleType("wandb")

    def init(**how):
        run = SimpleNamespace(how=how, logged=[], summary={}, finish=lambda: run.how.update(finished=True))
        run.log = lambda values, step: run.logged.append((step, values))
        runs.append(run)
        return run

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return runs


@pytest.fixture
def mlflow(monkeypatch):
    calls, module = [], ModuleType("mlflow.tracking")

    class MlflowClient:
        def __init__(self, tracking_uri):
            calls.append(("at", tracking_uri))

        def get_experiment_by_name(self, name):
            return None

        def create_experiment(self, name):
            return "1"

        def create_run(self, experiment, run_name):
            return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

        def log_param(self, *what):
            calls.append(what)

        def log_metric(self, run, key, value, step=None):
            calls.append((run, key, value, step))

        def set_terminated(self, run):
            calls.append((run, "ended"))

    module.MlflowClient = MlflowClient
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", module)
    return calls


def test_wandb_gets_an_offline_run_per_row_with_its_means(found, wandb, tmp_path):
    assert to_tracker("wandb", found, tmp_path / "out") == ["cg_reasoner", "oracle", "training cg_reasoner s0"]
    assert all(run.how["mode"] == "offline" and run.how["finished"] for run in wandb)
    assert wandb[0].summary["dice_at_0.5/mean"] == pytest.approx(0.6) and wandb[0].summary[
        "dice_at_0.5/brain_mri"
    ] == pytest.approx(0.6)
    assert wandb[0].how["config"]["data_kind"] == "SYNTHETIC" and wandb[0].how["config"]["commit"] == "abc"
    assert wandb[1].summary == {}, "a sample of the oracle failed"


def test_losses_come_in_the_order_of_their_steps(found, wandb, tmp_path):
    to_tracker("wandb", found, tmp_path / "out")
    assert wandb[2].logged == [(1, {"train/loss": 2.0}), (5, {"val/loss": 1.5}), (9, {"train/loss": 1.0})]


def test_mlflow_gets_the_same_in_a_file_store(found, mlflow, tmp_path):
    assert to_tracker("mlflow", found, tmp_path / "out") == ["cg_reasoner", "oracle", "training cg_reasoner s0"]
    assert mlflow[0] == ("at", (tmp_path / "out").as_uri())
    assert ("training cg_reasoner s0", "train/loss", 1.0, 9) in mlflow and ("cg_reasoner", "ended") in mlflow
    assert any(call[:2] == ("cg_reasoner", "weights") for call in mlflow)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_without_the_library_it_says_what_to_install(found, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPrerequisite, match=rf"prsbench\[{name}\]"):
        to_tracker(name, found, tmp_path / "out")

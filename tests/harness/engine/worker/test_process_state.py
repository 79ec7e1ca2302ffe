"""What a node changes in its worker process is noted in its log and put back before the next node."""

import os

import numpy as np
import pytest
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker.process_state import put_back, state


def test_what_was_not_changed_is_not_named():
    assert put_back(state()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda torch: torch.set_grad_enabled(False), "torch's grad mode (was True, got False)"),
        (lambda torch: torch.set_default_dtype(torch.float64), "torch's default dtype"),
        (lambda torch: setattr(torch.nn.init, "uniform_", print), "torch.nn.init.uniform_"),
        (lambda torch: setattr(torch.nn.Linear, "reset_parameters", print), "Linear.reset_parameters"),
        (lambda _: os.chdir("/"), "the working folder"),
        (lambda _: os.environ.update(OMP_NUM_THREADS="77"), "environment variables"),
        (lambda _: np.seterr(all="raise"), "NumPy's error handling"),
    ],
)
def test_a_change_is_named_and_put_back(change, said):
    torch = pytest.importorskip("torch")
    before = state()
    change(torch)
    (named,) = put_back(before)
    assert named.startswith(said) and state() == before


def test_a_row_of_ours_that_changes_numpy_does_not_move_the_next_one(stand_ins, data_root, tmp_path, monkeypatch):
    seen, predict = [], stand_ins.Bright.predict

    def careless(self, queries):
        seen.append(np.geterr()["over"])
        np.seterr(over="raise")
        return predict(self, queries)

    monkeypatch.setattr(stand_ins.Bright, "predict", careless)
    run = run_grid(stand_ins.make_grid(data_root, ["bright"]), stand_ins.REGISTRY, RunFolder(tmp_path / "run"), str, "serial")
    assert {cell.status for cell in results(run)} == {"complete"} and set(seen) == {"warn"}
    log = (run.setting.run.cell(run.plan.cells[0].folder) / "log.txt").read_text()
    assert "This node changed NumPy's error handling" in log and "it was put back" in log

"""Failures by class: each ends as its own kind of row, and none takes its neighbours along."""

import errno
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from prsbench.harness.contract.errors import ConfigError, MissingPrerequisite, RunFolderError
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.store.run_folder import NodeFolder, RunFolder
from prsbench.harness.engine.worker.failures import Failure, NodeTimeout, class_of, time_limit


def go(stand_ins, root, folder, methods, executor="serial", **execution):
    return run_grid(stand_ins.make_grid(root, methods, **execution), stand_ins.REGISTRY, RunFolder(folder), str, executor)


def attempts(run, method):
    return [NodeFolder(run.setting.run.cell(cell.folder)).attempts for cell in run.plan.cells if cell.method == method]


class OutOfMemoryError(RuntimeError):
    """Named as torch's and Ray's."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), Failure.OUT_OF_MEMORY),
        (OutOfMemoryError("no more"), Failure.OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), Failure.OUT_OF_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), Failure.NO_ROOM),
        (OSError(errno.ENOENT, "no such file"), Failure.ERROR),
        (MissingPrerequisite("install it"), Failure.MISSING_PREREQUISITE),
        (NodeTimeout(), Failure.TIMEOUT),
        (ValueError("bad"), Failure.ERROR),
    ],
)
def test_an_error_has_one_class(error, expected):
    assert class_of(error) is expected


def test_a_time_limit_passes_every_except_of_a_method_and_ends_with_its_block():
    def ignore_every_error():
        while True:
            with suppress(Exception):
                time.sleep(10)

    with pytest.raises(NodeTimeout), time_limit(0.05):
        ignore_every_error()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_training_that_fails_ends_its_own_cells_and_not_those_that_take_turns_with_them(stand_ins, data_root, tmp_path):
    grid = stand_ins.make_grid(data_root, ["bright", {"trained": {"fit_fails": True}}, "echo"])
    said = []
    registry = stand_ins.sharing("bright", "trained", "echo")
    run = run_grid(grid, registry, RunFolder(tmp_path / "run"), said.append, "serial")
    states = {(cell.method, cell.modality): cell.status for cell in results(run)}
    assert {states[method, m] for method in ("bright", "echo") for m in ("brain_mri", "skin_rgb")} == {"complete"}
    assert states["trained", "brain_mri"] == states["trained", "skin_rgb"] == "failed"
    assert [[attempt["reason"] for attempt in cell] for cell in attempts(run, "trained")] == [["not run"]] * 2
    assert sum("not all of it can be done, one by one" in line for line in said) == 2


def test_cells_in_turns_wait_for_every_training_among_them_and_give_the_numbers_they_give_apart(stand_ins, data_root, tmp_path):
    grid = stand_ins.make_grid(data_root, ["bright", "trained"])
    apart, together = (
        run_grid(grid, stand_ins.sharing(*names), RunFolder(tmp_path / str(len(names))), str, "serial")
        for names in ((), ("bright", "trained"))
    )
    first, second = (
        [json.dumps({**r.to_json(), "seconds": 0}) for cell in results(run) for r in cell.records] for run in (apart, together)
    )
    assert first == second and {cell.status for cell in results(together)} == {"complete"}


def test_a_batch_too_large_for_memory_is_halved_until_it_fits_and_the_records_say_so(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", [{"bright": {"batch_size": 5, "fits": 2}}])
    for cell in results(run):
        assert [(record.status, record.batch_size) for record in cell.records] == [("ok", 2)] * 4 + [("ok", 1)]


def test_what_does_not_fit_even_alone_is_a_failed_sample(stand_ins, data_root, tmp_path, monkeypatch):
    monkeypatch.setattr(stand_ins.Bright, "predict", lambda self, queries: (_ for _ in ()).throw(MemoryError("none left")))
    run = go(stand_ins, data_root, tmp_path / "run", ["bright"])
    assert {cell.error for cell in results(run)} == {"every sample failed, the first with: MemoryError: none left"}
    assert {attempt["reason"] for found in attempts(run, "bright") for attempt in found} == {"bad samples"}


def test_a_bad_sample_leaves_the_batch_size_of_the_others_in_their_records(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", [{"bright": {"breaks_on": "test2"}}])
    assert [record.batch_size for record in results(run)[0].records] == [2, 2, 1, 1, 1]


def test_a_cell_that_takes_too_long_ends_and_resumes_from_its_records_later(stand_ins, data_root, tmp_path, monkeypatch):
    hangs = [{"bright": {"breaks_on": "brain_mri/test3", "how": "hang"}}, "echo"]
    run = go(stand_ins, data_root, tmp_path / "run", hangs, timeout_s=4)
    brain, skin, *echo = results(run)
    assert (brain.status, skin.status) == ("failed", "complete") and {cell.status for cell in echo} == {"complete"}
    (first,), _ = attempts(run, "bright")
    assert first["reason"] == "timeout" and "Raise execution.timeout_s" in first["error"] and first["samples"] == 2
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert go(stand_ins, data_root, tmp_path / "run", hangs).status == "complete"
    log = (tmp_path / "log.txt").read_text().splitlines()
    assert [log.count(f"bright brain_mri/test{number}#0") for number in range(5)] == [1, 1, 2, 2, 1]


def test_a_full_disk_ends_the_run_and_fails_no_cell(stand_ins, data_root, tmp_path, monkeypatch):
    from prsbench.harness.engine.worker import prediction

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "records.jsonl")

    with monkeypatch.context() as patched:
        patched.setattr(prediction, "append_batch", full)
        with pytest.raises(RunFolderError, match="No space left on device.*Make room"):
            go(stand_ins, data_root, tmp_path / "run", ["bright", "echo"])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    assert go(stand_ins, data_root, tmp_path / "run", ["bright", "echo"]).status == "complete"


def test_a_worker_that_dies_is_tried_once_more_and_one_that_hangs_in_a_library_is_killed(
    stand_ins, data_root, tmp_path, monkeypatch
):
    from prsbench.harness.engine.driver import executor

    monkeypatch.setattr(executor, "GRACE_S", 0.5)
    monkeypatch.setenv("PYTHONPATH", str(Path(stand_ins.__file__).parent), prepend=os.pathsep)
    methods = [
        {"boxed": {"breaks_on": "skin_rgb/test3", "how": "die"}},
        {"trained": {"breaks_on": "skin_rgb/test3", "how": "hang in a library"}},
    ]
    run = go(stand_ins, data_root, tmp_path / "run", methods, "ray", timeout_s=12)
    states = {(cell.method, cell.modality): (cell.status, cell.error) for cell in results(run)}
    assert states["boxed", "brain_mri"][0] == states["trained", "brain_mri"][0] == "complete"
    assert "the worker process ended before the job did" in states["boxed", "skin_rgb"][1]
    assert "was killed with its worker" in states["trained", "skin_rgb"][1]
    assert [attempt["reason"] for attempt in attempts(run, "boxed")[1]] == ["worker death"] * 2
    assert [attempt["reason"] for attempt in attempts(run, "trained")[1]] == ["timeout"]


def test_resources_that_this_machine_does_not_have_are_refused_and_not_waited_for(stand_ins, data_root, tmp_path):
    with pytest.raises(ConfigError, match="execution.resources.bright: asks for a100 1, and this machine offers 0"):
        go(stand_ins, data_root, tmp_path / "run", ["bright"], "ray", resources={"bright": {"custom": {"a100": 1}}})
    with pytest.raises(ConfigError, match="No method or part is called 'brigth'. Did you mean 'bright'?"):
        go(stand_ins, data_root, tmp_path / "run", ["bright"], resources={"brigth": {"cpus": 2}})

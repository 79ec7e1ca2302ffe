"""Cells that are predicted in shards end as if they had never been cut, however often and wherever they are stopped."""

import json
from collections import Counter

import pytest
from prsbench.harness.engine.driver import schedule
from prsbench.harness.engine.driver.executor import SerialExecutor
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.inspect.status import log_text, status_lines
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.run_folder import NodeFolder, RunFolder
from prsbench.harness.engine.store.shards import SHARDS, shards_in
from prsbench.harness.engine.worker import prediction

N = 21  # test samples: eleven batches, the last with one sample


@pytest.fixture
def data(stand_ins, tmp_path):
    counts = (("train", 3), ("val", 2), ("test", N))
    return stand_ins.write_data(tmp_path / "data", ("skin_rgbimage",), counts, empty=(3,))


@pytest.fixture
def run(stand_ins, data, monkeypatch, tmp_path):
    """Runs rows in a folder, as if so many jobs could predict at once; each cell that can be cut is cut into as many shards."""
    monkeypatch.setattr(schedule, "LEAST_SAMPLES", 1)
    monkeypatch.setattr(schedule, "SHARDS_A_LANE", 1)
    monkeypatch.setenv("PRSBENCH_TEST_LOG", str(tmp_path / "run.log"))

    def run(name, shards, methods=("bright",), **execution):
        monkeypatch.setattr(SerialExecutor, "workers", shards)
        grid = stand_ins.make_grid(data, list(methods), **execution)
        said = []
        return run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / name), said.append, "serial"), said

    return run


def cell_of(found):
    (cell,) = found.plan.cells
    return CellFolder(found.setting.run.cell(cell.folder))


def predicted(tmp_path):
    return Counter(line for line in (tmp_path / "run.log").read_text().splitlines() if line.startswith(("bright ", "boxed ")))


@pytest.mark.parametrize("method", ["bright", "boxed", {"bright": {"breaks_on": "test5", "fits": 1}}])
def test_one_three_and_eight_shards_end_in_the_same_bytes(run, stand_ins, method):
    whole, _ = run("whole", 1, [method])
    for shards in (3, 8, 40):
        cut, said = run(f"in {shards}", shards, [method])
        assert sum(line.startswith("[") and "predict " in line for line in said) == min(shards, 11)
        assert stand_ins.numbers(cut) == stand_ins.numbers(whole)
        one, other = cell_of(whole), cell_of(cut)
        assert (one.path / "maps.bin").read_bytes() == (other.path / "maps.bin").read_bytes()
        assert not (other.path / SHARDS).exists(), "joined shards are gone"
        assert one.results_hash == other.results_hash and one.labels == other.labels
        (attempt,) = other.attempts
        assert (attempt["kind"], attempt["samples"]) == ("done", N), "its shards are no attempts of their own"
        assert "predicting" in (other.path / "log.txt").read_text(), "their logs are kept"


def test_rows_that_see_the_truth_are_not_cut(run, stand_ins):
    whole, _ = run("whole", 1, ["echo"])
    cut, _ = run("cut", 8, ["echo"])
    assert stand_ins.numbers(cut) == stand_ins.numbers(whole)


@pytest.mark.parametrize("later", [1, 2, 8])
def test_a_stopped_run_loses_a_batch_and_resumes_with_another_number_of_shards(run, stand_ins, monkeypatch, tmp_path, later):
    whole, _ = run("whole", 1)
    (tmp_path / "run.log").unlink()
    appended, calls = prediction.append_batch, []

    def append(*arguments):
        calls.append(arguments)
        if len(calls) == 6:
            raise KeyboardInterrupt
        appended(*arguments)

    monkeypatch.setattr(prediction, "append_batch", append)
    with pytest.raises(KeyboardInterrupt):
        run("cut", 3)
    folder = next((tmp_path / "cut" / "cells").iterdir())
    assert len(shards_in(folder)) == 2, "the third was not begun"
    stopped = open_run(tmp_path / "cut")
    (line, *_) = status_lines(stopped)
    assert "10 of 21 samples predicted; 2 shards begun, 1 of them complete" in line
    assert log_text(stopped, "bright", show_all=False).count("predicting") == 12
    cut, _ = run("cut", later)
    assert stand_ins.numbers(cut) == stand_ins.numbers(whole)
    again = {line: n for line, n in predicted(tmp_path).items() if n > 1}
    assert len(again) <= 2, f"only the batch that was lost: {again}"


def test_a_join_that_is_killed_begins_again_and_leftovers_of_a_finished_one_go(run, stand_ins, monkeypatch, tmp_path):
    whole, _ = run("whole", 1)
    with monkeypatch.context() as patched:
        patched.setattr(CellFolder, "seal", _interrupted(CellFolder.seal))
        with pytest.raises(KeyboardInterrupt):
            run("cut", 4)
    folder = next((tmp_path / "cut" / "cells").iterdir())
    assert (folder / SHARDS).exists() and not CellFolder(folder).is_sealed()
    before = predicted(tmp_path)
    cut, _ = run("cut", 4)
    assert stand_ins.numbers(cut) == stand_ins.numbers(whole) and predicted(tmp_path) == before


def _interrupted(seal):
    def sealing(folder, *arguments):
        if SHARDS not in folder.path.parts:
            raise KeyboardInterrupt
        seal(folder, *arguments)

    return sealing


def test_a_changed_shard_is_never_joined(run, monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        patched.setattr(CellFolder, "seal", _interrupted(CellFolder.seal))
        with pytest.raises(KeyboardInterrupt):
            run("cut", 4)
    folder = next((tmp_path / "cut" / "cells").iterdir())
    journal = sorted(folder.glob(f"{SHARDS}/*/predictions.jsonl"))[1]
    journal.write_bytes(journal.read_bytes().replace(b"bottom", b"to the"))
    found, _ = run("cut", 4)
    assert found.status == "incomplete"
    assert "is not what was sealed" in NodeFolder(folder).last_failure["error"]


def test_a_cell_whose_every_sample_fails_ends_as_one_failure_and_keeps_nothing(run):
    found, _ = run("cut", 4, [{"bright": {"breaks_on": "test"}}])
    folder = cell_of(found)
    assert folder.last_failure["reason"] == "bad samples" and len(folder.attempts) == 1
    assert not (folder.path / SHARDS).exists() and not (folder.path / "predictions.jsonl").exists()


def test_a_method_that_is_missing_is_asked_for_once_and_the_other_shards_are_not_tried(run):
    found, said = run("cut", 4, ["absent"])
    assert [attempt["kind"] for attempt in cell_of(found).attempts] == ["skipped"]
    assert sum(line.startswith("[") and "SKIPPED" in line for line in said) == 1


def test_a_training_that_fails_ends_the_cell_once_with_its_reason(run):
    found, _ = run("cut", 4, [{"trained": {"fit_fails": True}}])
    (attempt,) = cell_of(found).attempts
    assert attempt["reason"] == "not run" and "the loss is not finite" in attempt["error"]


def test_a_trained_row_is_cut_too_and_its_shards_wait_for_its_training(run, stand_ins):
    whole, _ = run("whole", 1, ["trained"])
    cut, _ = run("cut", 5, ["trained"])
    assert stand_ins.numbers(cut) == stand_ins.numbers(whole)
    assert json.loads((cell_of(cut).path / "cell.json").read_text())["provenance"]["shards"]["n"] == 5

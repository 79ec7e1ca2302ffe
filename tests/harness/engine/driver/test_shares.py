"""Several drivers on one run folder, each with its share."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from engine_driver import PLACE
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.errors import ConfigError, RunFolderError
from prsbench.harness.engine.driver import schedule
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.driver.shares import Share, numbers_of, sbatch_script, share_of
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.plan.nodes import CellNode, Plan
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.store.shards import shards_in
from prsbench.harness.engine.worker.setting import Setting

METHODS = ["bright", {"trained": {"fit_seconds": 0.3}}, "echo"]


@pytest.fixture
def data(stand_ins, tmp_path):
    counts = (("train", 3), ("val", 2), ("test", 11))
    return stand_ins.write_data(tmp_path / "data", counts=counts)


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(schedule, "LEAST_SAMPLES", 4)


def test_one_driver_after_another_and_a_merge_end_in_the_numbers_of_one_run(stand_ins, data, tmp_path, small_shards, monkeypatch):
    monkeypatch.setenv("PRSBENCH_TEST_LOG", str(tmp_path / "run.log"))
    grid, say, said = stand_ins.make_grid(data, METHODS), print, []
    folder = RunFolder(tmp_path / "shared")
    for number in (2, 4, 3, 1):
        done = run_grid(grid, stand_ins.REGISTRY, folder, say, "serial", share=(number, 4))
        assert done.status == "incomplete"
    assert any(shards_in(cell) for cell in (tmp_path / "shared" / "cells").iterdir()), "some cells are cut between drivers"
    work = Counter(line for line in (tmp_path / "run.log").read_text().splitlines() if not line.startswith(("load", "pid")))
    assert set(work.values()) == {1}, "no sample is predicted twice, and nothing is trained twice"
    merged = run_grid(grid, stand_ins.REGISTRY, folder, said.append, "serial", only_finish=True)
    assert merged.status == "complete", said
    alone = run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "alone"), say, "serial")
    assert stand_ins.numbers(merged) == stand_ins.numbers(alone)


def test_a_merge_before_all_shares_are_done_predicts_nothing_and_says_what_is_missing(stand_ins, data, tmp_path, small_shards):
    grid, folder = stand_ins.make_grid(data, METHODS), RunFolder(tmp_path / "run")
    run_grid(grid, stand_ins.REGISTRY, folder, print, "serial", share=(1, 2))
    merged = run_grid(grid, stand_ins.REGISTRY, folder, print, "serial", only_finish=True)
    assert merged.status == "incomplete"
    whole = run_grid(grid, stand_ins.REGISTRY, folder, print, "serial")
    assert whole.status == "complete", "one driver can do the rest, without a share"


def test_drivers_of_other_divisions_and_drivers_without_a_share_are_refused(tmp_path):
    folder, other = RunFolder(tmp_path), RunFolder(tmp_path)
    with folder.driver_lock((1, 3)):
        with other.driver_lock((2, 3)):
            assert folder.is_driven()
        for share in (None, (1, 3), (1, 2)):
            with (
                pytest.raises(RunFolderError, match=r"works (in this run folder|here, and this one has 1/2)"),
                other.driver_lock(share),
            ):
                pass
    with other.driver_lock(), pytest.raises(RunFolderError, match="another driver"), folder.driver_lock((1, 3)):
        pass
    assert not folder.is_driven()


@given(st.lists(st.tuples(st.integers(1, 3000), st.sampled_from([0.0, 4.0, 24.0])), min_size=1, max_size=12), st.integers(1, 9))
def test_all_shares_together_hold_every_sample_once(tmp_path_factory, sizes, count):
    cells = tuple(
        CellNode(f"{i}", f"m{i}", "f", "", {"batch_size": 8}, 0, "d", "d", "real", "test", n, None, {}, gpu_gib=gib)
        for i, (n, gib) in enumerate(sizes)
    )
    plan = Plan("", {}, cells, "judge", "", "")
    setting = Setting.of_plan(plan, tmp_path_factory.mktemp("run"), roots=(), text_models_loader="", device="cpu", threads=1)
    shares = [share_of(plan, setting, number, count) for number in range(1, count + 1)]
    held = [piece for share in shares for piece in share.mine]
    assert len(held) == len(set(held))
    for cell in cells:
        parts = [part or range(cell.n_manifest) for folder, part in held if folder == cell.folder]
        assert sorted(sample for part in parts for sample in part) == list(range(cell.n_manifest))
    assert all(isinstance(share, Share) for share in shares)


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/", "-1/2", "1/2/3"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ConfigError, match="expected i/n with i from 1 to n, as in 3/8"):
        numbers_of(text)
    assert numbers_of("3/8") == (3, 8)


def test_the_script_for_slurm_is_a_shell_script_that_runs_each_share(tmp_path):
    cell = CellNode("k", "m", "f", "", {}, 0, "d", "d", "real", "test", 5, None, {}, gpu_gib=24.0, memory_gib=20.0)
    plan = Plan("", {}, (cell,), "judge", "", "")
    command = ["prsbench", "run", "my grid.yaml", "--out", str(tmp_path / "a run")]
    script = sbatch_script(plan, "mine", command, tmp_path / "a run", 8)
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "#SBATCH --array=1-8" in script and "#SBATCH --gres=gpu:1" in script and "#SBATCH --mem=36G" in script
    said = subprocess.run(
        ["bash"],
        input=re.sub("^exec ", "echo ", script, flags=re.M),
        env={"SLURM_ARRAY_TASK_ID": "3"},
        text=True,
        capture_output=True,
        check=True,
    )
    assert said.stdout == f"prsbench run my grid.yaml --out {tmp_path / 'a run'} --shard 3/8\n"


SHARE = """
import sys
from pathlib import Path
import engine_stand_ins as stand_ins
from prsbench.harness.engine.driver import schedule
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.store.run_folder import RunFolder
schedule.LEAST_SAMPLES = 4
grid = stand_ins.make_grid(Path(sys.argv[1]), ["bright", {"trained": {"fit_seconds": 0.3}}, "echo"])
run_grid(grid, stand_ins.REGISTRY, RunFolder(Path(sys.argv[2])), print, "serial", share=(int(sys.argv[3]), 2))
"""


def test_two_drivers_at_once_on_one_folder_and_a_merge_end_in_the_numbers_of_one_run(stand_ins, data, tmp_path):
    path = os.pathsep.join(filter(None, [str(PLACE), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PRSBENCH_TEST_LOG": str(tmp_path / "run.log")}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SHARE, str(data), str(tmp_path / "run"), str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
        )
        for number in (1, 2)
    ]
    for process in started:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    lines = Path(tmp_path / "run.log").read_text().splitlines()
    work = Counter(line for line in lines if not line.startswith(("load", "pid")))
    assert set(work.values()) == {1}
    grid = stand_ins.make_grid(data, METHODS)
    merged = run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "run"), print, "serial", only_finish=True)
    alone = run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "alone"), print, "serial")
    assert merged.status == "complete" and stand_ins.numbers(merged) == stand_ins.numbers(alone)
    assert open_run(tmp_path / "run").status == "complete"

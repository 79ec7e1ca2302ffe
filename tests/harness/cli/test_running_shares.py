"""Shares of a run from the command line: the printed SLURM script, run task by task as an array would, then `merge`."""

import os
import stat
import subprocess
import sys

import pytest
from prsbench.harness.cli.main import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a blank in its name and a grid; `prsbench` on the PATH is this installation's."""
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "own.yaml").write_text("name: own\ndata: [{source: prs_med}]\nmethods: [whole_image, oracle, empty_constant]\n")
    program = tmp_path / "bin" / "prsbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m prsbench "$@" --executor serial\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(folder)
    return folder


def digest(text):
    return next(line for line in text.splitlines() if line.startswith("Digest"))


@pytest.mark.slow
def test_the_tasks_of_the_printed_script_do_a_run_and_merge_writes_the_tables_of_one_driver(place, data_root, capsys):
    run = ["own.yaml", "--data", str(data_root), "--out"]
    assert main(["run", *run, "alone", "--executor", "serial"]) == 0
    expected = digest(capsys.readouterr().out)
    assert main(["plan", *run, "shared", "--sbatch", "2"]) == 0
    script = capsys.readouterr().out
    (place / "job.sh").write_text(script)
    for task in ("1", "2"):
        done = subprocess.run(
            ["bash", "job.sh"], env=os.environ | {"SLURM_ARRAY_TASK_ID": task}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and f"Share {task}/2 is done." in done.stdout, done.stdout + done.stderr
    assert not (place / "shared/tables").exists(), "they are written when all shares are done"
    (wrapped,) = [line.partition("--wrap ")[2] for line in script.splitlines() if "--wrap" in line]
    done = subprocess.run(["bash", "-c", f"eval {wrapped}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and digest(done.stdout) == expected, done.stdout + done.stderr
    assert (place / "shared/tables/main.csv").read_bytes() == (place / "alone/tables/main.csv").read_bytes()

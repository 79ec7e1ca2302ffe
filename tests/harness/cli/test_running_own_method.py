"""A user's file in a grid: it runs like any other method, and only its cells are new when it changes."""

import pytest
from prsbench.harness.cli.main import main
from prsbench.harness.engine.plan import fingerprints


@pytest.fixture
def grid(tmp_path, data_root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new-method", "mine"]) == 0
    (tmp_path / "own.yaml").write_text("name: own\ndata: [{source: prs_med}]\nmethods: [whole_image, ./mine.py:Mine]\n")
    return ["own.yaml", "--data", str(data_root)]


def test_the_written_file_runs_in_a_grid_and_a_change_of_it_makes_only_its_cells_new(grid, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *arguments: [])
    assert main(["run", *grid, "--executor", "serial"]) == 0
    path = tmp_path / "mine.py"
    path.write_text(path.read_text().replace("20.0", "30.0"))
    fingerprints._module_hash.cache_clear()  # another process would start with an empty one
    capsys.readouterr()
    assert main(["plan", *grid]) == 0
    states = {line.split()[1]: line.split()[0] for line in capsys.readouterr().out.splitlines() if "--s0-" in line}
    assert len(states) == 4
    assert all(state == ("stale" if cell.startswith("mine.py:Mine--") else "cached") for cell, state in states.items())


def test_what_the_file_reads_beside_it_is_in_its_key_and_plan_says_what_changed(grid, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *arguments: [])
    path = tmp_path / "mine.py"
    head = 'import sys\nsys.path.insert(0, __file__.rpartition("/")[0])\nimport net\nOPEN = "w.bin"\n'
    path.write_text(head + path.read_text())
    (tmp_path / "net.py").write_text("X = 1\n")
    (tmp_path / "w.bin").write_bytes(b"1")
    assert main(["run", *grid, "--executor", "serial"]) == 0
    for name, why in (("net.py", f"code of {tmp_path}/net.py"), ("w.bin", f"{tmp_path}/w.bin, which it reads")):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"X = 2\n")
        fingerprints._module_hash.cache_clear()
        capsys.readouterr()
        assert main(["plan", *grid]) == 0
        mine = [line for line in capsys.readouterr().out.splitlines() if "mine.py:Mine--" in line]
        assert mine and all(line.startswith("stale") and why in line for line in mine), mine
        (tmp_path / name).write_bytes(before)


def test_a_method_is_examined_from_the_command_line(grid, capsys):
    assert main(["test-method", "mine.py:Mine"]) == 0
    assert "FAILED" not in capsys.readouterr().out


@pytest.mark.parametrize("leaves", ["os._exit(0)", "sys.exit(0)"])
def test_a_method_that_ends_its_process_does_not_pass(grid, tmp_path, capfd, leaves):
    path = tmp_path / "mine.py"
    path.write_text(path.read_text() + f"\nimport os, sys\nMine.predict = lambda self, queries: {leaves}\n")
    assert main(["test-method", "mine.py:Mine"]) == 1
    said = capfd.readouterr().out
    assert "passed         discloses its labels" in said and "FAILED" in said

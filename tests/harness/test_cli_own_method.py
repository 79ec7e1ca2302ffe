"""A user's file in a grid: it runs like any other method, and only its cells are new when it changes."""

import pytest
from prsbench.harness import cli
from prsbench.harness.engine.plan import fingerprints


@pytest.fixture
def grid(tmp_path, data_root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new-method", "mine"]) == 0
    (tmp_path / "own.yaml").write_text("name: own\ndata: [{source: prs_med}]\nmethods: [whole_image, ./mine.py:Mine]\n")
    return ["own.yaml", "--data", str(data_root)]


def test_the_written_file_runs_in_a_grid_and_a_change_of_it_makes_only_its_cells_new(grid, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *arguments: [])
    assert cli.main(["run", *grid, "--executor", "serial"]) == 0
    path = tmp_path / "mine.py"
    path.write_text(path.read_text().replace("20.0", "30.0"))
    fingerprints._module_hash.cache_clear()  # another process would start with an empty one
    capsys.readouterr()
    assert cli.main(["plan", *grid]) == 0
    states = {line.split()[1]: line.split()[0] for line in capsys.readouterr().out.splitlines() if "--s0-" in line}
    assert len(states) == 4
    assert all(state == ("stale" if cell.startswith("mine.py:Mine--") else "cached") for cell, state in states.items())


def test_a_method_is_examined_from_the_command_line(grid, capsys):
    assert cli.main(["test-method", "mine.py:Mine"]) == 0
    assert "FAILED" not in capsys.readouterr().out

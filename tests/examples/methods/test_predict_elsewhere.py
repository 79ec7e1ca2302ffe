"""The worked example of predictions made elsewhere goes the whole way, by the commands in its docstring."""

import csv
import subprocess
import sys
from pathlib import Path

from prsbench.harness.cli.main import main

EXAMPLE = Path(__file__).parents[3] / "examples" / "methods" / "predict_elsewhere.py"
GRID = """name: elsewhere
data:
  - {source: phantoms, modalities: [skin_rgb], train: 1, val: 1, test: 2}
methods:
  - saved:mine: {from: PREDICTIONS, prompt_source: question, weights: a threshold, text_source: constant}
"""


def test_masks_made_without_prsbench_are_scored_as_a_row(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID.replace("PREDICTIONS", str(tmp_path / "predictions")))
    Path("asked.yaml").write_text(GRID.split("methods:")[0] + "methods: [oracle]\n")
    assert main(["queries", "asked.yaml", "--out", "asked", "--to", "questions"]) == 0
    # -I: no user site and no project on the path, as in an environment without prsbench
    subprocess.run([sys.executable, "-I", EXAMPLE, "questions", "predictions"], check=True, timeout=120)
    assert main(["run", "grid.yaml", "--executor", "serial", "--out", "run"]) == 0
    table = Path("run/tables/main.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["method"] for row in rows] == ["saved:mine"]
    assert "stated by the user" in table.read_text() + capsys.readouterr().out

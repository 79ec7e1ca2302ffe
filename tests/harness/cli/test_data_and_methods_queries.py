"""prsbench queries, and a grid that scores what came back."""

import csv

import numpy as np
from prsbench.harness.cli.main import main

GRID = """name: saved
data: [{source: prs_med}]
methods:
  - saved:all: {from: q, prompt_source: none, weights: no parameters, text_source: constant}
judge: parser
"""


def test_questions_are_written_answered_and_scored_from_the_command_line(tmp_path, data_root, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *arguments, **named: [])
    (tmp_path / "grid.yaml").write_text(GRID)
    grid = ["grid.yaml", "--data", str(data_root)]
    assert main(["run", *grid, "--executor", "serial"]) == 1
    assert "no file at q/answers.csv" in capsys.readouterr().out, "before there are predictions, the row is skipped"
    assert main(["queries", *grid, "--to", "q"]) == 0 and main(["queries", *grid, "--to", "q"]) == 2
    with (tmp_path / "q" / "questions.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    (tmp_path / "q" / "masks").mkdir()
    for line in lines:
        np.save((tmp_path / "q" / line["image"].replace("images", "masks")).with_suffix(".npy"), np.ones((16, 20), bool))
    (tmp_path / "q" / "answers.csv").write_text("image,answer\n" + "".join(f"{line['image']},At the left.\n" for line in lines))
    capsys.readouterr()
    assert main(["run", *grid, "--executor", "serial"]) == 0
    said = capsys.readouterr().out
    assert "n=10/10" in said and "stated by the user" in said and "Note:" not in said

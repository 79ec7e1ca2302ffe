"""The papers' tables as files: complete LaTeX, and the extras that were asked for."""

import shutil
import subprocess

import pytest
from prsbench.harness.contract.errors import DataError
from prsbench.harness.report.exports.paper import write_paper
from prsbench.harness.report.tables.paper import Extra


def test_every_table_comes_in_three_formats_and_the_example_inputs_each(grid, tmp_path):
    names = {path.name for path in write_paper(grid(), tmp_path)}
    assert names == {f"{t}.{e}" for t in ("segmentation", "reasoning", "ablation") for e in ("csv", "md", "tex")} | {
        "example.tex"
    }
    text = (tmp_path / "example.tex").read_text()
    assert all(rf"\input{{{table}.tex}}" in text for table in ("segmentation", "reasoning", "ablation"))
    assert text.startswith(r"\documentclass") and text.rstrip().endswith(r"\end{document}")


def test_extras_appear_only_if_asked_for(grid, tmp_path):
    write_paper(grid(), tmp_path / "plain")
    write_paper(grid(), tmp_path / "full", list(Extra))
    plain, full = ((tmp_path / name / "segmentation.csv").read_text() for name in ("plain", "full"))
    assert "failed" not in plain.splitlines()[0] and "n,failed" in full.splitlines()[0]
    assert "[" not in plain.splitlines()[1] and "[" in full.splitlines()[1]


def test_the_same_cells_give_the_same_bytes(grid, tmp_path):
    for name in "ab":
        write_paper(grid(), tmp_path / name)
    assert all(path.read_bytes() == (tmp_path / "b" / path.name).read_bytes() for path in (tmp_path / "a").iterdir())


def test_cells_that_fill_no_table_are_refused(cell, tmp_path):
    with pytest.raises(DataError, match="no ranked row"):
        write_paper([cell("oracle")], tmp_path)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_the_example_compiles(grid, tmp_path):
    write_paper(grid(), tmp_path, list(Extra))
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "example.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]

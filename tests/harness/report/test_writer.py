"""The files of a report."""

from __future__ import annotations

import re

import pytest
from prsbench.harness.contract.types import DataKind, PromptSource, TextSource, Weights
from prsbench.harness.report import html
from prsbench.harness.report.figures.canvas import SOURCE_COLOURS
from prsbench.harness.report.statistics.rows import UNKNOWN
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.harness.report.writer import summary_text, write_report


def test_a_report_is_its_tables_figures_and_one_page_and_repeats_to_the_byte(cell, pictures, tmp_path):
    cells = [cell(), cell("cg_reasoner_without_t2c", (0.4, 0.5)), cell("oracle", (1.0, 1.0))]
    contents = []
    for name in ("a", "b"):
        written = write_report(cells, tmp_path / name, pictures)
        assert sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) == sorted(written)
        contents.append({path.relative_to(tmp_path / name): path.read_bytes() for path in written})
    assert contents[0] == contents[1]
    names = {str(path) for path in contents[0]}
    assert {"tables/main.csv", "tables/main.md", "tables/main.tex", "tables/main_long.csv", "report.html"} <= names
    assert {"tables/t2c_ablation.csv", "figures/examples_synthetic.png", "figures/scores_synthetic.png"} <= names


def test_the_page_needs_no_other_file_and_lists_what_failed(cell, tmp_path):
    failed = cell("oracle", status="failed", error="<b>boom</b>")
    write_report([cell(), failed], tmp_path, lambda *_: None)
    page = (tmp_path / "report.html").read_text()
    assert "SYNTHETIC phantoms: not comparable" in page
    assert "oracle: FAILED: &lt;b&gt;boom&lt;/b&gt;" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


@pytest.mark.parametrize(
    ("table", "members"),
    [
        (html.SOURCES, PromptSource),
        (html.WEIGHTS, Weights),
        (html.TEXT_SOURCES, TextSource),
        (html.DATA_KINDS, DataKind),
        (DATA_LINES, DataKind),
        (SOURCE_COLOURS, [*PromptSource, UNKNOWN]),
    ],
    ids=["prompt source", "weights", "text source", "data kind", "data line", "colour"],
)
def test_every_label_is_explained_in_the_report(table, members):
    assert list(table) == list(members)


def test_a_table_that_no_longer_applies_is_removed(cell, tmp_path):
    both = [cell(), cell("cg_reasoner_without_t2c")]
    write_report(both, tmp_path, lambda *_: None)
    assert (tmp_path / "tables/t2c_ablation.csv").exists()
    write_report(both[:1], tmp_path, lambda *_: None)
    assert not (tmp_path / "tables/t2c_ablation.csv").exists()
    assert "No Text2Centroid ablation" in (tmp_path / "report.html").read_text()


def test_the_summary_prints_each_footnote_once(grid):
    text = summary_text(grid())
    assert text.count("SYNTHETIC phantoms: not comparable") == 1
    assert "TEXT2CENTROID ABLATION" in text


def test_a_run_without_cells_still_has_a_report(tmp_path):
    assert write_report([], tmp_path, lambda *_: None)
    assert summary_text([])

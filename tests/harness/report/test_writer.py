"""The files of a report."""

from __future__ import annotations

import re

from prsbench.harness.report.tables.comparisons import METRICS_COMPARED
from prsbench.harness.report.writer import FIGURE_SUFFIXES, changed_tables, summary_text, write_report


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
    assert not re.findall(r'src="(?!data:)|href="(?!#|tables/|figures/)', page)


def test_paper_tables_lie_in_a_folder_of_their_own_and_are_verified_like_the_others(grid, tmp_path):
    cells = grid()
    write_report(cells, tmp_path, lambda *_: None)
    papers = {f"{name}.{ending}" for name in ("segmentation", "reasoning", "ablation") for ending in ("csv", "md", "tex")}
    assert {path.name for path in (tmp_path / "tables/paper").iterdir()} == papers
    assert {"ranks.csv", "published.csv"} <= {path.name for path in (tmp_path / "tables").iterdir()}
    assert changed_tables(cells, tmp_path) == []
    table = tmp_path / "tables/paper/reasoning.csv"
    table.write_text(table.read_text().replace("0.", "0.9", 1))
    assert [line.partition(":")[0] for line in changed_tables(cells, tmp_path)] == [str(table)]


def test_every_figure_is_written_in_three_formats_and_those_of_cost_lie_with_cost(grid, tmp_path):
    write_report(grid(), tmp_path, lambda *_: None)
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {
        f"{name}_synthetic" for name in ("scores", "dice_against_prscore", "t2c_slopes", "rank_stability", "subgroups")
    } <= names
    files = [*(tmp_path / "figures").iterdir(), *(tmp_path / "cost").glob("quality_against_cost_*")]
    assert {path.name for path in files} == {f"{path.stem}{suffix}" for path in files for suffix in FIGURE_SUFFIXES}
    assert (tmp_path / "cost/quality_against_cost_synthetic.pdf").read_bytes().startswith(b"%PDF")


def test_the_numbers_are_links_once_the_folder_holds_a_viewer(cell, tmp_path):
    write_report([cell()], tmp_path, lambda *_: None)
    assert "viewer/index.html" not in (tmp_path / "report.html").read_text()
    (tmp_path / "viewer").mkdir()
    (tmp_path / "viewer/index.html").touch()
    write_report([cell()], tmp_path, lambda *_: None)
    assert "viewer/index.html#row=cg_reasoner" in (tmp_path / "report.html").read_text()


def test_a_report_without_pictures_says_so_and_draws_the_bootstrap_of_each_ranking_once(grid, tmp_path, monkeypatch):
    from prsbench.harness.report.statistics import ranks

    drawn, ranking = [], ranks._ranking
    monkeypatch.setattr(ranks, "_ranking", lambda rows, metric: drawn.append(metric) or ranking(rows, metric))
    write_report(grid(), tmp_path, lambda *_: None)
    text = (tmp_path / "report.html").read_text()
    assert sorted(drawn) == sorted(METRICS_COMPARED) and "is first in" in text
    assert "Not drawn: example images, which need the run folder and its data" in text


def test_a_table_that_no_longer_applies_is_removed(cell, tmp_path):
    both = [cell(), cell("cg_reasoner_without_t2c")]
    write_report(both, tmp_path, lambda *_: None)
    assert (tmp_path / "tables/t2c_ablation.csv").exists()
    write_report(both[:1], tmp_path, lambda *_: None)
    assert not (tmp_path / "tables/t2c_ablation.csv").exists()
    assert not (tmp_path / "tables/paper/ablation.csv").exists()
    assert "No Text2Centroid ablation" in (tmp_path / "report.html").read_text()


def test_the_summary_prints_each_footnote_once(grid):
    text = summary_text(grid())
    assert text.count("SYNTHETIC phantoms: not comparable") == 1
    assert "TEXT2CENTROID ABLATION" in text


def test_the_summary_of_a_narrow_terminal_fits_into_80_columns_and_still_says_what_the_rows_are(grid):
    text = summary_text(grid(), width=100)
    assert max(map(len, text.splitlines())) <= 80 and "OVERVIEW" in text
    assert "SYNTHETIC phantoms: not comparable" in text and "prompt source" in text


def test_a_run_without_cells_still_has_a_report(tmp_path):
    assert write_report([], tmp_path, lambda *_: None)
    assert summary_text([])

"""The papers' tables: their order, names and rounding; the best bold and the second underlined within one prompt source."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.formats import to_csv, to_latex, to_markdown
from prsbench.harness.report.tables.paper import Extra, paper_tables, reasoning, segmentation, t2c, title_of
from prsbench.harness.report.tables.selection import tables_of


def rows(cell, **values):
    return rows_of([cell(method, (value, value), modality) for method, value in values.items() for modality in MODALITIES])


LADDER = {"cg_reasoner": 0.9, "cg_reasoner_without_t2c": 0.8, "lite_medsam_oracle_box": 0.95, "oracle": 1.0, "whole_image": 0.3}


def test_segmentation_has_the_papers_order_of_modalities_and_no_floors_or_ceilings(cell):
    table = segmentation(rows(cell, **LADDER))
    heads = [column.name for column in table.numbers]
    assert heads[:4] == ["Lung X-ray mDice", "Lung X-ray mIoU", "Lung CT mDice", "Lung CT mIoU"] and len(heads) == 12
    assert set(table.frame["row"]) == {"cg_reasoner", "cg_reasoner_without_t2c", "lite_medsam_oracle_box"}


def test_numbers_have_three_digits_and_rows_have_the_papers_names(cell):
    table = reasoning(rows(cell, cg_reasoner=0.87654))
    assert table.frame["Breast US PRScore"].tolist() == ["0.877"]
    assert table.frame["method"].tolist() == ["CG-Reasoner (embedded)"]
    assert title_of("lite_medsam_jittered_box") == "LiteMedSAM, jittered box" and title_of("my.py:Mine") == "my.py:Mine"


def test_best_and_second_are_within_one_prompt_source_alone(cell):
    table = segmentation(rows(cell, **LADDER))
    first, second = (list(table.frame["row"]).index(name) for name in ("cg_reasoner", "cg_reasoner_without_t2c"))
    assert {line for line, _ in table.best} == {first} and {line for line, _ in table.second} == {second}
    assert "**0.900**" in to_markdown(table) and "<u>0.800</u>" in to_markdown(table)
    assert r"\underline{0.800}" in to_latex(table)


def test_a_tie_shares_the_first_place_and_there_is_no_second(cell):
    tied = reasoning(rows(cell, cg_reasoner=0.9, cg_reasoner_without_t2c=0.9))
    assert {line for line, _ in tied.best} == {0, 1} and not tied.second


def test_extras_add_n_failures_and_intervals_and_change_no_number(cell):
    cells = [cell("cg_reasoner", (0.5, 0.6, 0.7, 0.8, 0.9), "brain_mri", failed=(1,))]
    plain, full = (segmentation(rows_of(cells), extras).frame for extras in ((), tuple(Extra)))
    assert full["n"].tolist() == ["4/5"] and full["failed"].tolist() == ["1"]
    text = full["Brain MRI mDice"].iloc[0]
    assert text.startswith(plain["Brain MRI mDice"].iloc[0]) and "[" in text.removeprefix(plain["Brain MRI mDice"].iloc[0])


def test_the_ablation_needs_both_rows(cell):
    assert t2c(rows(cell, cg_reasoner=0.9)) is None
    assert t2c(rows(cell, **LADDER)).frame["row"].tolist() == ["cg_reasoner_without_t2c", "cg_reasoner"]


def test_synthetic_numbers_say_so_in_every_format(cell):
    for table in paper_tables(rows(cell, **LADDER)):
        for write in (to_csv, to_markdown, to_latex):
            assert "SYNTHETIC" in write(table)


def test_a_row_that_failed_in_a_modality_shows_it_and_is_not_ranked(cell):
    cells = [cell("cg_reasoner", (0.9,)), cell("cg_reasoner_without_t2c", (0.8,), status="failed", error="out of memory")]
    table = segmentation(rows_of(cells))
    assert table.frame["Brain MRI mDice"].tolist() == ["0.900", "FAILED"] and not table.best


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_every_table(cell, tmp_path):
    cells = [replace(c, data_kind=DataKind.REAL) for row in rows(cell, **LADDER) for c in row.cells]
    tables = [table for table in [*tables_of(cells), *paper_tables(rows_of(cells), tuple(Extra))] if not table.is_long]
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}\begin{document}"
    body = "\n".join(to_latex(table) + r"\clearpage" for table in tables)
    (tmp_path / "all.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]

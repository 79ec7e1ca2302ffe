"""One table in four formats."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from prsbench.harness.report.tables.formats import latex, to_csv, to_latex, to_markdown, to_text
from prsbench.harness.report.tables.selection import tables_of


@pytest.mark.parametrize("write", [to_csv, to_markdown, to_latex, to_text])
def test_every_format_of_every_table_is_marked_synthetic(grid, write):
    for table in tables_of(grid()):
        assert "SYNTHETIC" in write(table), table.name


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 50% #1 $x$", r"a\_b \& 50\% \#1 \$x\$"),
        (r"C:\{x}", r"C:\textbackslash{}\{x\}"),
        ("~ ^", r"\textasciitilde{} \textasciicircum{}"),
        ("0.5 ±0.1", r"0.5 $\pm$0.1"),
        ("0.5‡ 0.5§", r"0.5\textsuperscript{\ddag} 0.5\textsuperscript{\S}"),
    ],
)
def test_latex_escapes_what_latex_would_read_as_a_command(text, escaped):
    assert latex(text) == escaped


def test_every_latex_row_has_as_many_cells_as_the_table_has_columns(grid):
    lines = to_latex(tables_of(grid())[0]).splitlines()
    columns = len(next(line for line in lines if line.startswith(r"\begin{tabular}")).split("{")[-1].rstrip("}"))
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert {line.count(" & ") + 1 for line in body} == {columns}


def test_the_best_number_is_bold_in_markdown_and_latex_and_starred_in_text(cell):
    table = tables_of([cell(values=(0.7,)), cell("cg_reasoner_without_t2c", values=(0.5,))])[0]
    assert "**0.700**" in to_markdown(table) and "**0.500**" not in to_markdown(table)
    assert r"\textbf{0.700}" in to_latex(table) and r"\textbf{0.500}" not in to_latex(table)
    assert "0.700*" in to_text(table) and "0.500*" not in to_text(table)


def test_a_pipe_in_an_error_does_not_break_the_markdown_table(cell):
    text = to_markdown(tables_of([cell(status="failed", error="a | b")])[0])
    assert r"a \| b" in text


def test_the_main_table_fits_a_terminal(grid):
    assert max(map(len, to_text(tables_of(grid())[0]).splitlines())) <= 150


def test_csv_reads_back_to_the_frame(grid):
    table = tables_of(grid())[0]
    lines = list(csv.reader(StringIO(to_csv(table))))
    assert lines[0] == list(table.frame.columns)
    assert lines[1:] == table.frame.to_numpy().tolist()

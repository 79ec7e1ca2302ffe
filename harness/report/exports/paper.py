"""The papers' tables as files, with a LaTeX document that shows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.results import CellResult
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.formats import to_csv, to_latex, to_markdown
from prsbench.harness.report.tables.paper import Extra, paper_tables

EXAMPLE = "example.tex"
_DOCUMENT = r"""\documentclass{article}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def write_paper(cells: Sequence[CellResult], folder: Path, extras: Collection[Extra] = ()) -> list[Path]:
    """Write each of the papers' tables as CSV, Markdown and LaTeX, and example.tex, which inputs them; returns the files.

    Raises:
        DataError: no row fills any of these tables.
    """
    tables = paper_tables(rows_of(cells), extras)
    if not tables:
        raise DataError("There is nothing for the papers' tables: no ranked row in one of their six modalities.")
    names = [Path(table.name).name for table in tables]
    files = {
        f"{name}.{ending}": write(table)
        for name, table in zip(names, tables, strict=True)
        for ending, write in (("csv", to_csv), ("md", to_markdown), ("tex", to_latex))
    }
    files[EXAMPLE] = _DOCUMENT % "\n".join(rf"\input{{{name}.tex}}" for name in names)
    for name, text in files.items():
        write_atomically(folder / name, text.encode(), durable=False)
    return [folder / name for name in files]

"""The leaderboard as one page and one CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.report.page.document import tables_page
from prsbench.harness.report.tables.formats import to_csv, to_latex, to_markdown
from prsbench.harness.report.tables.leaderboard import Entrant, leaderboard

PAGE, LINES = "leaderboard.html", "leaderboard.csv"


def write_leaderboard(entrants: Sequence[Entrant], folder: Path, by: str) -> list[Path]:
    """Write leaderboard.html, its tables as CSV, Markdown and LaTeX, and leaderboard.csv with all lines ("table": a number).

    Raises:
        DataError: no run has a row.
    """
    tables = leaderboard(entrants, by)
    if not tables:
        raise DataError("None of these runs has a row to list.")
    together = pd.concat([table.frame.assign(table=str(i), scope=table.caption) for i, table in enumerate(tables, start=1)])
    formats = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
    files = {f"{table.name}.{ending}": write(table) for table in tables for ending, write in formats.items()}
    files |= {LINES: together.to_csv(index=False, lineterminator="\n"), PAGE: tables_page("prsbench leaderboard", tables)}
    for name, text in files.items():
        write_atomically(folder / name, text.encode(), durable=False)
    for stale in set(folder.glob("leaderboard_*")) - {folder / name for name in files}:
        stale.unlink()
    return [folder / name for name in files]

"""The leaderboard as one page and one CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.report.page.document import tables_page
from prsbench.harness.report.tables.formats import to_csv
from prsbench.harness.report.tables.leaderboard import Entrant, leaderboard

PAGE, LINES = "leaderboard.html", "leaderboard.csv"


def write_leaderboard(entrants: Sequence[Entrant], folder: Path, by: str) -> list[Path]:
    """Write leaderboard.html, a CSV for each of its tables, and leaderboard.csv with all lines (column "table": its number).

    Raises:
        DataError: no run has a row.
    """
    tables = leaderboard(entrants, by)
    if not tables:
        raise DataError("None of these runs has a row to list.")
    together = pd.concat([table.frame.assign(table=str(i), scope=table.caption) for i, table in enumerate(tables, start=1)])
    files = {f"{table.name}.csv": to_csv(table) for table in tables}
    files |= {LINES: together.to_csv(index=False, lineterminator="\n"), PAGE: tables_page("prsbench leaderboard", tables)}
    for name, text in files.items():
        write_atomically(folder / name, text.encode(), durable=False)
    for stale in set(folder.glob("leaderboard_*.csv")) - {folder / name for name in files}:
        stale.unlink()
    return [folder / name for name in files]

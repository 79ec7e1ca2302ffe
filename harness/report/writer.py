"""From finished cells to the files people read. Every file is replaced whole, so a reader never meets half of one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from prsbench.harness.contract.records import CellResult, HeldOut
from prsbench.harness.report.pictures import PicturesOf

if TYPE_CHECKING:
    from prsbench.harness.report.tables import Table


def write_report(
    cells: Sequence[CellResult],
    folder: Path,
    pictures: PicturesOf,
    trainings: Mapping[str, Path] = MappingProxyType({}),
    held_out: Sequence[HeldOut] = (),
) -> list[Path]:
    """Write tables/*.csv|md|tex, figures/*.png, report.html and cost/ under `folder`; the same cells give the same bytes.

    cost/ stands apart: what a machine took is another number each time. Files of an earlier report in these folders that no
    longer apply are removed. The order of `cells` decides the order of methods. `pictures` supplies the images of the
    qualitative figure; None for a sample leaves it out. `trainings` are the folders in which finished trainings may have left
    their losses, by title; `held_out` is what trainings measured of themselves.

    Returns:
        The files written, tables first, report.html last.
    """
    from prsbench.harness.report.cost import cost_table
    from prsbench.harness.report.figures import figures_of
    from prsbench.harness.report.html import cost_page, page
    from prsbench.harness.report.tables import tables_of

    tables, figures = tables_of(cells, held_out), figures_of(cells, pictures, trainings)
    cost = cost_table(cells)
    files = _table_files(tables) | _files_of(cost, "cost") | {"cost/cost.html": cost_page(cost).encode()}
    files |= {f"figures/{figure.name}.png": figure.png for figure in figures}
    files["report.html"] = page(cells, tables, figures).encode()
    written = [_write(folder / name, content) for name, content in files.items()]
    for kind in ("tables", "figures", "cost"):
        for stale in set((folder / kind).glob("*")) - set(written):
            stale.unlink()
    return written


def changed_tables(cells: Sequence[CellResult], folder: Path, held_out: Sequence[HeldOut] = ()) -> list[str]:
    """What to say of each file under tables/ that is not, byte for byte, what these give; none if none was written."""
    from prsbench.harness.report.tables import tables_of

    if not (folder / "tables").is_dir():
        return []
    files = {folder / name: content for name, content in _table_files(tables_of(cells, held_out)).items()}
    found = {path: path.read_bytes() for path in (folder / "tables").iterdir()}
    changed = sorted(path for path in files.keys() | found.keys() if files.get(path) != found.get(path))
    return [f"{path}: not the table that the records give. Write it again with `prsbench report {folder}`." for path in changed]


def _table_files(tables: Sequence[Table]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for table in tables:
        files |= _files_of(table, "tables")
    return files


def _files_of(table: Table, folder: str) -> dict[str, bytes]:
    from prsbench.harness.report.formats import to_csv, to_latex, to_markdown

    formats = {"csv": to_csv} if table.is_long else {"csv": to_csv, "md": to_markdown, "tex": to_latex}
    return {f"{folder}/{table.name}.{ending}": write(table).encode() for ending, write in formats.items()}


def summary_text(cells: Sequence[CellResult], across_prompts: bool = False) -> str:
    """What is printed when a run ends: the tables for reading, about 150 columns wide, each footnote once.

    across_prompts ranks all rows together. Only asked for, and never written: the tables on the disk compare what is comparable.
    """
    from prsbench.harness.report.ablations import ablations, t2c_ablation
    from prsbench.harness.report.formats import to_text
    from prsbench.harness.report.rows import rows_of
    from prsbench.harness.report.tables import main, reasoning

    rows = rows_of(cells, across_prompts)
    texts, said = [], set()
    for table in (main(rows), reasoning(rows), t2c_ablation(rows), ablations(rows)):
        if table:
            texts.append(to_text(replace(table, footnotes=tuple(note for note in table.footnotes if note not in said))))
            said.update(table.footnotes)
    return "\n".join(texts)


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)
    return path

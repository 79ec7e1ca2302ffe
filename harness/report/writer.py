"""Writes tables, figures and report.html from finished cells. Each file is replaced atomically."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from types import MappingProxyType
from typing import TYPE_CHECKING

from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.results import CellResult, HeldOut
from prsbench.harness.report.figures.pictures import PicturesOf
from prsbench.harness.report.viewer.links import INDEX

if TYPE_CHECKING:
    from prsbench.harness.report.tables.table import Table

_NARROW = 80  # columns
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")


def write_report(
    cells: Sequence[CellResult],
    folder: Path,
    pictures: PicturesOf,
    trainings: Mapping[str, Path] = MappingProxyType({}),
    held_out: Sequence[HeldOut] = (),
) -> list[Path]:
    """Write tables/*.csv|md|tex, figures/*.png|svg|pdf, report.html and cost/ under `folder`; the same cells give the same bytes.

    cost/ is separate because its numbers differ each time. Files of a previous report in these folders that no longer apply are
    removed. The order of `cells` decides the order of methods. `pictures` supplies the images of the qualitative figure; a
    sample for which it returns None is left out. `trainings` gives the folders of finished trainings, which may contain losses,
    by title; `held_out` are the trainings' errors on samples not used for training. The page's numbers are links to their
    samples if the folder holds a viewer.

    Returns:
        The files written, tables first, report.html last.
    """
    from prsbench.harness.report.figures.selection import cost_figures, figures_of
    from prsbench.harness.report.page.document import page
    from prsbench.harness.report.statistics.rows import rows_of
    from prsbench.harness.report.tables.cost import cost_table
    from prsbench.harness.report.tables.ranks import rankings_of
    from prsbench.harness.report.tables.selection import tables_of

    rankings = rankings_of(rows_of(cells))
    tables, figures = tables_of(cells, held_out, rankings), figures_of(cells, pictures, trainings, rankings)
    files = _table_files(tables, cost_table(cells))
    for of_folder, kind in ((figures, "figures"), (cost_figures(cells), "cost")):
        files |= {f"{kind}/{figure.name}.{ending}": data for figure in of_folder for ending, data in figure.files.items()}
    files["report.html"] = page(cells, tables, figures, (folder / INDEX).is_file(), rankings).encode()
    for name, content in files.items():
        write_atomically(folder / name, content, durable=False)
    written = [folder / name for name in files]
    for kind in ("tables", "figures", "cost"):
        for stale in set(_files_in(folder / kind)) - set(written):
            stale.unlink()
    return written


def changed_tables(cells: Sequence[CellResult], folder: Path, held_out: Sequence[HeldOut] = ()) -> list[str]:
    """A message for each file under tables/ and cost/ that differs by a byte from what these cells give; none without tables/.

    Figures and report.html are not compared: another version of matplotlib draws other bytes.
    """
    from prsbench.harness.report.tables.cost import cost_table
    from prsbench.harness.report.tables.selection import tables_of

    if not (folder / "tables").is_dir():
        return []
    files = {folder / name: content for name, content in _table_files(tables_of(cells, held_out), cost_table(cells)).items()}
    stored = [*_files_in(folder / "tables"), *_files_in(folder / "cost")]
    contents = {path: path.read_bytes() for path in stored if path.suffix not in FIGURE_SUFFIXES}
    changed = sorted(path for path in files.keys() | contents.keys() if files.get(path) != contents.get(path))
    return [f"{path}: differs from the table of the records. Rewrite it with `prsbench report {folder}`." for path in changed]


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _table_files(tables: Sequence[Table], cost: Table) -> dict[str, bytes]:
    from prsbench.harness.report.page.document import cost_page
    from prsbench.harness.report.tables.formats import to_csv, to_latex, to_markdown

    files: dict[str, bytes] = {}
    for table, folder in (*((table, "tables") for table in tables), (cost, "cost")):
        formats = {"csv": to_csv} if table.is_long else {"csv": to_csv, "md": to_markdown, "tex": to_latex}
        files |= {f"{folder}/{table.name}.{ending}": write(table).encode() for ending, write in formats.items()}
    return files | {"cost/cost.html": cost_page(cost).encode()}


def summary_text(cells: Sequence[CellResult], across_prompts: bool = False, width: int = 0) -> str:
    """The tables printed at the end of a run, with each footnote once.

    Args:
        across_prompts: ranks all rows together; such tables are never written to files, because the rows' inputs differ.
        width: columns of the terminal; 0 for no limit. One that is too narrow for the tables gets `overview_text` instead.
    """
    from prsbench.harness.report.statistics.rows import rows_of
    from prsbench.harness.report.tables.ablations import ablations, t2c_ablation
    from prsbench.harness.report.tables.footnotes import of_few_groups, of_not_run
    from prsbench.harness.report.tables.formats import TEXT_WIDTH, to_text
    from prsbench.harness.report.tables.scores import main, reasoning
    from prsbench.harness.report.tables.validity import validity

    if 0 < width < TEXT_WIDTH:
        wider = f"For every modality and the validity of PRScore see report.html, or use a terminal of {TEXT_WIDTH} columns."
        return "\n".join([overview_text(cells, across_prompts), *wrap(wider, _NARROW)])
    rows = rows_of(cells, across_prompts)
    texts: list[str] = []
    printed: set[str] = set()
    notes = [*of_not_run(cells), *of_few_groups(cells)]
    for table in (main(rows, notes), reasoning(rows), validity(rows), t2c_ablation(rows), ablations(rows)):
        if table:
            texts.append(to_text(replace(table, footnotes=tuple(note for note in table.footnotes if note not in printed))))
            printed.update(table.footnotes)
    return "\n".join(texts)


def overview_text(cells: Sequence[CellResult], across_prompts: bool = False, is_first: bool = False) -> str:
    """One table of means for a terminal of 80 columns; without footnotes if it is the first of a run that prints more."""
    from prsbench.harness.report.statistics.rows import rows_of
    from prsbench.harness.report.tables.footnotes import of_few_groups, of_not_run
    from prsbench.harness.report.tables.formats import to_text
    from prsbench.harness.report.tables.scores import overview

    table = overview(rows_of(cells, across_prompts), [*of_not_run(cells), *of_few_groups(cells)])
    return to_text(replace(table, footnotes=()) if is_first else table, _NARROW)

"""The orientation audit as one page of Markdown, a table for each method, and every number of it as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from prsbench.harness.audit.orientation import TURNS, Effect, TurnedCell
from prsbench.harness.contract.errors import first_line
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.harness.report.tables.formats import to_csv, to_markdown
from prsbench.harness.report.tables.table import Table, number_text, text_table

_SHARES = {
    "accuracy_before": "position acc. before",
    "accuracy_after": "after",
    "dice_before": "Dice before",
    "dice_after": "Dice after",
    "right": "to the right place",
    "wrong": "to a wrong place",
    "stayed": "stayed",
    "unread": "no place",
    "turned": "turned with the picture",
}
_COUNTS = {"n_moved": "n moved", "n_named": "n named", "n_patient_side": "patient side", "n": "n"}
_INTRODUCTION = (
    "Each row predicts again on mirrored and rotated test images; mask and reference turn with them. A row that looks at the "
    "image changes its answer when the right place changes; a row that repeats what is frequent does not."
)
_NOTES = (
    (
        "Shares are means over data sets, counts are sums. Each row with its lowest seed and the weights of the run; nothing is "
        "trained. The answers before are those in the run's tables."
    ),
    (
        "To the right place, to a wrong place, stayed, no place (none that can be read): what the answer did, of samples whose "
        "right place changes (n moved). An answer that stayed did not follow the picture, even if it is right by chance now."
    ),
    (
        "Turned with the picture: of the answers that name a place which the turn changes (n named), those that name that place "
        "turned, right or not."
    ),
    "Patient side: samples left out because an answer or the reference names a side of the patient, not of the image.",
)


def write_page(cells: Sequence[TurnedCell], folder: Path) -> list[Path]:
    """Write audit/orientation.md and audit/orientation.csv under the run folder."""
    kinds = dict.fromkeys(cell.data_kind for cell in cells)
    tables = [_summary(cells), *(_table_of(row) for row in _rows(cells))]
    warnings = [f"**{DATA_LINES[kind]}**" for kind in kinds]
    page = "\n\n".join(
        ["# Does the sentence follow the picture?", *warnings, _INTRODUCTION, *map(to_markdown, tables), *_not_run(cells)]
    )
    files = {folder / "audit" / "orientation.md": page, folder / "audit" / "orientation.csv": to_csv(_long(cells))}
    for path, text in files.items():
        write_atomically(path, text.encode())
    return list(files)


def line_of(cell: TurnedCell) -> str:
    """One cell as a line of text: what its answers did over all turns, or why it was not predicted again."""
    where = f"{cell.method} on {cell.dataset}"
    if not cell.effects:
        return f"{where}: not predicted again ({first_line(cell.reason)})"
    mean = _mean(cell.effects)
    before, after, right, stayed = (number_text(mean[n]) for n in ("accuracy_before", "accuracy_after", "right", "stayed"))
    return f"{where}: position accuracy {before} before, {after} after; changed to the right place {right}, stayed {stayed}"


def _rows(cells: Sequence[TurnedCell]) -> list[list[TurnedCell]]:
    """The audited cells of each method and data kind."""
    keys = dict.fromkeys((cell.method, cell.data_kind) for cell in cells if cell.effects)
    return [[cell for cell in cells if cell.effects and (cell.method, cell.data_kind) == key] for key in keys]


def _mean(effects: Sequence[Effect]) -> dict[str, float]:
    """Means of the shares and sums of the counts."""
    sums = {name: float(sum(getattr(effect, name) for effect in effects)) for name in _COUNTS}
    return sums | {name: mean_of_defined(getattr(effect, name) for effect in effects) for name in _SHARES}


def _summary(cells: Sequence[TurnedCell]) -> Table:
    lines = [
        [row[0].method, row[0].data_kind.label, *_numbers([effect for cell in row for effect in cell.effects])]
        for row in _rows(cells)
    ]
    heads = [*_SHARES.values(), *_COUNTS.values()]
    return text_table("summary", "All turns", "Means over turns and data sets.", ("method", "data kind"), heads, lines, _NOTES)


def _table_of(row: Sequence[TurnedCell]) -> Table:
    """One method on one data kind: a line for each turn."""
    lines = [[turn.name, *_numbers([cell.effects[i] for cell in row])] for i, turn in enumerate(TURNS)]
    caption = f"{row[0].data_kind.label}, seed {row[0].seed}, {', '.join(cell.dataset for cell in row)}."
    others = sum(cell.n_other for cell in row)
    notes = [f"{others} samples have no position accuracy, or a question that names a place: not counted."] if others else []
    return text_table("turns", row[0].method, caption, ("turn",), [*_SHARES.values(), *_COUNTS.values()], lines, notes)


def _numbers(effects: Sequence[Effect]) -> list[str]:
    mean = _mean(effects)
    return [*(number_text(mean[name]) for name in _SHARES), *(f"{mean[name]:.0f}" for name in _COUNTS)]


def _not_run(cells: Sequence[TurnedCell]) -> list[str]:
    left_out = [f"- {cell.method} on {cell.dataset}: {first_line(cell.reason)}" for cell in cells if not cell.effects]
    return ["\n".join(["## Not predicted again", "", *left_out, ""])] if left_out else []


def _long(cells: Sequence[TurnedCell]) -> Table:
    """A line for each method, data set and turn; a method that was not predicted again has one line with the reason."""
    names = [field.name for field in fields(Effect)]
    lines = []
    for cell in cells:
        labels = [cell.method, cell.dataset, cell.data_kind.label, str(cell.seed)]
        for turn, effect in zip(TURNS, cell.effects, strict=False):
            lines.append([*labels, turn.name, *(number_text(value, "g") for value in astuple(effect)), ""])
        if not cell.effects:
            lines.append([*labels, "", *("" for _ in names), first_line(cell.reason)])
    heads = ("method", "dataset", "data kind", "seed", "turn")
    return text_table("orientation", "", "", heads, names, lines, remarks=("not predicted again",))

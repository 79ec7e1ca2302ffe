"""A table as CSV, Markdown, LaTeX and terminal text. Labels that are the same in every row move to the caption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from textwrap import wrap

from prsbench.harness.report.tables.table import Table

_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
    "§": r"\textsuperscript{\S}",
}
_ALWAYS_SHOWN = ("method", "prompt source", "metric", "modality")
TEXT_WIDTH = 150  # in columns, of tables with the scores of every modality
_TEXT_LEGEND = ("weights", "text source", "protocol", "n", "failure rate")  # below a wide table in the terminal, instead of in it


def to_csv(table: Table) -> str:
    """Every column, for machines; every line has its data kind."""
    return table.frame.to_csv(index=False, lineterminator="\n")


def to_markdown(table: Table) -> str:
    """A heading, a pipe table, and the footnotes as a list."""
    shown = shown_columns(table)
    rule = ["---:" if _is_number(table, name) else "---" for name in shown]
    rows = _cells(table, shown, _markdown, "**{}**".format, "<u>{}</u>".format)
    lines = [f"| {' | '.join(cells)} |" for cells in ([_markdown(name) for name in shown], rule, *rows)]
    notes = [f"- {_markdown(note)}" for note in table.footnotes]
    caption = " ".join([table.caption, *same_in_every_row(table)])
    return "\n".join([f"## {table.title}", "", _markdown(caption), "", *lines, "", *notes, ""])


def to_latex(table: Table) -> str:
    """A booktabs table with modalities above their metrics; needs \\usepackage{booktabs} and graphicx."""
    shown = shown_columns(table)
    columns = "".join("r" if _is_number(table, name) else "l" for name in shown)
    rows = [
        " & ".join(cells) + r" \\" for cells in _cells(table, shown, latex, r"\textbf{{{}}}".format, r"\underline{{{}}}".format)
    ]
    caption = latex(" ".join([f"{table.title}. {table.caption}", *same_in_every_row(table)]))
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{table.name}}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *_latex_head(table, shown),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip\footnotesize\raggedright",
            *(latex(note) + r"\\" for note in table.footnotes),
            r"\end{table*}",
            "",
        ]
    )


def to_text(table: Table, width: int = TEXT_WIDTH) -> str:
    """Text for a terminal: long labels go into a legend below the table, * marks the best; sentences fill `width` columns."""
    is_wide = "weights" in table.labels
    shown = [name for name in shown_columns(table) if not (is_wide and name in _TEXT_LEGEND)]
    body = _cells(table, shown, str, "{}*".format)
    legend = []
    if is_wide:
        moved = [name for name in shown_columns(table) if name in ("data kind", *_TEXT_LEGEND)]
        legend = [
            f"{row['method']}: " + "; ".join(row[name] if name == "n" else f"{name} {row[name]}" for name in moved)
            for row in table.frame.to_dict("records")
        ]
    notes = [line for note in [*legend, *table.footnotes] for line in wrap(note, width - 2, subsequent_indent="    ")]
    caption = wrap(" ".join([f"{table.title.upper()}.", table.caption, *same_in_every_row(table)]), width)
    return "\n".join([*caption, "", *_aligned(table, shown, [shown, *body]), "", *(f"  {line}" for line in notes)]) + "\n"


def shown_columns(table: Table) -> list[str]:
    """The columns to show: all but those in `same_in_every_row`."""
    folded = _folded(table)
    return [name for name in table.frame.columns if name not in folded]


def same_in_every_row(table: Table) -> list[str]:
    """One sentence with the labels that all rows share, or nothing."""
    folded = _folded(table)
    return [f"All rows: {'; '.join(f'{name} {table.frame[name].iloc[0]}' for name in folded)}."] if folded else []


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    return "".join(_LATEX.get(character, character) for character in text)


def header_groups(table: Table, shown: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The two header lines: each upper header ("" for ungrouped columns) with the lower ones below it."""
    columns = {column.name: column for column in table.numbers}
    pairs = [(columns[name].group, columns[name].head) if name in columns else ("", name) for name in shown]
    return [(group, [head for _, head in run]) for group, run in groupby(pairs, key=lambda pair: pair[0])]


def _folded(table: Table) -> list[str]:
    return [name for name in table.labels if name not in _ALWAYS_SHOWN and table.frame[name].nunique() == 1]


def _is_number(table: Table, name: str) -> bool:
    return any(column.name == name for column in table.numbers)


def _cells(
    table: Table,
    shown: Sequence[str],
    escape: Callable[[str], str],
    emphasise: Callable[[str], str],
    underline: Callable[[str], str] = str,
) -> list[list[str]]:
    def text(i: int, name: str, value: str) -> str:
        mark = emphasise if (i, name) in table.best else underline if (i, name) in table.second else str
        return mark(escape(value))

    return [[text(i, name, row[name]) for name in shown] for i, row in enumerate(table.frame.to_dict("records"))]


def _markdown(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("_", "\\_").replace("*", "\\*").replace("\n", " ")


def _latex_head(table: Table, shown: Sequence[str]) -> list[str]:
    groups = header_groups(table, shown)
    lower = " & ".join(latex(head) for _, heads in groups for head in heads) + r" \\"
    if not any(group for group, _ in groups):
        return [lower]
    upper = [rf"\multicolumn{{{len(h)}}}{{c}}{{{latex(g)}}}" if g else " & ".join([""] * len(h)) for g, h in groups]
    return [" & ".join(upper) + r" \\", lower]


def _aligned(table: Table, shown: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns padded to their widest word; the first row is the header; numbers flush right, with the spread below."""
    stacks = [
        [cell.split(" ") if _is_number(table, name) else [cell] for name, cell in zip(shown, row, strict=True)] for row in rows
    ]
    widths = [max(len(line) for row in stacks for line in row[i]) for i in range(len(shown))]
    lines = []
    for row in stacks:
        for level in range(max(map(len, row))):
            cells = [stack[level] if level < len(stack) else "" for stack in row]
            padded = [
                cell.rjust(width) if _is_number(table, name) else cell.ljust(width)
                for name, cell, width in zip(shown, cells, widths, strict=True)
            ]
            lines.append(" ".join(padded).rstrip())
    lines.insert(max(map(len, stacks[0])), "-" * (sum(widths) + len(widths) - 1))
    return lines

"""report.html: all tables and figures in one page that needs no other file and no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from prsbench.harness.contract.results import CellResult, digest_of
from prsbench.harness.contract.types import DataKind, PromptSource, TextSource, Weights
from prsbench.harness.report.figures.canvas import Figure
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.footnotes import DATA_LINES, missing_numbers, of_not_run
from prsbench.harness.report.tables.formats import header_groups, same_in_every_row, shown_columns
from prsbench.harness.report.tables.table import Table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 1500px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.banner { background: #b00020; color: white; font-weight: bold; padding: .7rem 1rem; border-radius: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums;
  border: solid #1b1b1b; border-width: 2px 0; }
th, td { padding: .25rem .55rem; text-align: left; white-space: nowrap; }
thead tr:last-child th { border-bottom: 1px solid #1b1b1b; }
th.group { text-align: center; border-bottom: 1px solid #aaa; }
th.number, td.number { text-align: right; }
tbody tr:nth-child(even) { background: #f5f6f8; }
ul.notes, dl { font-size: 13px; color: #444; } dt { font-weight: bold; } .lost { color: #b00020; }
figure { margin: 1.5rem 0; } img { max-width: 100%; border: 1px solid #ddd; } figcaption { font-size: 13px; color: #444; }
"""
SOURCES: Mapping[str, str] = {
    PromptSource.QUESTION: "the question only",
    PromptSource.ORACLE_BOX: "the box around the true mask",
    PromptSource.JITTERED_BOX: "that box with noise",
    PromptSource.ORACLE_POINT: "the innermost point of the true mask",
    PromptSource.AUTOMATIC: "a prompt that the method finds itself",
    PromptSource.TRUTH: "the truth itself",
    PromptSource.NONE: "nothing",
}
WEIGHTS: Mapping[str, str] = {
    Weights.TRAINED_HERE: "in this run",
    Weights.OFFICIAL: "by the method's authors",
    Weights.IMPORTED: "trained by prsbench in another run",
    Weights.PACKAGED: "packaged for Python",
    Weights.STATED: "predictions made elsewhere: the row's notes say what the user states",
    Weights.RANDOM: "nothing was loaded and nothing trained",
    Weights.NONE: "the method has no parameters",
}
TEXT_SOURCES: Mapping[str, str] = {
    TextSource.GENERATED: "by the method itself",
    TextSource.OWN_MASK: "a fixed sentence filled in from the method's own mask",
    TextSource.CONSTANT: "one sentence for all samples",
    TextSource.TRUTH: "the reference answer",
}
DATA_KINDS: Mapping[str, str] = {
    DataKind.SYNTHETIC: "drawn by a program",
    DataKind.REAL: "from patients",
    DataKind.UNDECLARED: "the folder does not say which",
}
_LEGEND: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "prompt source": (
        "What the method is given besides the image; rows of different prompt sources are not comparable.",
        SOURCES,
    ),
    "weights": ("Where the parameters come from.", WEIGHTS),
    "text source": ("Who wrote the answer.", TEXT_SOURCES),
    "data kind": ("Where the images come from.", DATA_KINDS),
}


def page(cells: Sequence[CellResult], tables: Sequence[Table], figures: Sequence[Figure]) -> str:
    """The page: banner, failures, tables, figures, and what the labels mean."""
    kinds = dict.fromkeys(cell.data_kind for cell in cells)
    banners = [f'<p class="banner">{escape(DATA_LINES[kind])}</p>' for kind in kinds if kind is not DataKind.REAL]
    return _document(
        "prsbench report",
        "<h1>prsbench report</h1>",
        f"<p>Digest of these results, as `prsbench verify` prints it: <code>{digest_of(cells)}</code></p>",
        *banners,
        *_failures(cells),
        *(_table(table) for table in tables if not table.is_long),
        *_no_ablation(tables),
        *(_figure(figure) for figure in figures),
        "<p>What each row costs (parameters, operations, seconds, memory) is in cost/.</p>",
        "<h2>What the labels mean</h2>",
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(_meanings(*entry))}</dd>' for name, entry in _LEGEND.items())}</dl>",
    )


def cost_page(table: Table) -> str:
    """The cost table as a separate page."""
    return _document("prsbench cost", _table(table))


def _document(title: str, *body: str) -> str:
    head = f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n<style>{_STYLE}</style></head><body>'
    return "\n".join(["<!DOCTYPE html>", head, *body, "</body></html>", ""])


def _meanings(introduction: str, meanings: Mapping[str, str]) -> str:
    return f"{introduction} {'; '.join(f'{label}: {meaning}' for label, meaning in meanings.items())}."


def _failures(cells: Sequence[CellResult]) -> list[str]:
    lines = [*missing_numbers(rows_of(cells)), *of_not_run(cells)]
    if not lines:
        return ["<p>Every cell is complete and no sample failed.</p>"]
    return ["<h2>What is missing</h2>", _list(lines, "notes lost")]


def _no_ablation(tables: Sequence[Table]) -> list[str]:
    if any(table.name in ("t2c_ablation", "ablations") for table in tables):
        return []
    return ["<p>No Text2Centroid ablation: it needs both cg_reasoner and cg_reasoner_without_t2c in the run.</p>"]


def _table(table: Table) -> str:
    shown = shown_columns(table)
    numbers = {column.name for column in table.numbers}
    groups = header_groups(table, shown)
    upper = "".join(f'<th class="group" colspan="{len(heads)}">{escape(group)}</th>' for group, heads in groups)
    heads = [head for _, heads in groups for head in heads]
    kinds = ["number" if name in numbers else "label" for name in shown]
    lower = "".join(f'<th class="{kind}">{escape(head)}</th>' for kind, head in zip(kinds, heads, strict=True))
    body = []
    for i, row in enumerate(table.frame.to_dict("records")):
        texts = [f"<strong>{escape(row[name])}</strong>" if (i, name) in table.best else escape(row[name]) for name in shown]
        body.append("".join(f'<td class="{kind}">{text}</td>' for kind, text in zip(kinds, texts, strict=True)))
    head = f"<tr>{upper}</tr><tr>{lower}</tr>" if any(group for group, _ in groups) else f"<tr>{lower}</tr>"
    rows = "\n".join(f"<tr>{cells}</tr>" for cells in body)
    caption = escape(" ".join([table.caption, *same_in_every_row(table)]))
    return (
        f"<h2>{escape(table.title)}</h2>\n<p>{caption}</p>\n"
        f'<div class="scroll"><table><thead>{head}</thead><tbody>\n{rows}\n</tbody></table></div>\n'
        f"{_list(table.footnotes, 'notes')}"
    )


def _figure(figure: Figure) -> str:
    data = b64encode(figure.png).decode()
    return (
        f"<h2>{escape(figure.title)}</h2>\n"
        f'<figure><img alt="{escape(figure.title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def _list(lines: Sequence[str], kind: str) -> str:
    return f'<ul class="{kind}">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'

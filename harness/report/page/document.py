"""report.html: a summary, all tables and all figures in one page that needs no other file and no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from itertools import groupby
from pathlib import Path

from prsbench.harness.contract.results import CellResult, digest_of
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import Figure
from prsbench.harness.report.page.legend import LEGEND
from prsbench.harness.report.page.sample_links import sample_link
from prsbench.harness.report.page.summary import summary_of
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.harness.report.tables.formats import header_groups, same_in_every_row, shown_columns
from prsbench.harness.report.tables.ranks import Rankings
from prsbench.harness.report.tables.table import Table

_LONG_LABELS = ("weights", "text source", "protocol", "judge", "source")  # stand behind the numbers
_MAIN = '<main id="content" tabindex="-1">'
_LONG = 50  # characters: a column with more in a cell is wrapped
_MOST_LINES = 8  # of missing numbers before they are folded
_OF_RUN_FOLDER = {
    "examples": "example images, which need the run folder and its data",
    "threshold_curves": "threshold curves, which need the run folder (records hold no counts of pixels)",
}
_Numbers = dict[str, int]  # footnotes by number, which grows as tables are written


def page(
    cells: Sequence[CellResult],
    tables: Sequence[Table],
    figures: Sequence[Figure],
    has_viewer: bool = False,
    rankings: Rankings | None = None,
) -> str:
    """The page. has_viewer: numbers are links to their samples in viewer/. rankings: of these cells, if already known."""
    kinds = [kind for kind in dict.fromkeys(cell.data_kind for cell in cells) if kind is not DataKind.REAL]
    shown = [table for table in tables if not table.is_long]
    papers = [table for table in shown if table.name.startswith("paper/") or table.name == "published"]
    notes: _Numbers = {}
    parts = {
        "Results": [_table(table, notes, has_viewer) for table in shown if table not in papers],
        "For papers": [_table(table, notes, has_viewer) for table in papers],
        "Figures": [*map(_figure, figures), *_not_drawn(figures)],
    }
    titles = {
        "Results": [(table.name, table.title) for table in shown if table not in papers],
        "For papers": [(table.name, table.title) for table in papers],
        "Figures": [(f"figure-{figure.name}", figure.title.partition(". ")[0]) for figure in figures],
    }
    users = {number: [t for t in shown if note in t.footnotes] for note, number in notes.items()}
    return _document(
        "prsbench report",
        *(f'<p class="banner" role="note">{escape(DATA_LINES[kind])}</p>' for kind in kinds),
        _navigation(titles),
        _MAIN,
        *_summary(cells, tables, rankings),
        *(f'<section aria-label="{name}">{"".join(part)}</section>' for name, part in parts.items() if part),
        "<p>What each row costs (parameters, operations, seconds, memory) is in cost/.</p>",
        '<h2 id="labels">What the labels mean</h2>',
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(_meanings(*entry))}</dd>' for name, entry in LEGEND.items())}</dl>",
        '<h2 id="notes">Notes</h2>',
        f'<ol class="notes">{"".join(_note(text, number, users[number]) for text, number in notes.items())}</ol>',
        "</main>",
    )


def cost_page(table: Table) -> str:
    """The cost table as a separate page."""
    notes: _Numbers = {}
    body = _table(table, notes, has_viewer=False, files="")
    listed = "".join(_note(text, number) for text, number in notes.items())
    return _document("prsbench cost", _MAIN, body, f'<ol class="notes">{listed}</ol></main>')


def tables_page(title: str, tables: Sequence[Table]) -> str:
    """A page of tables with their notes, under the banner of each data kind that is not real."""
    notes: _Numbers = {}
    body = [_table(table, notes, has_viewer=False, files="") for table in tables]
    shown = {text for table in tables for text in table.frame.get("data kind", [])}
    banners = [
        f'<p class="banner" role="note">{escape(line)}</p>' for kind, line in DATA_LINES.items() if str(kind).upper() in shown
    ]
    listed = "".join(_note(text, number, [t for t in tables if text in t.footnotes]) for text, number in notes.items())
    head = f"<h1>{escape(title)}</h1>"
    return _document(title, *banners, "<main>", head, *body, f'<ol class="notes">{listed}</ol></main>')


def _document(title: str, *body: str) -> str:
    style, script = _own("page.css"), _own("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    head = (
        f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title>\n<style>{style}</style></head>"
        '<body><a class="skip" href="#content">Skip to the results</a>'
    )
    return "\n".join(["<!DOCTYPE html>", head, *body, f"<script>{script}</script></body></html>", ""])


@cache
def _own(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _navigation(titles: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    groups = [
        f"<li>{name}<ul>{''.join(_link(_anchor(key), title) for key, title in entries)}</ul></li>"
        for name, entries in titles.items()
        if entries
    ]
    ends = _link("labels", "What the labels mean") + _link("notes", "Notes")
    return f'<nav aria-label="Contents"><ul>{_link("summary", "Summary")}{"".join(groups)}{ends}</ul></nav>'


def _link(anchor: str, title: str) -> str:
    return f'<li><a href="#{anchor}">{escape(title)}</a></li>'


def _anchor(name: str) -> str:
    return name.replace("/", "-")


def _summary(cells: Sequence[CellResult], tables: Sequence[Table], rankings: Rankings | None) -> list[str]:
    said = summary_of(cells, tables, rankings)
    leaders = [f"<h3>{escape(title)}</h3>{_list(sentences)}" for title, sentences in said.leaders.items()]
    missing = "<p>Every cell is complete and no sample failed.</p>"
    if said.missing:
        lines = _list(said.missing, "lost")
        if len(said.missing) > _MOST_LINES:
            lines = f"<details><summary>{len(said.missing)} lines</summary>{lines}</details>"
        missing = f"<h3>What is missing</h3>{lines}"
    no_ablation = not any(table.name in ("t2c_ablation", "ablations") for table in tables)
    return [
        "<h1>prsbench report</h1>",
        '<h2 id="summary">Summary</h2>',
        f"<p>{escape(said.compared)} Means are over modalities; rows are compared within one prompt source.</p>",
        *leaders,
        "<h3>Floors and published numbers</h3>" + _list(said.more) if said.more else "",
        missing,
        "<p>No Text2Centroid ablation: it needs both cg_reasoner and cg_reasoner_without_t2c in the run.</p>" * no_ablation,
        (
            '<p class="digest">Digest of these results, as <code>prsbench verify</code> prints it: '
            f"<code>{digest_of(cells)}</code></p>"
        ),
    ]


def _meanings(introduction: str, meanings: Mapping[str, str]) -> str:
    return f"{introduction} {'; '.join(f'{label}: {meaning}' for label, meaning in meanings.items())}."


def _table(table: Table, notes: _Numbers, has_viewer: bool, files: str = "tables/") -> str:
    shown = _in_order(table)
    numbers = {column.name: column for column in table.numbers}
    groups = header_groups(table, shown)
    is_mean = {column.name for column in table.numbers if column.group == "mean"}
    classes = [("mean number" if name in is_mean else "number" if name in numbers else _kind(table, name)) for name in shown]
    classes[0] += " first"
    heads = [head for _, heads in groups for head in heads]
    upper = "".join(
        f'<th class="group{" mean" * (group == "mean")}" scope="colgroup" colspan="{len(some)}">{escape(group)}</th>'
        if group
        else "".join(f'<td class="{"first" * (i == j == 0)}"></td>' for j in range(len(some)))
        for i, (group, some) in enumerate(groups)
    )
    lower = "".join(f'<th class="{kind}" scope="col">{escape(head)}</th>' for kind, head in zip(classes, heads, strict=True))
    lines = []
    for i, record in enumerate(table.frame.to_dict("records")):
        line = {str(name): str(text) for name, text in record.items()}
        texts = []
        for name, kind in zip(shown, classes, strict=True):
            text = escape(line[name])
            if has_viewer and name in numbers and (address := sample_link(table, line, numbers[name])):
                text = f'<a href="{escape(address)}">{text}</a>'
            text = f"<strong>{text}</strong>" if (i, name) in table.best else text
            text = f"<u>{text}</u>" if (i, name) in table.second else text
            tag, scope = ("th", ' scope="row"') if name == shown[0] else ("td", "")
            texts.append(f'<{tag} class="{kind}"{scope}>{text}</{tag}>')
        lines.append(f"<tr>{''.join(texts)}</tr>")
    head = f"<tr>{upper}</tr><tr>{lower}</tr>" if any(group for group, _ in groups) else f"<tr>{lower}</tr>"
    caption = escape(" ".join([table.caption, *same_in_every_row(table)]))
    links = "".join(f' <a href="{files}{table.name}.{ending}">{ending}</a>' for ending in ("csv", "md", "tex"))
    name = _anchor(table.name)
    return (
        f'<h2 id="{name}">{escape(table.title)}</h2>\n'
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}"><table>'
        f"<caption><span>{caption}</span></caption><thead>{head}</thead><tbody>\n{''.join(lines)}\n</tbody></table></div>\n"
        f'<p class="below">Files:{links}.{_references(table, notes)}</p>'
    )


def _kind(table: Table, name: str) -> str:
    return "label long" if max(map(len, table.frame[name]), default=0) > _LONG else "label"


def _in_order(table: Table) -> list[str]:
    """The columns as the page shows them: labels, means over modalities, other numbers, then the long labels."""
    shown = shown_columns(table)
    numbers = {column.name: column for column in table.numbers}
    long = [name for name in shown[1:] if name in table.labels and name in _LONG_LABELS]
    means = [name for name in shown if name in numbers and numbers[name].group == "mean"]
    labels = [name for name in shown if name in table.labels and name not in long]
    rest = [name for name in shown if name not in {*labels, *means, *long}]
    return [*labels, *means, *rest, *long]


def _references(table: Table, notes: _Numbers) -> str:
    numbers = sorted(notes.setdefault(note, len(notes) + 1) for note in dict.fromkeys(table.footnotes))
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    texts = [f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    links = ", ".join(f'<a href="#note-{run[0]}">{text}</a>' for run, text in zip(runs, texts, strict=True))
    return f" Notes: {links}." if links else ""


def _note(text: str, number: int, users: Sequence[Table] = ()) -> str:
    back = ", ".join(f'<a href="#{_anchor(table.name)}">{escape(table.title)}</a>' for table in users)
    return f'<li id="note-{number}">{escape(text)}{f" <small>{back}</small>" if back else ""}</li>'


def _figure(figure: Figure) -> str:
    data = b64encode(figure.png).decode()
    others = "".join(f' <a href="figures/{figure.name}.{ending}">{ending}</a>' for ending in sorted(figure.files))
    return (
        f'<h2 id="figure-{figure.name}">{escape(figure.title)}</h2>\n'
        f'<figure><img alt="{escape(figure.title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(figure.caption)} Files:{others}.</figcaption></figure>"
    )


def _not_drawn(figures: Sequence[Figure]) -> list[str]:
    """What only a run folder can draw, where it is not there."""
    missing = [what for name, what in _OF_RUN_FOLDER.items() if not any(figure.name.startswith(name) for figure in figures)]
    return [f"<p>Not drawn: {'; '.join(missing)}.</p>"] if figures and missing else []


def _list(lines: Sequence[str], kind: str = "said") -> str:
    return f'<ul class="{kind}">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'

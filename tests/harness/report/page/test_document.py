"""The page as text: one file, every number and footnote once, links only where they lead somewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from prsbench.harness.contract.types import DataKind, PromptSource, TextSource, Weights
from prsbench.harness.report.figures.canvas import SOURCE_COLOURS
from prsbench.harness.report.page import legend
from prsbench.harness.report.page.document import page
from prsbench.harness.report.statistics.rows import UNKNOWN
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.harness.report.tables.selection import tables_of


class Reader(HTMLParser):
    """Ids, link targets and tags that were opened and closed."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.targets, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.targets += [given["href"]] if "href" in given else []
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text(grid):
    cells = grid()
    return page(cells, tables_of(cells), [])


def test_every_tag_is_closed_every_id_is_unique_and_every_target_exists(text):
    read = Reader(text)
    assert read.open == [] and len(read.ids) == len(set(read.ids))
    assert {target[1:] for target in read.targets if target.startswith("#")} <= set(read.ids)


def test_each_footnote_stands_once_and_each_table_names_its_notes(grid, text):
    tables = [table for table in tables_of(grid()) if not table.is_long]
    notes = re.findall(r'<li id="note-\d+">(.*?)(?: <small>|</li>)', text)
    assert len(notes) == len(set(notes)) == len({note for table in tables for note in table.footnotes})
    assert text.count("Notes: <a") == sum(bool(table.footnotes) for table in tables)


def test_only_our_own_style_and_script_are_allowed(text):
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{kind} 'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy and " style=" not in text and " onclick" not in text


def test_the_means_stand_before_the_modalities(text):
    main = text[text.index('<h2 id="main">') :]
    assert main.index(">mean<") < main.index(">brain<")


def test_numbers_are_links_only_if_there_is_a_viewer(grid, text):
    cells = grid()
    assert "viewer/index.html" not in text
    linked = page(cells, tables_of(cells), [], has_viewer=True)
    assert '<a href="viewer/index.html#row=cg_reasoner&amp;sort=mdice_pranet">' in linked


def test_a_second_best_number_is_underlined(text):
    paper = text[text.index('<h2 id="paper-segmentation">') : text.index('<h2 id="paper-reasoning">')]
    assert "<strong>0." in paper and "<u>0." in paper


def test_nothing_of_a_data_set_or_method_is_markup(cell):
    evil = "<script>alert(1)</script>"
    cells = [cell(evil), cell("oracle", status="failed", error=evil, dataset=evil)]
    for has_viewer in (False, True):
        assert page(cells, tables_of(cells), [], has_viewer).count("<script>") == 1  # our own


def test_more_than_eight_missing_numbers_are_folded(cell):
    cells = [cell(f"m{i}", status="failed", error="boom") for i in range(6)]
    assert "<details><summary>12 lines</summary>" in page(cells, [], [])
    assert "<details>" not in page(cells[:2], [], [])


@pytest.mark.parametrize(
    ("table", "members"),
    [
        (legend.SOURCES, PromptSource),
        (legend.WEIGHTS, Weights),
        (legend.TEXT_SOURCES, TextSource),
        (legend.DATA_KINDS, DataKind),
        (DATA_LINES, DataKind),
        (SOURCE_COLOURS, [*PromptSource, UNKNOWN]),
    ],
    ids=["prompt source", "weights", "text source", "data kind", "data line", "colour"],
)
def test_every_label_is_explained_in_the_report(table, members):
    assert list(table) == list(members)

"""Links from a number of the report to its samples in the viewer: the part after # says what the page shows."""

from __future__ import annotations

from urllib.parse import quote, urlencode

INDEX = "viewer/index.html"  # from a run folder
ORDERS = ("worst", "best", "listed")


def sample_key(dataset: str, sample_id: str) -> str:
    """The stable id of a sample in links and exported ratings: the same for every run on the same data."""
    return f"{dataset}/{sample_id}"


def link(row: str, *, page: str = INDEX, **shown: str) -> str:
    """The address of the samples behind one number, relative to the run folder.

    row is a method's name, or a row's id in the viewer (such as "cg_reasoner, seed 1"). `shown`, all optional:

    - row2, row3: rows to show beside it;
    - sort: a metric's name; by: "score", "difference" (of row and row2) or "text" (against the row's own mask);
    - order: one of ORDERS; sample: a `sample_key`; search: words to look for;
    - modality, family, dataset, kind, position, status, by_lesion_size, by_zone, by_lesion_count: the only value to show.

    An empty value counts as not given. The page ignores names and values that it does not know, and says so.
    """
    return f"{page}#{urlencode({'row': row} | {name: value for name, value in shown.items() if value}, quote_via=quote)}"

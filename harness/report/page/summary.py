"""The page's summary, in sentences: what was compared, who leads and whether that is more than noise, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from prsbench.harness.contract.modalities import BY_NAME
from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.types import PromptSource
from prsbench.harness.report.page.legend import SOURCES
from prsbench.harness.report.statistics.means_and_differences import paired_differences
from prsbench.harness.report.statistics.ranks import Rank
from prsbench.harness.report.statistics.rows import Row, Score, modalities_of, rows_of, summarise
from prsbench.harness.report.statistics.validity import NOT_VALID
from prsbench.harness.report.tables.footnotes import missing_numbers, of_not_run
from prsbench.harness.report.tables.ranks import Rankings, rankings_of
from prsbench.harness.report.tables.table import Table, marked
from prsbench.metrics.catalog import METRICS

HEADLINE = ("mdice_pranet", "prscore", "position_accuracy")  # in all of them, more is better


@dataclass(frozen=True)
class Summary:
    """Sentences: `compared`; `leaders` by ranking; `more` on floors and published numbers; `missing` numbers, by cause."""

    compared: str
    leaders: dict[str, list[str]]
    more: list[str]
    missing: list[str]


def summary_of(cells: Sequence[CellResult], tables: Sequence[Table], rankings: Rankings | None = None) -> Summary:
    """The summary of a run; without cells it says so. rankings: of these cells, if already known."""
    rows = rows_of(cells)
    rankings = rankings_of(rows) if rankings is None else rankings
    return Summary(
        _compared(rows),
        {_title(row, rows): _leaders(row.ranked_with, rows, rankings) for row in _first_of_each_ranking(rows)},
        [*_floors(rows), *_published(tables)],
        [*missing_numbers(rows), *of_not_run(cells)],
    )


def _compared(rows: Sequence[Row]) -> str:
    cells = [cell for row in rows for cell in row.cells]
    if not cells:
        return "This run has no cells."
    sizes = {(cell.data_kind, cell.dataset): cell.n_manifest for cell in cells}
    kinds = " and ".join(dict.fromkeys(str(kind) for kind, _ in sizes))
    n_ranked = sum(not row.is_reference for row in rows)
    names = ", ".join(BY_NAME[name].title if name in BY_NAME else name for name in modalities_of(cells))
    seeds = sorted({cell.seed for cell in cells})
    return (
        f"{_counted(n_ranked, 'row')} and {_counted(len(rows) - n_ranked, 'floor or ceiling', 'floors and ceilings')} on "
        f"{_counted(len(sizes), f'{kinds} data set')} ({names}) with {_counted(sum(sizes.values()), 'test sample')}, "
        f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}."
    )


def _first_of_each_ranking(rows: Sequence[Row]) -> list[Row]:
    return list({row.ranked_with: row for row in reversed(rows) if row.ranked_with}.values())[::-1]


def _title(row: Row, rows: Sequence[Row]) -> str:
    source = row.label("prompt_source")
    scope = [str(row.data_kind)] if len({one.data_kind for one in rows}) > 1 else []
    scope += [row.protocol] if len({one.protocol for one in rows}) > 1 else []
    return f"Prompt source {source}: {SOURCES[source]}" + (f" ({', '.join(scope)})" if scope else "")


def _leaders(key: tuple[str, ...] | None, rows: Sequence[Row], rankings: Rankings) -> list[str]:
    members = [row for row in rows if row.ranked_with == key]
    found = {metric: [one for one in rankings[metric] if one[0].row.ranked_with == key] for metric in HEADLINE}
    return [
        f"{marked(METRICS[metric].title, metric, *members)}: {_leader(members, metric, some[0] if some else ())}"
        for metric, some in found.items()
    ]


def _leader(members: Sequence[Row], metric: str, found: Sequence[Rank]) -> str:
    """Who leads among rows of one ranking."""
    scores = [(row, summarise(row, metric)) for row in members]
    if len(found) < 2:
        return "; ".join(f"{row.method} {_score_text(score)}" for row, score in scores) + ". Fewer than two rows can be ranked."
    tied = [one for one in found if one.rank == 1]
    left_out = len(members) - len(found)
    others = f" {_counted(left_out, 'row')} could not be ranked." if left_out else ""
    if len(tied) == len(found):
        return f"{_names(tied)} are equal, with {found[0].mean:.3f}.{others}"
    return _lead(tied, found[len(tied)], metric) + others


def _names(tied: Sequence[Rank]) -> str:
    return " and ".join(one.row.method for one in tied)


def _lead(tied: Sequence[Rank], second: Rank, metric: str) -> str:
    first = tied[0]
    [paired] = paired_differences(first.row.cells, second.row.cells, [metric])
    verb = "leads" if len(tied) == 1 else "lead, equal,"
    ahead = f"{first.mean - second.mean:.3f}".replace("0.000", "less than 0.001")
    lead = f"{_names(tied)} {verb} with {first.mean:.3f}, {ahead} before {second.row.method}"
    share = f"{first.row.method} is first in {100 * first.share_first:.0f} % of resamples"
    if not isfinite(paired.low):
        return f"{lead}; whether this is more than noise is not known ({paired.reason or 'no interval'}); {share}."
    interval = f"95 % interval of the difference {paired.low:+z.3f} to {paired.high:+z.3f}"
    if paired.low <= 0 <= paired.high:
        return f"{lead}. This may be noise: {interval}; {share}."
    one_training = " Each has one training; another may change this." if paired.n_trainings == 1 else ""
    return f"{lead}. This is more than the noise of the test images: {interval}; {share}.{one_training}"


def _score_text(score: Score) -> str:
    return f"{score.value:z.3f}{score.failed_text}" if isfinite(score.value) else score.status or "not defined"


def _floors(rows: Sequence[Row]) -> list[str]:
    """For each metric, the ranked rows that are not above the best row that sees nothing."""
    sentences = []
    for kind, protocol in dict.fromkeys((row.data_kind, row.protocol) for row in rows):
        of_kind = [row for row in rows if (row.data_kind, row.protocol) == (kind, protocol)]
        for metric in HEADLINE:
            values = [(row, summarise(row, metric).value) for row in of_kind]
            known = [(row, value) for row, value in values if isfinite(value)]
            floors = [(value, row.method) for row, value in known if row.label("prompt_source") == PromptSource.NONE]
            ranked = [(row, value) for row, value in known if row.ranked_with]
            if floors and ranked:
                floor, name = max(floors)
                below = [row.method for row, value in ranked if value <= floor]
                verdict = f"not above it: {', '.join(below)}" if below else "all ranked rows are above it"
                sentences.append(f"{METRICS[metric].title}: {name}, which sees no image, has {floor:.3f}; {verdict}.")
        if any(summarise(row, "prscore").status == NOT_VALID for row in of_kind):
            sentences.append(f"PRScore is not valid on these {kind} images: the judge cannot read their references.")
    return sentences


def _published(tables: Sequence[Table]) -> list[str]:
    table = next((table for table in tables if table.name == "published"), None)
    if table is None:
        return []
    counts = table.frame["verdict"].str.partition(":")[0].value_counts(sort=False)
    said = ", ".join(f"{word} {n}" for word, n in counts.items())
    return [f"Published numbers beside ours: {said}."]


def _counted(n: int, thing: str, several: str = "") -> str:
    return f"{n} {thing if n == 1 else several or f'{thing}s'}"

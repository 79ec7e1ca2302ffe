"""The tables of a report, in their order."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.results import CellResult, HeldOut
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables import footnotes, scores, subgroups
from prsbench.harness.report.tables.ablations import ablations, ablations_by_modality, t2c_ablation
from prsbench.harness.report.tables.comparisons import comparisons, intervals
from prsbench.harness.report.tables.paper import paper_tables
from prsbench.harness.report.tables.paraphrases import paraphrases
from prsbench.harness.report.tables.published import published_and_reproduced
from prsbench.harness.report.tables.ranks import Rankings, rankings_of, ranks
from prsbench.harness.report.tables.robustness import robustness
from prsbench.harness.report.tables.table import Table
from prsbench.harness.report.tables.text2centroid import held_out_tables
from prsbench.harness.report.tables.tuning import tuning
from prsbench.harness.report.tables.validity import right_and_wrong, validity
from prsbench.harness.report.tables.verdict import verdicts


def tables_of(cells: Sequence[CellResult], held_out: Sequence[HeldOut] = (), rankings: Rankings | None = None) -> list[Table]:
    """Every table that these cells can fill: first those for reading, then `main_long`. rankings: theirs, if already known."""
    rows = rows_of(cells)
    rankings = rankings_of(rows) if rankings is None else rankings
    tables: list[Table | None] = [
        scores.main(rows, [*footnotes.of_not_run(cells), *footnotes.of_few_groups(cells)]),
        scores.overlap_at_half(rows),
        scores.reasoning(rows),
        scores.reasoning_by_modality(rows),
    ]
    tables += [validity(rows), right_and_wrong(rows), scores.prscore_levels(rows), scores.text(rows), paraphrases(rows)]
    tables += [scores.published_protocol(rows), scores.outlines_and_lesions(rows)]
    tables += [intervals(rows), comparisons(rows), ranks(rankings), *(scores.subgroup(rows, name) for name in subgroups.KINDS)]
    tables += [scores.by_family(rows)]
    tables += [verdicts(rows), t2c_ablation(rows), ablations(rows), ablations_by_modality(rows)]
    tables += [robustness(rows, cells), tuning(rows), *held_out_tables(held_out)]
    tables += [*paper_tables(rows), published_and_reproduced(rows)]
    return [*(table for table in tables if table), scores.main_long(rows)]

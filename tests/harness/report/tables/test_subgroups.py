"""Each sample is in one subgroup at most, and the footnote counts them."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
from prsbench.harness.contract.records import Counts, MapMeasures
from prsbench.harness.report.statistics.rows import rows_of, summarise
from prsbench.harness.report.tables.selection import tables_of
from prsbench.harness.report.tables.subgroups import SIZES, Subsets, by_lesion_count, by_size, by_zone

NO_PIXELS = np.zeros(256, np.int64)


def with_facts(refilled, cell, areas, lesions):
    """The cell with true areas (px) and numbers of true lesions in its records."""
    records = tuple(
        replace(
            record,
            counts=Counts(0, 0, area, 64 * 64 - area, NO_PIXELS, NO_PIXELS, NO_PIXELS, NO_PIXELS),
            measures=MapMeasures(nan, nan, nan, nan, nan, nan, (0.0,) * n, 0),
        )
        for record, area, n in zip(cell.records, areas, lesions, strict=True)
    )
    return refilled(cell, records, cell.scores)


def test_terciles_are_of_each_data_set_and_a_failed_record_borrows_its_size_from_another_row(cell, refilled):
    values = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    complete = with_facts(refilled, cell("oracle", values), (10, 20, 30, 40, 50, 60), (1,) * 6)
    rows = rows_of([cell(values=values, failed=(0,)), complete])
    members = by_size(rows)
    assert [members["brain_mri", f"brain_mri/{i:02d}"] for i in range(6)] == ["small"] * 2 + ["medium"] * 2 + ["large"] * 2
    small = summarise(Subsets(members).of(rows[0], SIZES)["small"], "prscore")
    assert (small.value, small.counts.n_failed) == (0.2, 1)


def test_several_lesions_are_told_from_one_and_none_is_in_no_subgroup(cell, refilled):
    rows = rows_of([with_facts(refilled, cell(values=(0.1, 0.2, 0.3)), (10, 10, 0), (1, 3, 0))])
    assert list(by_lesion_count(rows).values()) == ["one lesion", "several"]


def test_zones_are_those_of_the_true_centroid_and_an_empty_truth_has_none(cell):
    rows = rows_of([cell(values=(0.1, 0.2), empty=(1,))])
    assert list(by_zone(rows).values()) == ["top left"]


def test_the_tables_show_every_subgroup_and_say_how_many_samples_each_has(cell, refilled):
    cells = [with_facts(refilled, cell(values=(0.1, 0.2, 0.6)), (10, 20, 30), (1, 1, 2))]
    tables = {table.name: table for table in tables_of(cells)}
    row = tables["by_lesion_size"].frame.iloc[0]
    assert [row[f"{size} PRScore"] for size in ("small", "medium", "large")] == ["0.100", "0.200", "0.600"]
    assert any("small 1, medium 1, large 1" in note for note in tables["by_lesion_size"].footnotes)
    assert tables["by_lesion_count"].frame["several PRScore"][0] == "0.600"
    assert tables["by_zone"].frame["center PRScore"][0] == "-"


def test_an_incomplete_cell_leaves_every_subgroup_without_a_number(cell):
    table = {t.name: t for t in tables_of([cell(), cell(modality="skin_rgb", status="skipped")])}["by_zone"]
    assert (table.frame["top left PRScore"][0], table.frame["mean PRScore"][0]) == ("SKIPPED", "-†")

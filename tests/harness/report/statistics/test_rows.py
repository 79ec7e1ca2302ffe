"""What is averaged with what, and what never is."""

from __future__ import annotations

from math import isnan

import pytest
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.statistics.rows import not_run, rows_of, summarise


def test_the_mean_over_modalities_weighs_them_equally(cell):
    (row,) = rows_of([cell(values=(0.2,)), cell(values=(0.6, 0.8), modality="skin_rgb")])
    assert summarise(row, "prscore").value == pytest.approx((0.2 + 0.7) / 2)
    assert summarise(row, "prscore", "skin_rgb").value == pytest.approx(0.7)


def test_seeds_are_averaged_and_their_spread_is_the_sample_standard_deviation(cell):
    (row,) = rows_of([cell(values=(0.2,)), cell(values=(0.4,), seed=1)])
    score = summarise(row, "prscore")
    assert score.value == pytest.approx(0.3)
    assert score.spread == pytest.approx(0.2 / 2**0.5)


def test_one_seed_has_no_spread(cell):
    assert isnan(summarise(rows_of([cell()])[0], "prscore").spread)


@pytest.mark.parametrize("status", ["failed", "skipped", "missing"])
def test_an_incomplete_cell_leaves_its_row_without_a_mean(cell, status):
    (row,) = rows_of([cell(), cell(modality="skin_rgb", status=status)])
    score = summarise(row, "prscore")
    assert isnan(score.value)
    assert (score.status, score.n_incomplete, score.n_cells) == (status.upper(), 1, 2)
    assert summarise(row, "prscore", "brain_mri").value == pytest.approx(0.6)


def test_a_complete_cell_in_which_every_sample_failed_is_incomplete(cell):
    (row,) = rows_of([cell(failed=(0, 1)), cell(modality="skin_rgb")])
    assert summarise(row, "prscore").status == "FAILED"


def test_a_modality_where_a_metric_is_defined_nowhere_does_not_spoil_the_mean(cell):
    (row,) = rows_of([cell(empty=(0, 1)), cell(modality="skin_rgb", values=(0.3,))])
    assert summarise(row, "prscore").value == pytest.approx(0.3)


def test_a_method_of_which_no_cell_was_begun_is_no_row_and_is_named(cell):
    left_out = [cell("oracle", status="missing"), cell("oracle", modality="skin_rgb", status="missing")]
    begun = [cell(), cell(modality="skin_rgb", status="missing")]
    assert [row.method for row in rows_of([*left_out, *begun])] == ["cg_reasoner"] and not_run([*left_out, *begun]) == ["oracle"]
    assert [row.method for row in rows_of(left_out)] == ["oracle"] and not_run(left_out) == []  # nothing was run


def test_a_data_set_only_others_were_run_on_is_a_missing_cell(cell):
    rows = rows_of([cell(), cell(modality="skin_rgb"), cell("oracle")])
    assert [c.status for c in rows[1].cells] == ["complete", "missing"]
    assert summarise(rows[1], "prscore").status == "MISSING"


def test_synthetic_and_real_cells_of_one_method_are_two_rows(cell):
    rows = rows_of([cell(values=(0.2,)), cell(values=(0.8,), kind=DataKind.REAL)])
    assert [(row.data_kind, summarise(row, "prscore").value) for row in rows] == [("synthetic", 0.2), ("real", 0.8)]


def test_rows_are_gathered_by_prompt_source_then_first_appearance(grid):
    cells = grid()
    methods = [row.method for row in rows_of(cells)]
    assert methods[:2] == ["cg_reasoner", "cg_reasoner_without_t2c"]
    swapped = [c for c in cells if c.method != "cg_reasoner"] + [c for c in cells if c.method == "cg_reasoner"]
    assert [row.method for row in rows_of(swapped)][:2] == ["cg_reasoner_without_t2c", "cg_reasoner"]

"""Comparing two runs: equal runs are the same, a fall is named, and other samples are refused with the difference."""

from dataclasses import replace

import numpy as np
import pytest
from prsbench.harness.contract.errors import DataError
from prsbench.harness.report.tables.run_comparison import compare_runs

BASE = tuple(np.linspace(0.5, 0.9, 12))


def run(cell, shift=0.0, methods=("cg_reasoner", "oracle"), values=BASE, **how):
    return [
        cell(method, tuple(v + shift for v in values), modality, **how)
        for method in methods
        for modality in ("brain_mri", "lung_ct")
    ]


def test_a_run_compared_with_itself_has_no_difference_and_no_regression(cell):
    table, regressions = compare_runs(run(cell), run(cell), 0.0)
    assert not regressions and set(table.frame["difference"]) == {"+0.000"} and set(table.frame["change"]) == {"same"}


def test_a_row_that_fell_is_a_regression_beyond_the_limit_alone(cell):
    table, regressions = compare_runs(run(cell), run(cell, -0.05), 0.02)
    assert any("cg_reasoner: Dice@0.5 0.700 -> 0.650" in text for text in regressions)
    assert compare_runs(run(cell), run(cell, -0.05), 0.06)[1] == []
    assert "worse" in set(table.frame["change"])


def test_a_row_that_rose_is_better_and_no_regression(cell):
    table, regressions = compare_runs(run(cell), run(cell, 0.05), 0.0)
    assert not regressions and "better" in set(table.frame["change"])


def test_a_row_that_failed_in_the_second_run_is_a_regression_with_its_reason(cell):
    second = [replace(c, status="failed", error="out of memory") if c.method == "oracle" else c for c in run(cell)]
    [text] = compare_runs(run(cell), second, 0.5)[1]
    assert text == "oracle: failed on brain_mri in the second run: out of memory"


def test_other_samples_are_refused_and_the_difference_is_shown(cell):
    with pytest.raises(DataError, match=r"brain_mri: 1 samples only in the first run \(brain_mri/11\)"):
        compare_runs(run(cell), run(cell, values=BASE[:-1]), 0.0)


def test_rows_of_one_run_alone_are_named_and_runs_without_a_shared_row_are_refused(cell):
    table, _ = compare_runs(run(cell), run(cell, methods=("oracle", "whole_image")), 0.0)
    assert "Only in the first run: cg_reasoner." in table.footnotes and "Only in the second run: whole_image." in table.footnotes
    with pytest.raises(DataError, match="share no row"):
        compare_runs(run(cell, methods=("oracle",)), run(cell, methods=("whole_image",)), 0.0)


def test_other_questions_or_references_under_the_same_ids_are_refused(cell, refilled):
    second = run(cell)
    records = [replace(record, reference_answer="It is in the bottom right.") for record in second[0].records]
    second[0] = refilled(second[0], records, second[0].scores)
    with pytest.raises(DataError, match="brain_mri: 12 samples differ, such as brain_mri/00"):
        compare_runs(run(cell), second, 0.0)


def test_scores_of_two_judges_are_never_subtracted_and_a_check_cannot_pass_on_them(cell):
    other = [replace(c, judge="another 2") for c in run(cell)]
    table, regressions = compare_runs([replace(c, judge="packaged 1") for c in run(cell)], other, 0.0)
    judged = table.frame[table.frame["metric"] == "PRScore"]
    assert set(judged["difference"]) == {"-"} and len(judged) == 6
    assert sum("PRScore cannot be compared: other judges" in text for text in regressions) == 2 == len(regressions)


def test_a_row_with_other_seeds_cannot_pass_a_check(cell):
    second = [replace(c, seed=1) for c in run(cell)]
    assert all("do not cover the same data sets and seeds" in text for text in compare_runs(run(cell), second, 1.0)[1])
    assert compare_runs(run(cell), second, 1.0)[1]

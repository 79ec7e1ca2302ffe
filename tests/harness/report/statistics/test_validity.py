"""Where PRScore is refused: by the judge's error, by its AUC, and never from too few references."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
from prsbench.harness.report.statistics.rows import rows_of, summarise
from prsbench.harness.report.statistics.validity import NOT_VALID, is_doubtful, why_not_valid
from prsbench.metrics.catalog import METRICS


@pytest.fixture
def judged(cell, refilled):
    """A cell of n samples whose judge has this error and AUC; the mean point's error is 0.4."""

    def make(error, auc=0.95, n=10, **options):
        known = cell(values=(0.8,) * n, **options)
        return refilled(known, known.records, tuple({**s, "judge_error": error, "judge_auc": auc} for s in known.scores))

    return make


def test_prscore_is_valid_where_the_judge_is_better_than_its_mean_point_and_tells_right_from_wrong(judged):
    assert why_not_valid(judged(0.2), "prscore") == ""


def test_a_judge_no_better_than_its_mean_point_that_does_not_tell_right_from_wrong_very_well_makes_it_not_valid(judged):
    text = "judge error 0.400, mean point error 0.400, judge AUC 0.79 on brain_mri (10 references)"
    assert why_not_valid(judged(0.4, auc=0.79), "prscore") == text
    assert why_not_valid(judged(0.4, auc=nan), "prscore")


def test_a_judge_that_reads_the_words_and_places_them_wrongly_is_in_doubt_and_not_refused(judged):
    misplaced = judged(0.5, auc=0.8)
    assert why_not_valid(misplaced, "prscore") == "" and is_doubtful([misplaced], "prscore")


def test_a_judge_that_cannot_tell_right_from_wrong_makes_it_not_valid_however_small_its_error(judged):
    assert why_not_valid(judged(0.2, auc=0.69), "prscore") and not why_not_valid(judged(0.2, auc=0.7), "prscore")


def test_of_fewer_than_ten_references_a_bad_judge_is_in_doubt_and_the_number_stays_but_is_not_ranked(judged):
    few = judged(0.5, n=9)
    score = summarise(rows_of([few])[0], "prscore")
    assert why_not_valid(few, "prscore") == "" and is_doubtful([few], "prscore")
    assert score.value == pytest.approx(0.8) and score.is_doubtful and not score.is_complete


def test_a_mean_that_includes_a_data_set_where_it_is_not_valid_is_not_valid_either(judged):
    row = rows_of([judged(0.5, auc=0.5), judged(0.2, modality="skin_rgb")])[0]
    assert [summarise(row, "prscore", name).status for name in (None, "brain_mri", "skin_rgb")] == [NOT_VALID, NOT_VALID, ""]


def test_only_metrics_that_use_the_judges_points_are_refused(judged):
    refused = {name for name in METRICS if why_not_valid(judged(0.5, auc=0.5), name)}
    levels = {f"prscore_{name}" for name in ("corrected", "chance", "constant", "opposite", "ceiling")}
    assert (
        refused == {"prscore", "s_spatial", "s_vis", "centroid_error_of_text", "direction_undefined", "text_x", "text_y"} | levels
    )


def test_a_run_of_an_older_version_which_has_no_such_numbers_is_not_refused(cell):
    old = cell()
    tallies = {name: tally for name, tally in old.summary.tallies.items() if name in ("prscore", "dice@0.5")}
    assert why_not_valid(replace(old, summary=replace(old.summary, tallies=tallies)), "prscore") == ""

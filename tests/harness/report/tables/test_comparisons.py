"""Which rows are held against which, and how sure their numbers are."""

from __future__ import annotations

import numpy as np
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.comparisons import comparisons, intervals


def test_rows_are_compared_within_a_prompt_source_and_with_blind_floors_alone(grid):
    table = comparisons(rows_of(grid()))
    pairs = set(zip(table.frame["method"], table.frame["against"], strict=True))
    assert pairs == {
        ("cg_reasoner", "cg_reasoner_without_t2c"),
        *((name, "whole_image") for name in ("cg_reasoner", "cg_reasoner_without_t2c")),
        *((name, "whole_image") for name in ("lite_medsam_oracle_box", "lite_medsam_jittered_box")),
    }


def prscore_lines(cells):
    """The lines of PRScore in the comparisons, by (method, against)."""
    frame = comparisons(rows_of(cells)).frame
    return frame[frame["metric"] == "PRScore"].set_index(["method", "against"])


def test_with_three_trainings_a_clear_difference_has_a_small_p_value_and_none_has_a_p_value_of_1(cell):
    values = [tuple(0.5 + 0.01 * i + 0.001 * seed for i in range(12)) for seed in range(3)]
    names = ("cg_reasoner", "cg_reasoner_without_t2c")
    rows = [cell(name, of_seed, seed=seed) for name in names for seed, of_seed in enumerate(values)]
    lines = prscore_lines([*rows, *(cell("whole_image", (0.1,) * 12, seed=seed) for seed in range(3))])
    clear, none = lines.loc["cg_reasoner", "whole_image"], lines.loc["cg_reasoner", "cg_reasoner_without_t2c"]
    assert (clear["difference"], clear["trainings"], clear["groups"], clear["rank-biserial"]) == ("+0.456", "3", "12", "+1.00")
    assert clear["p"] == "<0.0001"
    assert (none["difference"], none["p"]) == ("+0.000", "1.0000")


def test_one_training_a_side_has_an_interval_for_these_trainings_and_no_p_value(cell):
    values = tuple(np.random.default_rng(0).random(12))
    cells = [
        cell(values=values),
        cell("cg_reasoner_without_t2c", tuple(0.9 * v for v in values)),
        cell("whole_image", (0.1,) * 12),
    ]
    lines = prscore_lines(cells)
    assert (lines["p"] == "-").all() and (lines["trainings"] == "1").all() and (lines["95% low"] != "-").all()
    notes = comparisons(rows_of(cells)).footnotes
    assert sum(note.startswith("One training a side") for note in notes) == 1
    assert any("12 groups and 1 training a side" in note and "Position acc." in note for note in notes)


def test_rows_that_nobody_trained_are_tested_with_one_seed(cell):
    rng = np.random.default_rng(0)
    line = prscore_lines([cell("lite_medsam_oracle_box", tuple(rng.random(12))), cell("whole_image", (0.1,) * 12)]).iloc[0]
    assert line["p"] == "0.0021" and line["trainings"] == "-"


def test_the_numbers_of_a_comparison_are_those_computed_by_hand(cell):
    first, second = (0.9, 0.6, 0.8, 0.7, 0.5, 0.9, 0.7, 0.8), (0.7, 0.5, 0.7, 0.7, 0.4, 0.6, 0.8, 0.6)
    line = prscore_lines([cell("lite_medsam_oracle_box", first), cell("whole_image", second)]).iloc[0]
    # differences .2 .1 .1 0 .1 .3 -.1 .2: mean .1125, sd .12464, jackknife standard error .12464 / sqrt(7) = .04711, t(7) 2.3646
    assert line[["difference", "95% low", "95% high", "d_z", "groups"]].tolist() == ["+0.113", "+0.001", "+0.224", "+0.90", "8"]
    assert (line["p"], line["resolves"]) == ("0.0483", "0.154")  # (2.3646 + 0.8960) * .04711


def test_runs_over_different_manifests_refuse_to_pair(cell):
    frame = comparisons(rows_of([cell(), cell("cg_reasoner_without_t2c", values=(0.5,))])).frame
    assert frame["remark"].str.contains("manifests differ").all()
    assert (frame[["difference", "p", "d_z"]] == "-").all(axis=None)


def test_the_interval_surrounds_the_mean_of_the_main_table_with_the_number_of_groups_and_trainings(cell):
    line = intervals(rows_of([cell(values=tuple(0.1 * i for i in range(1, 10)))])).frame.iloc[0]
    mean, low, high = line["mDice"].replace("[", "").replace("]", "").replace(",", "").split()
    assert mean == "0.500" and 0.2 <= float(low) < 0.5 < float(high) <= 0.8
    assert (line["groups"], line["trainings"], line["remark"]) == ("9", "1", "-")


def test_fewer_than_eight_groups_are_named_beside_the_interval(cell):
    line = intervals(rows_of([cell(values=(0.2, 0.4, 0.6, 0.8))])).frame.iloc[0]
    assert line["mDice"].startswith("0.500 [") and line["remark"] == "too few groups (brain_mri 4)"


def test_an_accuracy_of_1_has_an_interval_below_it(cell):
    line = intervals(rows_of([cell(values=(1.0,) * 16)])).frame.iloc[0]
    assert line["Position acc."] == "1.000 [0.757, 1.000]"  # 0.9 - 2.131 * sqrt(0.004527): two groups of 0 and two of 1 are added


def test_an_incomplete_row_has_no_interval_but_a_reason(cell):
    frame = intervals(rows_of([cell(), cell(modality="skin_rgb", status="failed", error="boom")])).frame
    assert (frame["mDice"][0], frame["remark"][0]) == ("-", "failed on skin_rgb, seed 0")


def test_an_interval_without_lost_samples_states_how_many_were_lost(cell):
    frame = intervals(rows_of([cell(values=(*(0.4,) * 8, 9.0), failed=(8,))])).frame
    assert frame["mDice"][0].startswith("0.400 [") and frame["remark"][0] == "1 failed"


def test_of_very_many_rows_only_the_first_of_each_ranking_is_compared_with_the_others_with_a_note_in_the_table(cell, monkeypatch):
    rows = rows_of([cell(name, (0.1, 0.2)) for name in ("cg_reasoner", "cg_reasoner_without_t2c", "whole_image")])
    every = comparisons(rows)
    monkeypatch.setattr("prsbench.harness.report.tables.comparisons.MOST_PAIRS", 2)
    bounded = comparisons(rows)
    pairs = [set(zip(table.frame["method"], table.frame["against"], strict=True)) for table in (every, bounded)]
    assert pairs[0] - pairs[1] == {("cg_reasoner_without_t2c", "whole_image")}
    assert not any("More than 2 pairs" in note for note in every.footnotes)
    assert any("More than 2 pairs" in note for note in bounded.footnotes)


def test_a_judge_that_cannot_read_leaves_no_number_of_prscore_but_the_reason(cell, refilled):
    def misread(method):
        values = tuple(np.linspace(0.1, 0.9, 12))
        of_method = cell(method, values)
        scores = [{**score, "judge_error": 0.5, "judge_auc": 0.5} for score in of_method.scores]
        return refilled(of_method, of_method.records, scores)

    rows = rows_of([misread("cg_reasoner"), misread("whole_image")])
    line = intervals(rows).frame.iloc[0]
    assert line["PRScore"] == "not valid here" and "error 0.500" in line["remark"] and line["mDice"].startswith("0.500 [")
    frame = comparisons(rows).frame.set_index("metric")
    assert frame.loc["PRScore", "difference"] == "-" and "not valid here" in frame.loc["PRScore", "remark"]
    assert frame.loc["mDice", "difference"] == "+0.000"

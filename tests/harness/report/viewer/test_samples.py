"""Rows, samples and scores of the viewer."""

from math import isnan, nan

import numpy as np
import pytest
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.viewer.samples import NO_POINTS, labels_of, shown_of
from prsbench.metrics.catalog import METRICS


def test_every_sample_of_every_row_is_there_with_its_own_scores(cell):
    shown = shown_of([cell("cg_reasoner", (0.5, 0.7)), cell("oracle", (0.9, 1.0))])
    assert [row.id for row in shown.rows] == ["cg_reasoner", "oracle"]
    assert [sample.facts.sample_id for sample in shown.samples] == ["brain_mri/00", "brain_mri/01"]
    assert shown.scores["dice@0.5"].tolist() == [[0.5, 0.7], [0.9, 1.0]]


def test_records_in_another_order_keep_their_scores(cell, refilled):
    first, other = cell("cg_reasoner", (0.1, 0.2, 0.3)), cell("oracle", (0.4, 0.5, 0.6))
    turned = refilled(other, other.records[::-1], other.scores[::-1])
    shown = shown_of([first, turned])
    assert shown.scores["dice@0.5"].tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    assert [sample.outcomes[1].number for sample in shown.samples] == [2, 1, 0]


def test_a_failed_sample_has_its_error_and_no_number(cell):
    shown = shown_of([cell(values=(0.5, 0.7), failed=(1,))])
    outcome = shown.samples[1].outcomes[0]
    assert (outcome.status, outcome.text) == ("failed", "RuntimeError: out of memory")
    assert isnan(shown.scores["dice@0.5"][0, 1])


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_row_that_did_not_run_is_shown_with_its_reason_on_every_sample(cell, status):
    lost = cell("oracle", status=status, error="no weights\nand more").without_numbers()
    shown = shown_of([cell(), lost])
    assert {sample.outcomes[1][:2] for sample in shown.samples} == {(f"row {status}", "no weights")}
    assert np.isnan(shown.scores["dice@0.5"][1]).all()


def test_a_method_that_was_not_run_is_named_and_one_that_was_begun_is_a_row(cell):
    missing = {"status": "missing", "error": "not run yet"}
    cells = [cell(), cell(modality="lung_ct", **missing).without_numbers(), cell("oracle", **missing).without_numbers()]
    shown = shown_of([*cells, cell("whole_image", modality="lung_ct")])
    assert [row.id for row in shown.rows] == [
        "cg_reasoner",
        "whole_image",
    ] and "Not run, and so without a row: oracle." in shown.notes
    assert {s.outcomes[0][:2] for s in shown.samples if s.dataset == "lung_ct"} == {("row missing", "not run yet")}


def test_a_sample_that_one_row_lacks_is_not_lost(cell):
    shown = shown_of([cell("cg_reasoner", (0.5,)), cell("oracle", (0.9, 1.0))])
    assert [sample.outcomes[0].status for sample in shown.samples] == ["ok", "no record"]


def test_seeds_are_rows_of_their_own_and_one_seed_is_not_named(cell):
    cells = [cell(seed=0), cell(values=(0.1, 0.2), seed=3), cell("oracle")]
    shown = shown_of(cells)
    assert [row.id for row in shown.rows] == ["cg_reasoner, seed 0", "cg_reasoner, seed 3", "oracle"]
    assert shown.scores["dice@0.5"][1].tolist() == [0.1, 0.2]


def test_synthetic_and_real_samples_never_share_a_row(cell):
    shown = shown_of([cell(dataset="drawn"), cell(dataset="real", kind=DataKind.REAL)])
    assert [row.id for row in shown.rows] == ["cg_reasoner, synthetic", "cg_reasoner, real"]
    assert {sample.outcomes[1].status for sample in shown.samples if sample.dataset == "drawn"} == {"not of this row"}


def test_a_metric_without_any_number_is_left_out(cell, refilled):
    plain = cell()
    shown = shown_of([refilled(plain, plain.records, [{**s, "hd95_mm": nan} for s in plain.scores])])
    assert "hd95_mm" not in shown.scores and "hd95_px" in shown.scores


def test_a_rule_for_empty_masks_that_changes_nothing_is_left_out(cell, refilled):
    plain = cell()
    changed = [{**s, "dice@0.5[empty=1]": 1.0 if i else s["dice@0.5"]} for i, s in enumerate(plain.scores)]
    shown = shown_of([refilled(plain, plain.records, changed)])
    assert "dice@0.5[empty=1]" in shown.scores and "dice@0.5[empty=0]" not in shown.scores


def test_scores_of_a_judge_that_cannot_read_the_data_are_not_shown(cell, refilled):
    plain = cell(values=(0.5,) * 12)
    blind = refilled(plain, plain.records, [{**s, "judge_auc": 0.5, "judge_error": 0.9} for s in plain.scores])
    shown = shown_of([blind])
    assert "prscore" not in shown.scores and "dice@0.5" in shown.scores
    assert any("PRScore of cg_reasoner: not valid here" in note for note in shown.notes)


def test_no_record_at_all_is_an_error_and_not_an_empty_page(cell):
    with pytest.raises(RunFolderError, match="No row has a record"):
        shown_of([cell(status="failed", error="boom").without_numbers()])


def test_a_row_discloses_what_it_was_given(cell):
    labels = dict(labels_of(shown_of([cell("lite_medsam_oracle_box")]).rows[0]))
    assert labels["prompt source"] == "oracle box" and labels["weights"] == "packaged checkpoint"
    assert labels["text source"] == "templated from own mask" and labels["protocol"] == "native size"


def test_a_run_without_points_says_so(cell, refilled):
    plain = cell()
    old = refilled(plain, plain.records, [{**s, "text_x": nan, "text_y": nan} for s in plain.scores])
    assert NO_POINTS in shown_of([old]).notes and NO_POINTS not in shown_of([plain]).notes


def test_all_metrics_of_the_catalog_can_be_sorted_by(cell):
    names = set(shown_of([cell()]).scores)
    assert names == {name for name in METRICS if "[" not in name} - {"answer_accuracy", "answer_constant"}  # of families alone

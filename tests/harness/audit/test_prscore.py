"""The audit of PRScore: the judge gives the tables' number, and its page shows what the choice of judge changes."""

from dataclasses import replace
from math import isfinite, isnan, nan

import numpy as np
import pytest
from engine_stand_ins import REGISTRY
from prsbench.harness.audit import prscore as audit
from prsbench.harness.audit.prscore import EVALUATION, OWN, RULE, WEIGHTS, Variant, agreement_of_order, audit_prscore
from prsbench.harness.audit.prscore_page import write_page
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.engine.inspect.results import results
from prsbench.metrics.text.prscore import EQUAL


@pytest.fixture(scope="module")
def rows(finished):
    return {row.method: row for row in audit_prscore(finished, REGISTRY)}


def test_the_evaluation_judge_gives_the_number_of_the_tables(finished, rows):
    for name, row in rows.items():
        means = [np.nanmean([s["prscore"] for s in cell.scores]) for cell in results(finished) if cell.method == name]
        assert row.mean(EVALUATION) == pytest.approx(np.mean(means))


def test_the_judge_a_method_was_trained_with_is_found_in_the_run(rows):
    assert isfinite(rows["trained"].mean(OWN))
    assert rows["trained"].circularity_gap == pytest.approx(0)  # stand-in judges are the same whatever they were trained on


def test_parts_weighted_alone_average_to_the_score(rows):
    for row in rows.values():
        alone = [row.mean(EVALUATION, "both", weights) for weights in WEIGHTS[-3:]]
        assert np.mean(alone) == pytest.approx(row.mean(EVALUATION))


def test_references_the_rule_parser_cannot_read_are_counted_and_leave_no_number(rows):
    assert (rows["echo"].n_unplaced, rows["echo"].n) == (10, 10)  # "At the left of ..." names half an image
    assert isnan(rows["echo"].mean(RULE))


def test_a_score_that_does_not_vary_has_no_correlation(rows):
    assert isnan(rows["echo"].spearman_dice)


def test_without_a_method_that_has_a_t2c_there_is_no_gap(finished, monkeypatch):
    monkeypatch.setattr(audit, "_own_t2c", lambda *_: None)
    assert all(isnan(row.circularity_gap) for row in audit_prscore(finished, REGISTRY))


def test_the_page_shows_every_row_and_warns_of_judges_that_know_nothing(rows, tmp_path):
    page, table = write_page(list(rows.values()), ["RANDOM sentence encoder"], tmp_path)
    text = page.read_text()
    assert all(name in text for name in rows) and "**RANDOM sentence encoder**" in text
    assert len(table.read_text().splitlines()) == 1 + 3 * sum(1 for _ in audit.variants([EVALUATION, OWN, RULE]))


def test_a_run_without_a_complete_cell_is_refused(finished, monkeypatch):
    failed = [replace(cell, status="failed") for cell in results(finished)]
    monkeypatch.setattr(audit, "results", lambda run: failed)
    with pytest.raises(RunFolderError, match="no complete cell"):
        audit_prscore(finished, REGISTRY)


def test_the_chance_of_the_page_is_the_level_of_the_tables(finished, rows):
    for name, row in rows.items():
        means = [np.nanmean([s["prscore_chance"] for s in cell.scores]) for cell in results(finished) if cell.method == name]
        assert row.chance == pytest.approx(np.mean(means))


def test_a_choice_that_reverses_the_order_of_rows_is_reported_first(rows, tmp_path):
    published, turned = Variant(EVALUATION, "both", EQUAL), Variant(RULE, "distance", EQUAL)
    made = [
        replace(row, method=f"row {i}", means={published: value, turned: -value, Variant(OWN, "both", EQUAL): 2 * value})
        for i, (row, value) in enumerate(zip([rows["trained"]] * 3, (0.3, 0.5, 0.9), strict=True))
    ]
    assert agreement_of_order(made, published, turned) == (pytest.approx(-1), 2)
    assert agreement_of_order(made, published, Variant(OWN, "both", EQUAL)) == (pytest.approx(1), 0)
    page = write_page(made, [], tmp_path)[0].read_text()
    assert page.index("rule parser, distance, 1:1:1") < page.index("own T2C, both, 1:1:1") and "2 of 3" in page


def test_rank_correlation_by_pencil():
    assert audit._spearman(np.array([1.0, 2, 3, nan]), np.array([10.0, 30, 20, 5])) == pytest.approx(0.5)

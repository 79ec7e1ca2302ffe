"""Published beside reproduced: every published number appears, and only a comparable one can be a match."""

from dataclasses import replace

import pytest
from prsbench.harness.contract.types import DataKind, Labels, PromptSource, TextSource, Weights
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.published import published_and_reproduced, published_numbers

OFFICIAL = Labels(PromptSource.QUESTION, Weights.OFFICIAL, TextSource.GENERATED)
AROUND = (-0.02, -0.01, 0.0, 0.01, 0.02)  # the mean of five groups is the middle


def line_of(table, method, modality="lung_xray", metric="mDice"):
    frame = table.frame
    found = frame[(frame["row"] == method) & (frame["modality"] == modality) & (frame["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def official(cell, value, kind=DataKind.UNDECLARED, **changes):
    values = tuple(value + step for step in AROUND)
    one = cell("prs_med_official", values, "lung_xray", kind=kind)
    return replace(one, labels=OFFICIAL, **changes)


def test_every_published_number_appears_with_its_source_even_if_nothing_was_run(cell):
    frame = published_and_reproduced(rows_of([cell("oracle", (1.0,))])).frame
    assert len(frame) == len(published_numbers()) and set(frame["verdict"]) == {"not run"}
    assert (frame["source"].str.len() > 5).all()


def test_both_lisa_13b_brain_figures_stand(cell):
    both = [n.value for n in published_numbers() if (n.method, n.modality, n.metric) == ("lisa_13b", "brain_mri", "mdice_pranet")]
    assert both == [0.866, 0.124]


def test_a_published_number_inside_our_interval_is_a_match_and_one_outside_is_off(cell):
    assert line_of(published_and_reproduced(rows_of([official(cell, 0.969)])), "prs_med_official")["verdict"] == "match"
    off = line_of(published_and_reproduced(rows_of([official(cell, 0.80)])), "prs_med_official")
    assert off["verdict"] == "off" and float(off["difference"]) == pytest.approx(0.80 - 0.969)


@pytest.mark.parametrize(
    ("kind", "labels", "reason"),
    [
        (DataKind.SYNTHETIC, OFFICIAL, "synthetic"),
        (DataKind.REAL, OFFICIAL, "another test set"),
        (DataKind.UNDECLARED, replace(OFFICIAL, weights=Weights.TRAINED_HERE), "another size"),
        (DataKind.UNDECLARED, replace(OFFICIAL, weights=Weights.IMPORTED, notes=("paper size",)), "other weights"),
    ],
)
def test_a_number_that_agrees_by_chance_is_never_called_a_reproduction(cell, kind, labels, reason):
    one = replace(official(cell, 0.969, kind), labels=labels)
    found = line_of(published_and_reproduced(rows_of([one])), "prs_med_official")
    assert found["verdict"].startswith("not comparable") and reason in found["verdict"]


def test_a_training_of_the_papers_size_on_the_official_data_can_match(cell):
    labels = replace(OFFICIAL, weights=Weights.TRAINED_HERE, notes=("paper size",))
    one = replace(official(cell, 0.969), labels=labels)
    assert line_of(published_and_reproduced(rows_of([one])), "prs_med_official")["verdict"] == "match"


def test_prscore_is_never_comparable_because_the_published_judge_was_not_released(cell):
    table = published_and_reproduced(rows_of([official(cell, 0.697)]))
    assert "another judge" in line_of(table, "prs_med_official", metric="PRScore")["verdict"]


def test_a_row_that_failed_has_no_number_and_a_reason(cell):
    failed = replace(official(cell, 0.9), status="failed", error="out of memory")
    found = line_of(published_and_reproduced(rows_of([failed])), "prs_med_official")
    assert found["ours"] == "FAILED" and found["verdict"] == "no number: FAILED"

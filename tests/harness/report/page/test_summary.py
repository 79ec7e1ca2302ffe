"""The summary in sentences: what was compared, who leads, whether that is more than noise, what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.report.page.summary import summary_of
from prsbench.harness.report.tables.selection import tables_of


def ladder(cell, n=12, **offsets):
    """Cells of rows whose values differ by a constant, over 12 patients in every modality."""
    rng = np.random.default_rng(0)
    values = {modality: rng.uniform(0.3, 0.7, n) for modality in MODALITIES}
    return [
        cell(method, tuple((values[modality] + offset).tolist()), modality)
        for method, offset in offsets.items()
        for modality in MODALITIES
    ]


def leaders(cells):
    return {title.partition(":")[0]: sentences for title, sentences in summary_of(cells, []).leaders.items()}


def test_a_lead_that_every_patient_confirms_is_more_than_noise(cell):
    (first, *_) = leaders(ladder(cell, cg_reasoner=0.1, cg_reasoner_without_t2c=0.0))["Prompt source question"]
    assert "cg_reasoner leads with" in first and "0.100 before cg_reasoner_without_t2c" in first
    assert "more than the noise" in first and "first in 100 % of resamples" in first
    assert "Each has one training" in first


def test_a_lead_that_resampling_may_turn_is_called_noise(cell):
    rng = np.random.default_rng(3)
    cells = [
        cell(method, tuple(rng.uniform(0.3, 0.7, 8).tolist()), modality)
        for method in ("cg_reasoner", "cg_reasoner_without_t2c")
        for modality in MODALITIES
    ]
    (first, *_) = leaders(cells)["Prompt source question"]
    assert "This may be noise" in first


def test_equal_rows_share_the_lead_and_are_compared_with_the_next(cell):
    names = {"lite_medsam_oracle_box": 0.0}
    (first, *_) = leaders(ladder(cell, cg_reasoner=0.0, cg_reasoner_without_t2c=0.0, **names))["Prompt source question"]
    assert "cg_reasoner and cg_reasoner_without_t2c are equal" in first


def test_rows_of_other_prompt_sources_are_not_rivals(cell):
    found = leaders(ladder(cell, cg_reasoner=0.0, lite_medsam_oracle_box=0.2))
    assert list(found) == ["Prompt source question", "Prompt source oracle box"]
    assert all("Fewer than two rows can be ranked" in one for sentences in found.values() for one in sentences)


def test_a_row_below_the_best_blind_row_is_named(cell):
    more = summary_of(ladder(cell, cg_reasoner=-0.1, cg_reasoner_without_t2c=0.1, whole_image=0.0), []).more
    assert more[0].startswith("mDice: whole_image, which sees no image, has")
    assert more[0].endswith("not above it: cg_reasoner.")


def test_what_was_compared_is_counted_and_what_failed_is_listed(cell):
    cells = [cell(), cell("oracle", status="failed", error="boom")]
    found = summary_of(cells, tables_of(cells))
    assert found.compared == "1 row and 1 floor or ceiling on 1 synthetic data set (Brain MRI) with 2 test samples, seed 0."
    assert any("FAILED: boom" in line for line in found.missing)
    assert any(line.startswith("Published numbers beside ours: ") and "not comparable 3" in line for line in found.more)


def test_where_the_judge_cannot_read_the_references_the_summary_says_so(cell, refilled):
    known = cell(values=(0.8,) * 12)
    cells = [refilled(known, known.records, tuple({**s, "judge_auc": 0.5} for s in known.scores))]
    found = summary_of(cells, [])
    assert any(line.startswith("PRScore is not valid on these synthetic images") for line in found.more)
    assert "PRScore: cg_reasoner not valid here" in found.leaders[next(iter(found.leaders))][1]


@pytest.mark.parametrize("tables", [[], None])
def test_a_run_without_cells_says_so(tables):
    assert summary_of([], tables or []).compared == "This run has no cells."

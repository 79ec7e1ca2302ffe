"""Variants compared with their parent."""

import numpy as np
import pytest
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.ablations import ablations, ablations_by_modality, t2c_ablation

VARIANT = "cg_reasoner@bridge=none"


def frame_of(cells, metric="PRScore"):
    frame = ablations(rows_of(cells)).frame
    return frame[frame["metric"] == metric].iloc[0]


def three_seeds(cell, method, values_by_seed):
    return [cell(method, values, seed=seed) for seed, values in enumerate(values_by_seed)]


def test_a_variant_is_compared_with_the_row_of_its_name_without_the_change(cell):
    parent = three_seeds(cell, "cg_reasoner", [(0.6, 0.8) * 4] * 3)
    variant = three_seeds(cell, VARIANT, [(0.5, 0.6) * 4, (0.6, 0.7) * 4, (0.4, 0.8) * 4])
    line = frame_of([*parent, *variant])
    assert (line["parent"], line["change"], line["without"], line["with"]) == ("cg_reasoner", "bridge=none", "0.700", "0.600")
    assert line["difference"] == "-0.100"
    assert line["sd over seeds"] == "0.050"  # of -0.15, -0.05, -0.10
    assert float(line["95% low"]) <= -0.1 <= float(line["95% high"])


def test_without_its_parent_a_variant_has_no_line(cell):
    assert ablations(rows_of([cell(VARIANT), cell("oracle")])) is None
    assert ablations_by_modality(rows_of([cell("cg_reasoner"), cell("oracle")])) is None


def test_every_modality_has_a_line(cell):
    cells = [
        cell(method, (value,) * 3, modality)
        for method, value in (("cg_reasoner", 0.5), (VARIANT, 0.7))
        for modality in ("brain_mri", "skin_rgb")
    ]
    frame = ablations_by_modality(rows_of(cells)).frame
    assert frame[frame["metric"] == "PRScore"]["modality"].tolist() == ["brain", "skin"]
    assert set(frame["difference"]) == {"+0.200"} and set(frame["sd over seeds"]) == {"-"}


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_variant_that_is_not_complete_has_a_reason_and_no_number(cell, status):
    line = frame_of([cell(), cell(VARIANT, status=status, error="boom")])
    assert line["difference"] == "-" and line["remark"] == f"{VARIANT}: {status} on brain_mri, seed 0"


def test_a_variant_that_was_not_run_is_no_row_and_so_no_line(cell):
    assert ablations(rows_of([cell(), cell(VARIANT, status="missing", error="left out by --only")])) is None


def test_several_trainings_widen_the_interval_and_one_is_named(cell):
    values = np.random.default_rng(0).random(12)
    shifted = [tuple(values + shift) for shift in (0.1, -0.1, 0.03)]
    parent, variant = three_seeds(cell, "cg_reasoner", [tuple(values)] * 3), three_seeds(cell, VARIANT, shifted)
    line, alone = frame_of([*parent, *variant]), frame_of([parent[0], variant[0]])
    assert (line["trainings"], alone["trainings"]) == ("3", "1")
    assert float(line["95% low"]) < 0 < float(line["95% high"]) and alone["95% low"] == "+0.100"
    notes = [ablations(rows_of(cells)).footnotes for cells in ([*parent, *variant], [parent[0], variant[0]])]
    assert [any("One training a side" in note for note in of_table) for of_table in notes] == [False, True]


def test_the_text2centroid_ablation_says_what_one_training_cannot_tell(cell):
    values = tuple(np.random.default_rng(0).random(12))
    table = t2c_ablation(rows_of([cell(values=values), cell("cg_reasoner_without_t2c", values[::-1])]))
    assert any("One training a side" in note for note in table.footnotes)
    assert any("12 groups and 1 training a side" in note for note in table.footnotes)

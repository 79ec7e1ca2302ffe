"""Verdicts by the rule: a planted effect is seen, none is refuted where there is enough data, and the rest is open."""

from dataclasses import replace

import numpy as np
import pytest
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.report.statistics.means_and_differences import PairedDifference
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.verdict import RULE, verdict, verdicts

WITH, WITHOUT = "cg_reasoner@bridge=sampled", "cg_reasoner@bridge=none"


def grid_of(cell, effect, *, seeds=5, images=100, modalities=MODALITIES, spread=0.0, level=0.8):
    """Two rows whose answers are right at random; in the first, `effect` more of them are. spread: between trainings."""
    rng = np.random.default_rng(0)
    cells = []
    for modality in modalities:
        ease = rng.uniform(0, 1, images)  # the same images are hard for both
        for seed in range(seeds):
            for method, gain in ((WITHOUT, 0.0), (WITH, effect)):
                right = level + gain + spread * rng.standard_normal()
                cells.append(cell(method, tuple((ease < right).astype(float)), modality, seed=seed))
    return rows_of(cells)


def words(table, metric="Position acc."):
    frame = table.frame
    return frame[frame["metric"].str.startswith(metric)]["verdict"].tolist()


def test_a_planted_effect_of_eight_points_is_seen_and_found_at_its_size(cell):
    table = verdicts(grid_of(cell, 0.08, spread=0.01))
    assert words(table) == ["seen: better"]
    assert float(table.frame["difference"].iloc[0]) == pytest.approx(0.08, abs=0.02)


def test_a_planted_harm_is_seen_as_worse_and_a_smaller_error_as_better(cell):
    assert words(verdicts(grid_of(cell, -0.08, spread=0.01))) == ["seen: worse"]
    assert words(verdicts(grid_of(cell, -0.08, spread=0.01)), "Text centroid error") == ["seen: better"]


def test_no_effect_is_refuted_where_trainings_agree_and_images_are_many(cell):
    assert words(verdicts(grid_of(cell, 0.0, images=150, spread=0.004))) == ["refuted"]


def test_no_effect_among_trainings_that_differ_is_open_and_names_the_seeds_that_would_settle_it(cell):
    (said,) = words(verdicts(grid_of(cell, 0.0, spread=0.08)))
    assert said.startswith("open: ") and ("seeds would settle it" in said or "is neither" in said or "more images" in said)


@pytest.mark.parametrize(("seeds", "images"), [(4, 100), (5, 40)])
def test_fewer_seeds_or_images_than_the_rule_asks_for_give_no_verdict(cell, seeds, images):
    (said,) = words(verdicts(grid_of(cell, 0.2, seeds=seeds, images=images)))
    assert said == f"open: the rule asks for 5 seeds and 100 images, got {seeds} and {images}"


@pytest.mark.parametrize(
    ("difference", "low", "high", "expected"),
    [
        (0.03, 0.001, 0.059, "seen: better"),
        (0.029, 0.001, 0.057, "open: a difference between 0.02 and 0.03 is neither, with any number of seeds"),
        (0.05, -0.001, 0.101, "open: if the difference stays, more images are needed"),
        (0.0, -0.02, 0.02, "refuted"),
        (0.01, -0.001, 0.021, "open: if the difference stays, more images are needed"),
        (-0.04, -0.07, -0.01, "seen: worse"),
    ],
)
def test_the_rule_at_its_bounds(difference, low, high, expected):
    paired = PairedDifference(difference=difference, low=low, high=high, n_seeds=5)
    assert verdict("position_accuracy", paired, 100) == expected


def test_a_comparison_that_was_refused_is_open_with_its_reason():
    assert verdict("position_accuracy", PairedDifference(reason="failed on brain_mri, seed 0"), 100).endswith("seed 0")


def test_rows_are_paired_with_the_one_that_differs_by_having_no_effect(cell):
    names = [f"cg_reasoner@losses.alignment_weight={a},losses.spatial_weight={s}" for a in (0.0, 0.5) for s in (0.0, 2.0, 8.0)]
    table = verdicts(rows_of([cell(name, (0.0, 1.0, 1.0), seed=seed) for name in names for seed in (0, 1)]))
    found = table.frame[table.frame["metric"].str.startswith("Position")][["with", "without"]].to_numpy().tolist()
    assert found == [
        [f"losses.alignment_weight={a},losses.spatial_weight={s}", f"losses.alignment_weight={a},losses.spatial_weight=0.0"]
        for a in (0.0, 0.5)
        for s in (2.0, 8.0)
    ]
    assert table.caption == RULE
    assert any(note.startswith("4 pairs, each judged by itself") for note in table.footnotes)


def test_a_single_pair_has_no_note_about_several(cell):
    table = verdicts(grid_of(cell, 0.0, seeds=2, images=4))
    assert "Numbers are means over modalities." in table.footnotes
    assert not any("pairs" in note for note in table.footnotes)


def test_a_run_without_such_rows_has_no_verdicts(cell):
    assert verdicts(rows_of([cell("cg_reasoner"), cell("oracle")])) is None
    lonely = [replace(cell("cg_reasoner"), method=WITHOUT)]
    assert verdicts(rows_of(lonely)) is None

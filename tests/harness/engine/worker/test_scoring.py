"""Which judge scores a run: shipped without a training, trained on val, or the rule parser; each with its own scores and name."""

import pytest
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker.scoring import scoring_identity


@pytest.fixture
def judged_by(stand_ins, data_root, tmp_path):
    def run(judge, folder="run"):
        lines = []
        grid = stand_ins.make_grid(data_root, ["bright"], more={"judge": judge})
        return run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / folder), lines.append, "serial"), lines

    return run


def test_a_shipped_judge_scores_without_any_training(judged_by):
    run, _ = judged_by("packaged")
    assert run.plan.trainings == {}
    assert {cell.judge for cell in results(run)} == {"stand-ins"}
    assert all(cell.scores for cell in results(run))


def test_the_parser_judge_has_its_own_points_and_name(judged_by):
    by = {judge: results(judged_by(judge, judge)[0]) for judge in ("packaged", "parser")}
    assert {cell.judge.partition(",")[0] for cell in by["parser"]} == {"parser 1"}
    first, second = ([row["s_spatial"] for cell in cells for row in cell.scores] for cells in by.values())
    assert first != second


def test_another_judge_scores_the_stored_predictions_again_and_no_method_runs(judged_by):
    judged_by("packaged")
    run, lines = judged_by("parser")
    assert any("2 to re-score from their stored predictions" in line for line in lines), lines
    assert {cell.judge.partition(",")[0] for cell in results(run)} == {"parser 1"}
    assert judged_by("parser")[1][1].startswith("2 cells, 2 of them finished before.")


def test_a_run_folder_says_which_judge_it_has(judged_by, tmp_path):
    judged_by("parser")
    run = open_run(tmp_path / "run")
    assert run.setting.judge == "parser"
    assert scoring_identity(run.setting)["text_models_digest"] is None, "there is nothing to train"


def test_a_judge_trained_on_val_is_a_training_of_the_run(judged_by):
    run, _ = judged_by("val")
    assert [node.split for node in run.plan.trainings.values()] == ["val"]

"""Every row gets as many tries and as much time; val decides, and its numbers are never shown as results."""

import csv
from math import isnan

import pytest
from prsbench.harness.contract.catalog import Catalog
from prsbench.harness.contract.errors import ConfigError, PrsbenchError, RunFolderError
from prsbench.harness.engine.driver.tuning import epochs_within, tune
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import grid_of, open_run
from prsbench.harness.engine.inspect.tuning import FINAL, HEADER, SCREENING, Tried, chosen, tuning_text, write_tuning
from prsbench.harness.engine.plan.choices import Registry
from prsbench.harness.engine.plan.tuning import LORA, RATES, Try, TuningGrid, finals_of, tries_of, tuning_grid
from prsbench.harness.engine.store.run_folder import RunFolder


@pytest.fixture
def registry(stand_ins):
    names = {"plain": "LearnerConfig", "adapted": "AdapterConfig"}
    rows = [stand_ins.entry(n, "stand_in_learners:Learner", f"stand_in_learners:{c}", trains=True) for n, c in names.items()]
    bright = stand_ins.entry("bright")
    return Registry(Catalog("method", [*rows, bright]), stand_ins.REGISTRY.parts, *stand_ins.JUDGES)


def go(stand_ins, registry, root, folder, methods, minutes=0.001, **options):
    grid = stand_ins.make_grid(root, methods, seeds=(3, 4))
    return tune(grid, registry, RunFolder(folder), lambda line: None, minutes, executor="serial", **options)


def test_every_row_has_as_many_tries_and_they_change_learning_rates_alone(stand_ins, registry, data_root):
    tries = tries_of(stand_ins.make_grid(data_root, ["plain", "adapted", "bright"]), registry)
    assert list(tries) == ["plain", "adapted"] and {len(some) for some in tries.values()} == {5}
    for some in tries.values():
        assert len({tuple(one.rates.items()) for one in some}) == 5
        assert all(
            set(one.rates) <= {LORA, *RATES} and one.rates["decoder_learning_rate"] == one.rates["learning_rate"] for one in some
        )
    assert [one.rates["learning_rate"] for one in tries["plain"]] == [0.001, 0.0003, 0.003, 0.0001, 0.01]
    assert [one.rates[LORA] for one in tries["adapted"]] == [0.001, 0.001, 0.001, 0.0003, 0.003]


def test_a_rate_that_the_grid_sets_is_the_default_that_is_varied(stand_ins, registry, data_root):
    tries = tries_of(stand_ins.make_grid(data_root, [{"plain": {"learning_rate": 0.5}}]), registry)
    assert [one.rates["learning_rate"] for one in tries["plain"]] == [0.5, 0.15, 1.5, 0.05, 5.0]


def test_what_cannot_be_tuned_is_refused_by_name(stand_ins, registry, data_root):
    with pytest.raises(ConfigError, match="bright"):
        tries_of(stand_ins.make_grid(data_root, ["plain", "bright"]), registry, ["bright"])
    with pytest.raises(ConfigError, match="no row of this grid"):
        tries_of(stand_ins.make_grid(data_root, ["bright"]), registry)


def test_the_budget_decides_the_epochs_and_a_row_gets_at_least_one():
    assert (epochs_within(3.0, 40.0), epochs_within(3.0, 1e9), epochs_within(1.0, 2.0)) == (9, 1, 60)


def test_the_best_on_val_is_chosen_and_every_try_recorded_also_one_that_failed(stand_ins, registry, data_root, tmp_path):
    rows = go(stand_ins, registry, data_root, tmp_path / "run", ["plain", "adapted"])
    assert [row.method for row in rows] == ["plain"] * 5 + ["adapted"] * 5 + ["plain"] * 3 + ["adapted"] * 3
    assert [row.stage for row in rows] == [SCREENING] * 10 + [FINAL] * 6
    failed = [row for row in rows if isnan(row.score)]
    assert [row.rates["learning_rate"] for row in failed] == [0.01]
    best = chosen(rows)
    assert all(best[name].dice == max(row.dice for row in rows if row.method == name and row is not failed[0]) for name in best)
    assert best["plain"] is rows[10] and best["plain"].rates == rows[0].rates, "of equal tries the default is kept"
    write_tuning(rows, tmp_path / "tuning.csv")
    header, *lines = csv.reader((tmp_path / "tuning.csv").open())
    assert tuple(header) == HEADER and len(lines) == 16 and [line[-1] for line in lines].count("yes") == 2
    assert tuning_text(rows).count("\n") == 17


def rates(one):
    return {key: float(f"{rate:.3g}") for key, rate in one.rates.items()}


def test_finals_are_the_best_two_and_their_geometric_mean_and_a_failed_try_is_none():
    tries = ((0.003, 1e-3), (1e-3, 3e-4), (1, 1))
    high, low, failed = (Try("adapted", {"learning_rate": rate, LORA: lora}) for rate, lora in tries)
    scored = [(low, 0.79), (failed, float("nan")), (high, 0.8)]
    assert [rates(one) for one in finals_of(scored)] == [high.rates, low.rates, {"learning_rate": 0.0017, LORA: 0.00055}]
    assert finals_of(scored[:2]) == [low] and finals_of(scored[1:2]) == []


def test_a_short_training_does_not_decide_against_the_grids_own_length(stand_ins, registry, data_root, tmp_path):
    """The stand-in learns more from high rates in its first epochs, as networks do, and less in the end."""
    rows = go(stand_ins, registry, data_root, tmp_path, [{"plain": {"best": 0.001, "short_needs": 0.003}}])
    screened = [row for row in rows if row.stage == SCREENING]
    assert max(screened, key=lambda row: row.score).rates["learning_rate"] == 0.003
    assert {row.epochs for row in rows if row.stage == FINAL} == {50} and screened[0].epochs < 50
    assert chosen(rows)["plain"].rates["learning_rate"] == 0.001


def test_a_final_decides_over_every_try_and_a_row_without_one_keeps_its_best_try():
    def row(stage, score):
        return Tried("full", "plain", {}, "synthetic", stage, 1, 1.0, score, score)

    nan = float("nan")
    assert chosen([row(SCREENING, 0.9), row(FINAL, 0.7), row(FINAL, 0.8)])["plain"].score == 0.8
    assert chosen([row(SCREENING, 0.6), row(SCREENING, 0.9), row(FINAL, nan)])["plain"].score == 0.9
    assert chosen([row(SCREENING, nan), row(FINAL, nan)]) == {}


def test_a_worse_default_is_not_chosen(stand_ins, registry, data_root, tmp_path):
    rows = go(stand_ins, registry, data_root, tmp_path, [{"plain": {"learning_rate": 0.009}}])
    assert chosen(rows)["plain"].rates["learning_rate"] == 0.0027


def test_tries_take_equal_time_whatever_an_epoch_takes(stand_ins, registry, data_root, tmp_path):
    slow = {"adapted": {"epoch_s": 0.02}}
    rows = go(stand_ins, registry, data_root, tmp_path, ["plain", slow], minutes=0.004)
    epochs = {row.method: row.epochs for row in rows if row.stage == SCREENING}
    assert epochs["plain"] > 4 * epochs["adapted"] and epochs["adapted"] >= 2
    assert {round(row.minutes, 3) for row in rows if row.score == row.score and row.stage == SCREENING} <= {0.003, 0.004, 0.005}


def test_the_same_call_resumes_and_trains_nothing_again(stand_ins, registry, data_root, tmp_path):
    first = go(stand_ins, registry, data_root, tmp_path, ["plain"])
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("trainings/*/sealed.json")}
    assert len(done) >= 5
    again = go(stand_ins, registry, data_root, tmp_path, ["plain"])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("trainings/*/sealed.json")} == done
    assert [(row.epochs, row.rates) for row in again] == [(row.epochs, row.rates) for row in first]


def test_it_sees_train_and_val_and_never_the_test_split(stand_ins, registry, data_root, tmp_path):
    go(stand_ins, registry, data_root, tmp_path, ["plain"])
    run = open_run(tmp_path)
    assert {cell.split for cell in run.plan.cells} == {"val"} and {cell.seed for cell in run.plan.cells} == {3}
    predicted = (tmp_path / "log.txt").read_text()
    assert "/val" in predicted and "/test" not in predicted


def test_its_scores_are_no_results_and_no_grid_file_can_ask_for_val(stand_ins, registry, data_root, tmp_path):
    go(stand_ins, registry, data_root, tmp_path, ["plain"])
    with pytest.raises(RunFolderError, match="scored on val"):
        results(open_run(tmp_path))
    with pytest.raises(RunFolderError, match="cannot be scored"):
        grid_of(tmp_path)
    grid = stand_ins.make_grid(data_root, ["plain"])
    assert isinstance(tuning_grid(grid, tries_of(grid, registry), {"plain": 2}), TuningGrid)


def test_a_pilot_that_fails_is_an_error_that_says_where_to_look(stand_ins, registry, data_root, tmp_path):
    with pytest.raises(PrsbenchError, match="a pilot training failed"):
        go(stand_ins, registry, data_root, tmp_path, [{"plain": {"learning_rate": 0.01}}])

"""Every row gets as many tries and as much time; val decides, and its numbers are never shown as results."""

import csv
from math import isnan, nan

import pytest
from prsbench.harness.contract.catalog import Catalog
from prsbench.harness.contract.errors import ConfigError, PrsbenchError, RunFolderError
from prsbench.harness.engine.driver.tuning import epochs_within, tune
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import grid_of, open_run
from prsbench.harness.engine.inspect.tuning import FINAL, HEADER, SCREENING, Tried, chosen, finals_of, tuning_text, write_tuning
from prsbench.harness.engine.plan.choices import Registry
from prsbench.harness.engine.plan.tuning import LORA, OF_MASKS, RATES, TuningGrid, tries_of, tuning_grid
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


def a_try(dice, position, stage=SCREENING, **rates):
    return Tried("full", "plain", rates, "SYNTHETIC", stage, 1, 1.0, dice, position)


def test_finals_are_the_best_two_and_their_geometric_mean_and_a_failed_try_is_none():
    low, high = a_try(0.79, 0.79, learning_rate=1e-3), a_try(0.8, 0.8, learning_rate=3e-3)
    failed, worse = a_try(nan, nan, learning_rate=1.0), a_try(0.1, 0.1, learning_rate=2.0)
    assert [one.rates["learning_rate"] for one in finals_of([low, failed, worse, high])] == [3e-3, 1e-3, 1.7e-3]
    assert [one.rates for one in finals_of([failed, low])] == [low.rates] and finals_of([failed]) == []


@pytest.mark.parametrize(("masks", "mixed"), [((0.9, 0.8), {"learning_rate": 3e-3, OF_MASKS: 1e-3}), ((0.8, 0.9), None)])
def test_the_third_final_has_the_better_masks_rate_and_the_better_texts_if_they_are_of_two_tries(masks, mixed):
    low = a_try(masks[0], 0.5, learning_rate=1e-3, **{OF_MASKS: 1e-3})
    high = a_try(masks[1], 0.7, learning_rate=3e-3, **{OF_MASKS: 3e-3})
    assert finals_of([low, high])[2].rates == (mixed or {"learning_rate": 1.7e-3, OF_MASKS: 1.7e-3})
    without = [a_try(row.dice, row.position, learning_rate=row.rates["learning_rate"]) for row in (low, high)]
    assert finals_of(without)[2].rates == {"learning_rate": 1.7e-3}, "no rate of its own for the masks"


def test_a_short_training_does_not_decide_against_the_grids_own_length(stand_ins, registry, data_root, tmp_path):
    """The stand-in learns more from high rates in its first epochs, as networks do, and less in the end."""
    rows = go(stand_ins, registry, data_root, tmp_path, [{"plain": {"best": 0.001, "short_needs": 0.003}}])
    screened = [row for row in rows if row.stage == SCREENING]
    assert max(screened, key=lambda row: row.score).rates["learning_rate"] == 0.003
    assert {row.epochs for row in rows if row.stage == FINAL} == {50} and screened[0].epochs < 50
    assert chosen(rows)["plain"].rates["learning_rate"] == 0.001


def test_a_final_decides_over_every_try_and_a_row_without_one_keeps_its_best_try():
    def best(*scores):
        rows = [a_try(score, score, stage) for stage, score in scores]
        return chosen(rows)["plain"].score

    assert best((SCREENING, 0.9), (FINAL, 0.7), (FINAL, 0.8)) == 0.8
    assert best((SCREENING, 0.6), (SCREENING, 0.9), (FINAL, nan)) == 0.9
    assert chosen([a_try(nan, nan), a_try(nan, nan, FINAL)]) == {}


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

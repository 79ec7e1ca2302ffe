"""What is expected of nodes that have not run here: the shipped table, and how it is scaled."""

from dataclasses import replace

import pytest
from prsbench.harness.engine.driver import priors
from prsbench.harness.engine.driver.forecast import Planned
from prsbench.harness.engine.driver.priors import Priors, read_rates, speed
from prsbench.harness.engine.driver.run import plan_run
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.harness.engine.grid.packaged import packaged_grids
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker.job import Job, Work


@pytest.fixture
def run(stand_ins, data_root, tmp_path):
    return plan_run(stand_ins.make_grid(data_root, ["bright", "trained"]), stand_ins.REGISTRY, RunFolder(tmp_path), str)


def test_every_row_of_the_packaged_grids_has_a_rate():
    rows = {choice.name for name in packaged_grids() for choice in load_grid(name).methods}
    assert rows | {"lite_medsam_features"} <= read_rates().keys()


def test_seconds_are_rates_times_images_epochs_and_slowness(run):
    node = replace(next(iter(run.plan.trainings.values())), name="mine", config={"epochs": 3})
    found = Priors(run, {"mine": (2.0, 0.5)}, slowness=10.0)
    assert found.training_s(node) == 10 * 2.0 * 3 * found._n_images[node.split]
    cell = replace(run.plan.cells[0], method="mine@epochs=2")
    assert found.cell_s(cell) == 10 * 0.5 * cell.n_manifest
    assert found.cell_s(replace(cell, method="other")) is None, "nothing is guessed"
    assert found.cell_s(replace(cell, config={"size": "paper"})) is None, "the table is of the embedded size"


def test_a_part_of_a_cell_takes_its_part_of_the_time_and_all_parts_together_the_whole(run):
    cell = replace(run.plan.cells[0], method="mine", n_manifest=100)
    found = Priors(run, {"mine": (0.0, 1.0)}, slowness=1.0)
    whole = Job(None, (cell,), (), 1.0)
    parts = [replace(whole, work=Work.PREDICT, parts=(range(start, start + 50),)) for start in (0, 50)]
    assert sum(map(found.job_s, [*parts, replace(whole, work=Work.FINISH)])) == pytest.approx(found.job_s(whole))
    assert found.job_s(replace(whole, cells=(cell, replace(cell, method="other")))) is None


def test_the_measured_speed_is_of_this_machine_and_no_slower_without_other_programs():
    now, alone = speed(2, 0.02)
    assert 0 < now <= alone


def test_where_a_gpu_is_used_the_rates_of_cores_do_not_count(run, monkeypatch):
    monkeypatch.setattr(priors.Path, "exists", lambda path: True)
    gpu = replace(run, setting=replace(run.setting, device="auto"))
    assert Priors.here(gpu, 1).rates == {} and Priors.here(replace(run, setting=replace(run.setting, device="cpu")), 1).rates


def test_a_plan_of_known_methods_has_a_forecast_before_anything_has_run(run, monkeypatch):
    slow = Priors(run, {"bright": (0.0, 2.0)}, 1.0, busy=4.0)
    monkeypatch.setattr(Priors, "here", lambda run, workers: slow)
    planned = Planned.of(run, workers=2)
    n = sum(cell.method == "bright" for cell in run.plan.cells)
    found = planned.to_json()["forecast"]
    assert found["nodes_by_priors"] == n and found["work_s"] == sum(
        2.0 * c.n_manifest for c in run.plan.cells if c.method == "bright"
    )
    assert found["nodes_of_unknown_cost"] == found["nodes"] - n and found["memory_bytes"] is None
    assert "busy with other programs" in planned.forecast.text()
    assert planned.to_json()["counts"] == {"new": len(run.plan.cells)}

"""A grid on a selection of its data: other keys, the same run folder rules, and a note in every cell."""

from __future__ import annotations

from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.grid.schema import PrsMedFolder
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.store.run_folder import RunFolder


def planned(stand_ins, folder, root, **selection):
    grid = stand_ins.make_grid(root, ["bright", "trained"])
    source = PrsMedFolder.model_validate({"root": root, **selection})
    return grid.model_copy(update={"data": (source,)}), RunFolder(folder)


def keys(run):
    return {(cell.dataset, cell.method): cell.key for cell in run.plan.cells}


def test_an_excluded_test_picture_is_not_scored_and_changes_the_keys_of_its_data_set_alone(stand_ins, data_root, tmp_path):
    whole = plan_run(*planned(stand_ins, tmp_path / "whole", data_root)[:1], stand_ins.REGISTRY,
                     RunFolder(tmp_path / "whole"), lambda _: None)  # fmt: skip
    (tmp_path / "list.txt").write_text("skin_rgbimage/test_masks/test1.png\t# by hand\n")
    grid, folder = planned(stand_ins, tmp_path / "run", data_root, exclude=str(tmp_path / "list.txt"))
    run = run_grid(grid, stand_ins.REGISTRY, folder, lambda _: None, "serial")
    assert run.status == "complete"
    changed = {name for name, key in keys(run).items() if key != keys(whole)[name]}
    assert ("skin_rgbimage", "bright") in changed and not any(m == "bright" and d != "skin_rgbimage" for d, m in changed)
    ids = {cell.dataset: [record.sample_id for record in cell.records] for cell in results(run) if cell.method == "bright"}
    assert ids["skin_rgbimage"] and not any("test1" in sample_id for sample_id in ids["skin_rgbimage"])
    assert "1 excluded" in run.plan.disclosed["skin_rgbimage"]
    assert list(verify_run(open_run(tmp_path / "run"))) == []


def test_a_limit_is_the_same_after_a_second_planning_and_other_than_another_limit(stand_ins, data_root, tmp_path):
    def plan(limit):
        grid, folder = planned(stand_ins, tmp_path / "run", data_root, limit=limit)
        return keys(plan_run(grid, stand_ins.REGISTRY, folder, lambda _: None))

    assert plan(8) == plan(8) != plan(9)

"""The cost is measured once per loaded method and stored with the records; a failed measurement fails no cell."""

from prsbench.harness.contract.results import Cost
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.store import cell_folder
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker import loaded_methods


def go(stand_ins, root, folder, methods):
    loaded_methods.clear_loaded_methods()
    return run_grid(stand_ins.make_grid(root, methods), stand_ins.REGISTRY, RunFolder(folder), [].append, "serial")


def test_it_is_measured_once_a_loaded_method_and_not_once_a_cell(stand_ins, data_root, tmp_path, monkeypatch):
    cost, measured = Cost(7, 3, 11, 13.0, "cpu"), []
    monkeypatch.setattr(loaded_methods, "_measured", lambda method: measured.append(method.config.name) or cost)
    run = go(stand_ins, data_root, tmp_path / "run", ["bright", "trained"])
    assert sorted(measured) == ["bright", "trained"], "two data sets each"
    assert [cell.cost for cell in results(run)] == [cost] * 4


def test_a_cost_that_cannot_be_measured_is_missing_and_the_cell_complete(stand_ins, data_root, tmp_path, monkeypatch):
    monkeypatch.setattr(loaded_methods, "MEASURE", "prsbench.methods.cost:no_such_function")
    run = go(stand_ins, data_root, tmp_path / "run", ["bright"])
    assert {(cell.status, cell.cost) for cell in results(run)} == {("complete", None)}
    log = (run.setting.run.cell(run.plan.cells[0].folder) / "log.txt").read_text()
    assert "no_such_function" in log


def test_it_is_under_the_seal_so_that_a_missing_file_is_damage(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", ["bright"])
    folder = run.setting.run.cell(run.plan.cells[0].folder)
    (folder / cell_folder.COST).unlink()
    found = results(run)[0]
    assert found.cost is None and found.status == "failed" and cell_folder.COST in found.error
    assert any(cell_folder.COST in line for line in verify_run(run))

"""The driver in this process: failures are rows, nothing is done twice, truth stays hidden."""

import json
from dataclasses import replace

import pytest
from prsbench.harness.contract.catalog import Catalog
from prsbench.harness.contract.errors import ConfigError, DataError, RunFolderError
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.store.run_folder import SEAL, RunFolder, TrainingFolder
from prsbench.harness.engine.worker import loaded_methods


def go(stand_ins, root, folder, methods, said=None, registry=None, **options):
    grid = stand_ins.make_grid(root, methods)
    say = [].append if said is None else said.append
    return run_grid(grid, registry or stand_ins.REGISTRY, RunFolder(folder), say, "serial", **options)


def lines(tmp_path, loads=False):
    """What was predicted and fitted, or what was loaded."""
    log = tmp_path / "log.txt"
    found = log.read_text().splitlines() if log.exists() else []
    return [line for line in found if line.startswith("load ") == loads and not line.startswith("pid ")]


def test_a_finished_grid_is_not_computed_again_and_reads_the_same(stand_ins, data_root, tmp_path):
    first = go(stand_ins, data_root, tmp_path / "run", ["bright", "trained", "echo"])
    assert first.status == "complete" and {cell.status for cell in results(first)} == {"complete"}
    work, said = lines(tmp_path), []
    assert work.count("fit") == 1, "one training is shared by the evaluations of all data sets"
    again = go(stand_ins, data_root, tmp_path / "run", ["bright", "trained", "echo"], said)
    assert lines(tmp_path) == work
    assert stand_ins.numbers(again) == stand_ins.numbers(first)
    assert said[0].startswith("Data: ") and said[1:] == ["6 cells, 6 of them finished before."]


def test_a_run_folder_opens_without_grid_and_catalogs_even_when_moved(stand_ins, data_root, tmp_path):
    first = go(stand_ins, data_root, tmp_path / "run", ["bright"])
    expected = stand_ins.numbers(first)
    stored = json.loads((tmp_path / "run" / "run.json").read_text())["setting"]
    assert set(stored) == {"roots", "loader", "device", "threads", "timeout_s", "judge"}, "older run folders lack the judge"
    (tmp_path / "run").rename(tmp_path / "moved")
    moved = open_run(tmp_path / "moved")
    assert replace(moved.setting, folder=first.setting.folder, command=first.setting.command) == first.setting
    assert stand_ins.numbers(moved) == expected
    with pytest.raises(RunFolderError, match="no run.json"):
        open_run(tmp_path / "elsewhere")


def test_rows_that_are_configured_alike_are_computed_each(stand_ins, data_root, tmp_path):
    same = {"ablations": [{"method": "bright", "change": {"batch_size": [2]}}, {"method": "echo", "change": {"batch_size": [2]}}]}
    grid = stand_ins.make_grid(data_root, ["bright", "echo"], more=same)
    run = run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "run"), lambda line: None, "serial")
    assert len({cell.key for cell in run.plan.cells}) == len(run.plan.cells) / 2 and run.status == "complete"


def test_floors_are_finished_and_told_of_before_anything_is_trained(stand_ins, data_root, tmp_path):
    entries = [replace(entry, gpu_gib=0.0 if entry.name == "echo" else 4.0) for entry in stand_ins.REGISTRY.methods.values()]
    registry = replace(stand_ins.REGISTRY, methods=Catalog("method", entries))
    grid = stand_ins.make_grid(data_root, ["trained", "echo"], more={"judge": "packaged"})
    folder, told = RunFolder(tmp_path / "run"), []

    def tell(run):
        told.append(({cell.method for cell in results(run) if cell.status == "complete"}, "fit" in lines(tmp_path)))

    run_grid(grid, registry, folder, lambda line: None, "serial", floors_done=tell)
    assert told == [({"echo"}, False)]
    run_grid(grid, registry, folder, lambda line: None, "serial", floors_done=tell)
    assert len(told) == 1, "nothing is left to do"


@pytest.mark.parametrize("executor", ["ray", "serial"])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_done(stand_ins, data_root, tmp_path, monkeypatch, executor):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    grid = stand_ins.make_grid(data_root, ["bright"], device="cuda")
    with pytest.raises(ConfigError, match="execution.device: cuda: torch sees no GPU on this machine. Say auto or cpu"):
        run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "run"), lambda line: None, executor)
    assert not (tmp_path / "run/run.json").exists()


@pytest.mark.parametrize("only_finish", [False, True])
def test_what_is_predicted_is_finished_without_the_gpu_that_predicted_it(
    stand_ins, data_root, tmp_path, monkeypatch, only_finish
):
    go(stand_ins, data_root, tmp_path / "run", ["bright", "echo"])
    scored = list((tmp_path / "run/cells").glob("bright--*/scored.json"))
    for scores in scored:
        scores.unlink()
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    grid = stand_ins.make_grid(data_root, ["bright", "echo"], device="cuda")
    again = run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "run"), lambda _: None, "serial", only_finish=only_finish)
    assert again.status == "complete" and len(scored) == 2 and all(scores.is_file() for scores in scored)


def test_a_method_is_loaded_once_a_worker_and_not_once_a_cell(stand_ins, data_root, tmp_path):
    loaded_methods.clear_loaded_methods()
    go(stand_ins, data_root, tmp_path / "run", ["bright", "trained", {"boxed": {}}])
    assert sorted(lines(tmp_path, loads=True)) == ["load boxed", "load bright", "load trained"], "two data sets each"


def test_a_sample_that_breaks_its_batch_is_a_failed_record_and_its_neighbours_count(stand_ins, data_root, tmp_path):
    methods = [{"bright": {"breaks_on": "test2"}}]
    run = go(stand_ins, data_root, tmp_path / "run", methods)
    for cell in results(run):
        assert [record.status for record in cell.records] == ["ok", "ok", "failed", "ok", "ok"]
        assert cell.records[2].error == "ValueError: a bad sample" and cell.records[2].counts is None
    assert run.status == "complete"


def test_a_prediction_of_another_shape_is_a_failed_record_with_instructions(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", [{"bright": {"breaks_on": "test2", "how": "wrong shape"}}])
    record = results(run)[0].records[2]
    assert record.status == "failed" and "must have the image's shape (16, 20), got (3, 3)" in record.error


def test_a_method_that_fails_on_everything_is_a_failed_row_and_the_rest_completes(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", [{"bright": {"breaks_on": "test"}}, "echo"])
    states = {(cell.method, cell.status) for cell in results(run)}
    assert states == {("bright", "failed"), ("echo", "complete")} and run.status == "incomplete"
    assert results(run)[0].labels is not None and results(run)[0].records == ()
    assert results(run)[0].error == "every sample failed, the first with: ValueError: a bad sample"
    before = len(lines(tmp_path))
    go(stand_ins, data_root, tmp_path / "run", [{"bright": {"breaks_on": "test"}}, "echo"])
    assert len(lines(tmp_path)) > before, "a failed cell is tried again"


def test_a_failed_training_is_reported_in_every_row_that_needed_it(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", [{"trained": {"fit_fails": True}}, "bright"])
    failed = [cell for cell in results(run) if cell.method == "trained"]
    assert len(failed) == 2
    assert {cell.error for cell in failed} == {"not run: train trained s0 failed: RuntimeError: the loss is not finite"}
    assert {cell.status for cell in results(run) if cell.method == "bright"} == {"complete"}


def test_a_missing_prerequisite_skips_the_row_with_instructions(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", ["absent", "bright"])
    skipped = [cell for cell in results(run) if cell.method == "absent"]
    assert {(cell.status, cell.error) for cell in skipped} == {
        ("skipped", "absent: skipped, its package is not installed. pip install absent")
    }


def test_only_works_on_the_named_methods_and_shows_the_others_as_missing(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", ["bright", "trained"], only=["bright"])
    assert {(cell.method, cell.status) for cell in results(run)} == {("bright", "complete"), ("trained", "missing")}
    assert "fit" not in lines(tmp_path) and run.status == "complete"
    stored = open_run(tmp_path / "run")
    assert stored.status == "incomplete" and not list(verify_run(stored)), "rows that nobody asked for are no damage"
    with pytest.raises(ConfigError, match="Did you mean 'bright'"):
        go(stand_ins, data_root, tmp_path / "run", ["bright", "trained"], only=["brigth"])


def test_an_oracle_box_is_given_only_where_the_config_asks_and_none_around_nothing(stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "data", folders=("skin_rgbimage",), empty=(1,))
    boxed, bright = results(go(stand_ins, root, tmp_path / "run", ["boxed", "bright"]))
    assert [record.status for record in boxed.records] == ["ok", "excluded", "ok", "ok", "ok"]
    assert boxed.records[1].error == "no box: the truth is empty"
    assert {record.answer for record in boxed.records if record.status == "ok"} == {"At the top left."}
    assert {record.answer for record in bright.records} == {"At the bottom left."}


def test_all_unknown_methods_and_keys_are_reported_together_before_any_work(stand_ins, data_root, tmp_path):
    with pytest.raises(ConfigError) as error:
        go(stand_ins, data_root, tmp_path / "run", ["brigth", {"trained": {"fit_secnods": 1}}])
    assert "No method is called 'brigth'. Did you mean 'bright'?" in str(error.value)
    assert "method 'trained': unknown key 'fit_secnods'. Did you mean 'fit_seconds'?" in str(error.value)
    assert lines(tmp_path) == []


def test_faulty_data_is_refused_before_any_work_and_leaves_finished_cells(stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "data")
    finished = stand_ins.numbers(go(stand_ins, root, tmp_path / "run", ["bright"]))
    work = lines(tmp_path)
    for folder in ("brain_tumors_ct_scan", "skin_rgbimage"):
        (root / folder / "test_images" / "test0.png").write_bytes(b"not a picture")
    with pytest.raises(DataError) as error:
        go(stand_ins, root, tmp_path / "run", ["bright"])
    assert "brain_tumors_ct_scan" in str(error.value) and "skin_rgbimage" in str(error.value)
    assert lines(tmp_path) == work and stand_ins.numbers(open_run(tmp_path / "run")) == finished


def test_data_that_passed_its_check_is_not_decoded_again(stand_ins, data_root, tmp_path, monkeypatch):
    grid, folder = stand_ins.make_grid(data_root, ["bright"]), RunFolder(tmp_path / "run")
    plan_run(grid, stand_ins.REGISTRY, folder, print)
    monkeypatch.setattr("prsbench.datasets.picture_files.read_image", lambda path: pytest.fail("decoded again"))
    plan_run(grid, stand_ins.REGISTRY, folder, print)


def test_changed_metrics_redo_the_scores_alone(stand_ins, data_root, tmp_path, monkeypatch):
    first = go(stand_ins, data_root, tmp_path / "run", ["bright"])
    work, expected = lines(tmp_path), stand_ins.numbers(first)
    monkeypatch.setattr("prsbench.harness.engine.driver.run.make_plan", lambda *a: replace(first.plan, scoring_hash="changed"))
    again = go(stand_ins, data_root, tmp_path / "run", ["bright"])
    assert lines(tmp_path) == work and stand_ins.numbers(again) == expected
    scores = tmp_path / "run" / "cells" / first.plan.cells[0].folder / "scored.json"
    assert json.loads(scores.read_text())["identity"]["scoring"] == "changed"


def test_cells_made_with_other_weights_are_computed_again(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", ["trained"])
    work = len(lines(tmp_path))
    for node in run.plan.trainings.values():
        if node.name == "trained":
            folder = TrainingFolder(run.setting.training_folder(node.key))
            folder.write(SEAL, {**folder.read(SEAL), "digest": "retrained"})
    assert stand_ins.numbers(go(stand_ins, data_root, tmp_path / "run", ["trained"])) == stand_ins.numbers(run)
    assert len(lines(tmp_path)) == work + 10


def test_damaged_records_of_a_sealed_cell_are_a_failed_row_that_names_the_file(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", ["bright", "echo"])
    path = tmp_path / "run" / "cells" / run.plan.cells[0].folder / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"left", b"lift", 1))
    damaged = results(open_run(tmp_path / "run"))
    assert [cell.status for cell in damaged] == ["failed", "complete", "complete", "complete"]
    assert str(path) in damaged[0].error and "Run `prsbench retry`" in damaged[0].error
    assert go(stand_ins, data_root, tmp_path / "run", ["bright", "echo"]).status == "incomplete", "it is not computed over"


def test_what_a_method_prints_goes_to_its_own_log(stand_ins, data_root, tmp_path, capsys):
    run = go(stand_ins, data_root, tmp_path / "run", ["bright"])
    log = tmp_path / "run" / "cells" / run.plan.cells[0].folder / "log.txt"
    assert "predicting brain_mri/test0#0" in log.read_text() and capsys.readouterr().out == ""


def test_maps_keep_which_side_of_a_half_each_pixel_is_on(stand_ins, data_root, tmp_path):
    import numpy as np
    from prsbench.harness.engine.inspect.results import sample_of
    from prsbench.harness.engine.store.prediction_maps import read_map

    run = go(stand_ins, data_root, tmp_path / "run", ["echo"])
    index, sample = sample_of(run, "skin_rgbimage", "skin_rgb/test3#0")
    cell = next(cell for cell in run.plan.cells if cell.dataset == "skin_rgbimage")
    assert index == 3
    assert np.array_equal(read_map(run.setting.run.cell(cell.folder), index) >= 0.5, sample.truth.mask)


def test_a_training_finds_what_it_left_when_it_was_cut_short_and_leaves_nothing_when_it_is_done(
    stand_ins, data_root, tmp_path, monkeypatch
):
    found, fit = [], stand_ins.Trained.fit

    def fits_at_the_second_attempt(self, train, val, context):
        found.append(sorted(path.name for path in context.scratch.iterdir()))
        (context.scratch / "state").touch()
        if len(found) % 2:
            raise RuntimeError("cut short")
        fit(self, train, val, context)

    monkeypatch.setattr(stand_ins.Trained, "fit", fits_at_the_second_attempt)
    for secret in ("one", "another"):
        for _ in range(2):
            run = go(stand_ins, data_root, tmp_path / "run", [{"trained": {"secret": secret}}])
    assert found == [[], ["state"], [], ["state"]], "nothing of another config"
    assert run.status == "complete" and not list((tmp_path / "run" / "trainings").glob("*/scratch"))

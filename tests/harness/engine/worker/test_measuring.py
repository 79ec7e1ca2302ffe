"""Changed measures are computed again from what is stored: no method is loaded, and the numbers are those of a fresh run."""

import json
from dataclasses import replace

import pytest
from prsbench.harness.contract.catalog import Catalog
from prsbench.harness.engine.driver.forecast import planned_lines
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import move_damaged
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.plan import planning
from prsbench.harness.engine.plan.data import open_all
from prsbench.harness.engine.plan.planning import make_plan
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker import measuring

METHODS = ["bright", "trained", "echo", {"jittered": {"breaks_on": "test2"}}]


@pytest.fixture
def go(stand_ins, data_root):
    def run(folder, methods=METHODS, say=str, **options):
        return run_grid(stand_ins.make_grid(data_root, methods), stand_ins.REGISTRY, RunFolder(folder), say, "serial", **options)

    return run


@pytest.fixture
def changed_measures(monkeypatch):
    """Another way to count, under another hash."""
    count = measuring.count_maps
    monkeypatch.setattr(measuring, "count_maps", lambda *given: replace(count(*given), tp=7, fp=0))
    change_code(monkeypatch, "prsbench.metrics.mask.counts")


def change_code(monkeypatch, *modules):
    made = planning.code_hashes
    monkeypatch.setattr(planning, "code_hashes", lambda names: {n: h + "'" * (n in modules) for n, h in made(names).items()})


def forbid_methods(monkeypatch, stand_ins):
    for kind, names in ((stand_ins.Bright, ("predict", "load", "fit")), (stand_ins.Echo, ("predict_from_truth",))):
        for name in names:
            monkeypatch.setattr(kind, name, lambda *given, **named: pytest.fail("a method was asked"))


def records(run):
    return {cell.folder: (run.setting.run.cell(cell.folder) / "records.jsonl").read_bytes() for cell in run.plan.cells}


def without_seconds(run):
    return [[{**record.to_json(), "seconds": 0} for record in cell.records] for cell in results(run)]


def test_a_hash_that_changes_alone_makes_the_same_bytes_again_and_asks_no_method(go, stand_ins, tmp_path, monkeypatch):
    first = go(tmp_path / "run")
    before, numbers, said = records(first), stand_ins.numbers(first), []
    forbid_methods(monkeypatch, stand_ins)
    change_code(monkeypatch, "prsbench.metrics.mask.weighted_f")
    again = go(tmp_path / "run", say=said.append)
    assert records(again) == before and stand_ins.numbers(again) == numbers
    assert said[1] == "8 cells, 0 of them finished before, 8 to re-measure from their stored predictions."
    assert again.status == "complete" and list(verify_run(again)) == []
    assert go(tmp_path / "run").status == "complete", "and not once more"


def test_cells_measured_again_equal_cells_predicted_with_the_new_measures(go, stand_ins, tmp_path, monkeypatch, request):
    old = go(tmp_path / "run")
    old_scores = stand_ins.numbers(old)
    request.getfixturevalue("changed_measures")
    fresh = go(tmp_path / "fresh")
    forbid_methods(monkeypatch, stand_ins)
    again = go(tmp_path / "run")
    assert stand_ins.numbers(again) == stand_ins.numbers(fresh) != old_scores
    assert without_seconds(again) == without_seconds(fresh)
    assert {record.counts.tp for cell in results(again) for record in cell.records if record.counts} == {7}


def test_a_cell_killed_while_predicting_is_measured_by_the_code_that_ends_it(go, stand_ins, tmp_path, monkeypatch, request):
    from prsbench.harness.engine.store.cell_folder import CellFolder

    def killed(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CellFolder, "seal", killed)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "run")
    request.getfixturevalue("changed_measures")
    assert stand_ins.numbers(go(tmp_path / "run")) == stand_ins.numbers(go(tmp_path / "fresh"))


@pytest.mark.parametrize("harm", [lambda path: None, lambda path: path.write_bytes(b"x" + path.read_bytes()[1:])])
def test_measuring_that_was_stopped_resumes_from_its_records_or_starts_again_if_they_are_damaged(
    go, stand_ins, tmp_path, monkeypatch, harm
):
    first = go(tmp_path / "run", ["bright"])
    before = records(first)
    monkeypatch.setattr(measuring, "CHUNK", 2)
    change_code(monkeypatch, "prsbench.metrics.mask.counts")
    append, made = measuring.append_batch, []

    def stopped(path, batch):
        append(path, batch)
        made.append(path)
        if len(made) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(measuring, "append_batch", stopped)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "run", ["bright"])
    harm(made[-1])
    forbid_methods(monkeypatch, stand_ins)
    assert records(go(tmp_path / "run", ["bright"])) == before


def test_plan_lists_the_cells_that_are_measured_again_without_running_a_method(go, stand_ins, data_root, tmp_path, monkeypatch):
    go(tmp_path / "run")
    change_code(monkeypatch, "prsbench.metrics.mask.counts")
    run = plan_run(stand_ins.make_grid(data_root, METHODS), stand_ins.REGISTRY, RunFolder(tmp_path / "run"), str)
    *cells, counts, what = planned_lines(run, workers=1)
    assert all(line.startswith("re-measure ") and line.endswith(": measuring changed") for line in cells)
    assert counts == "8 re-measure"
    assert what == "8 cells to re-measure or re-score from their stored predictions: their methods do not run."


def test_a_stored_prediction_needs_no_second_training(go, stand_ins, tmp_path, monkeypatch):
    import shutil

    first = go(tmp_path / "run", ["trained"])
    training = next(node for node in first.plan.trainings.values() if node.name == "trained")
    shutil.rmtree(first.setting.training_folder(training.key))
    change_code(monkeypatch, "prsbench.metrics.mask.counts")
    forbid_methods(monkeypatch, stand_ins)
    assert go(tmp_path / "run", ["trained"]).status == "complete"


def test_damaged_records_are_retried_from_the_predictions_and_damaged_predictions_are_not_measured(
    go, stand_ins, tmp_path, monkeypatch
):
    first = go(tmp_path / "run", ["bright"])
    before, (one, other) = records(first), first.plan.cells
    path = first.setting.run.cell(one.folder) / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"left", b"lift", 1))
    (said,) = move_damaged(first)
    assert "records.jsonl line" in said and list((tmp_path / "run" / "aside").glob("*/records.jsonl"))
    with monkeypatch.context() as patched:
        forbid_methods(patched, stand_ins)
        assert records(go(tmp_path / "run", ["bright"], states={"failed"})) == before
    path = first.setting.run.cell(other.folder) / "predictions.jsonl"
    path.write_bytes(path.read_bytes().replace(b"left", b"lift", 1))
    change_code(monkeypatch, "prsbench.metrics.mask.counts")
    failed = results(go(tmp_path / "run", ["bright"]))[1]
    assert failed.status == "failed" and "predictions.jsonl line 1 is not what was sealed" in failed.error


def keys_and_measuring(stand_ins, data_root):
    registry = replace(stand_ins.REGISTRY, methods=Catalog("method", stand_ins.REGISTRY.methods.values()))
    plan = make_plan(stand_ins.make_grid(data_root, ["bright", "trained"]), open_all([data_root]), registry)
    return [cell.key for cell in plan.cells], plan.measuring_hash


@pytest.mark.parametrize(
    "module", ["prsbench.harness.engine.worker.measuring", "prsbench.metrics.mask.boundary", "prsbench.harness.contract.records"]
)
def test_the_code_of_measures_is_in_the_records_hash_and_in_no_cells_key(module, stand_ins, data_root, monkeypatch):
    keys, made = keys_and_measuring(stand_ins, data_root)
    change_code(monkeypatch, module)
    new_keys, new_made = keys_and_measuring(stand_ins, data_root)
    assert new_keys == keys and new_made != made


def test_what_is_stored_of_a_prediction_is_in_every_cells_key(stand_ins, data_root, monkeypatch):
    keys, made = keys_and_measuring(stand_ins, data_root)
    change_code(monkeypatch, "prsbench.harness.engine.store.prediction_maps")
    new_keys, new_made = keys_and_measuring(stand_ins, data_root)
    assert not set(new_keys) & set(keys) and new_made == made


def test_a_measured_cell_records_what_it_was_made_of(go, tmp_path):
    run = go(tmp_path / "run", ["bright"])
    folder = run.setting.run.cell(run.plan.cells[0].folder)
    said, sealed = (json.loads((folder / name).read_text()) for name in ("measured.json", "sealed.json"))
    assert said["identity"]["measuring"] == run.plan.measuring_hash
    assert said["identity"]["maps.bin"] == sealed["files"]["maps.bin"]["sha256"]

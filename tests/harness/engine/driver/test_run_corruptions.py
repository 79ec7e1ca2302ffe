"""A grid with corruptions of its test pictures: the same trainings and clean cells, more cells, and a table of robustness."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from prsbench.datasets.changes import corruptions_named
from prsbench.harness.contract.results import change_of, unchanged, unchanged_id
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.inspect.results import results, samples_of
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.report.tables.selection import tables_of

NAMES = ["blur2", "contrast3"]


def go(stand_ins, root, folder, corruptions, methods=("bright", "trained"), **more):
    grid = stand_ins.make_grid(root, list(methods), more={"corruptions": corruptions, **more})
    return run_grid(grid, stand_ins.REGISTRY, RunFolder(folder), lambda _: None, "serial")


def log_of(tmp_path):
    return (tmp_path / "log.txt").read_text().splitlines()


def test_corruptions_added_to_a_finished_run_train_nothing_and_leave_its_cells_as_they_are(stand_ins, data_root, tmp_path):
    clean = go(stand_ins, data_root, tmp_path / "run", [])
    before = stand_ins.numbers(clean)
    shutil.copy(tmp_path / "log.txt", tmp_path / "before.txt")
    run = go(stand_ins, data_root, tmp_path / "run", NAMES)
    new = log_of(tmp_path)[len((tmp_path / "before.txt").read_text().splitlines()) :]
    assert run.status == "complete" and run.plan.trainings.keys() == clean.plan.trainings.keys()
    assert "fit" not in new and len(run.plan.cells) == 3 * len(clean.plan.cells)
    assert stand_ins.numbers(run)[: len(before)] != before  # cells of a method stand together
    assert [cell for cell in stand_ins.numbers(run) if not change_of(cell[1])] == before
    assert list(verify_run(open_run(tmp_path / "run"))) == []


def test_only_the_table_of_robustness_has_a_row_for_corrupted_pictures(stand_ins, data_root, tmp_path):
    clean = {table.name: table.frame for table in tables_of(results(go(stand_ins, data_root, tmp_path / "clean", [])))}
    found = {table.name: table for table in tables_of(results(go(stand_ins, data_root, tmp_path / "run", NAMES)))}
    assert "robustness" not in clean and found.keys() - {"robustness"} == clean.keys()
    assert all(found[name].frame.equals(frame) for name, frame in clean.items())
    table = found["robustness"]
    assert [column.head for column in table.numbers] == ["unchanged", *NAMES, "mean"]
    assert len(table.frame) == 4 and any("blur2: Gaussian blur, sigma 1.0%" in note for note in table.footnotes)


def test_a_difference_is_the_mean_over_data_sets_of_corrupted_minus_clean_scores(stand_ins, data_root, tmp_path):
    cells = results(go(stand_ins, data_root, tmp_path / "run", ["contrast3"], ["bright"]))
    table = next(table for table in tables_of(cells) if table.name == "robustness")
    means = {cell.dataset: np.mean([scores["dice@0.5"] for scores in cell.scores]) for cell in cells}
    names = [cell.dataset for cell in unchanged(cells)]
    expected = np.mean([means[f"{name}+contrast3"] - means[name] for name in names])
    assert table.frame["contrast3"][0].split()[0] == f"{expected:+z.3f}" != "+0.000"


def test_a_failed_cell_leaves_no_difference_but_its_reason(stand_ins, data_root, tmp_path):
    methods = [{"bright": {"breaks_on": "blur2+"}}]
    cells = results(go(stand_ins, data_root, tmp_path / "run", NAMES, methods))
    table = next(table for table in tables_of(cells) if table.name == "robustness")
    assert list(table.frame["blur2"]) == ["-", "-"] == list(table.frame["mean"])
    assert table.frame["remark"].str.contains("blur2: bright: failed on").all()


def test_failed_samples_are_left_out_of_the_pairs_and_counted(stand_ins, data_root, tmp_path):
    sample_id = results(go(stand_ins, data_root, tmp_path / "clean", [], ["bright"]))[0].records[0].sample_id
    methods = [{"bright": {"breaks_on": f"blur2+{sample_id}"}}]
    cells = results(go(stand_ins, data_root, tmp_path / "run", NAMES, methods))
    table = next(table for table in tables_of(cells) if table.name == "robustness")
    assert table.frame["remark"].str.contains("blur2: .*1 failed on a side").any()


def test_a_jittered_box_is_the_same_on_the_corrupted_picture_and_the_picture_another(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", ["noise2"], ["jittered"])
    from prsbench.harness.engine.worker.prediction import query_of

    clean, changed = (cell for cell in run.plan.cells if cell.dataset.startswith("skin_rgbimage"))
    for old, new in zip(samples_of(run, clean.dataset), samples_of(run, changed.dataset), strict=True):
        assert unchanged_id(new.sample_id, changed.dataset) == old.sample_id != new.sample_id
        assert query_of(old, clean).box == query_of(new, changed).box
        assert (old.truth.mask == new.truth.mask).all() and (old.query.image != new.query.image).any()


def test_another_code_of_the_corruptions_changes_their_keys_alone(stand_ins, data_root, tmp_path, monkeypatch):
    def keys():
        grid = stand_ins.make_grid(data_root, ["bright", "trained"], more={"corruptions": ["jpeg1"]})
        run = plan_run(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "run"), lambda _: None)
        return {(cell.method, cell.dataset): cell.key for cell in run.plan.cells}

    before = keys()
    monkeypatch.setattr("prsbench.harness.engine.plan.data.code_hashes", lambda names: {name: "other" for name in names})
    assert {name for name, key in keys().items() if key != before[name]} == {name for name in before if change_of(name[1])}


def test_a_data_set_that_is_refused_is_refused_under_corruptions_too(stand_ins, data_root, tmp_path):
    root = shutil.copytree(data_root, tmp_path / "data")
    next((root / "skin_rgbimage" / "test_images").iterdir()).write_bytes(b"broken")
    run = go(stand_ins, root, tmp_path / "run", ["blur1"], ["bright"])
    assert {cell.dataset for cell in run.plan.left_out} == {"skin_rgbimage", "skin_rgbimage+blur1"}
    assert {cell.dataset for cell in run.plan.cells} == {"brain_tumors_ct_scan", "brain_tumors_ct_scan+blur1"}


def test_filters_select_corrupted_data_sets_by_name(stand_ins, data_root, tmp_path):
    run = go(stand_ins, data_root, tmp_path / "run", NAMES, ["bright"], exclude=[{"dataset": "brain*+*"}])
    assert {cell.dataset for cell in run.plan.cells if change_of(cell.dataset)} == {f"skin_rgbimage+{name}" for name in NAMES}


def test_a_moved_run_folder_finds_its_phantoms_under_corruptions(stand_ins, tmp_path):
    source = {"source": "phantoms", "train": 1, "val": 1, "test": 2, "modalities": ["skin_rgb"], "difficulty": "medium"}
    go(stand_ins, tmp_path, tmp_path / "run", ["blur3"], ["bright"], data=[source])
    (tmp_path / "run").rename(tmp_path / "moved")
    run = open_run(tmp_path / "moved")
    assert len(samples_of(run, "skin_rgbimage+blur3")) == 2
    assert run.plan.disclosed["skin_rgbimage"] == "synthetic, difficulty 0.5 (0: easy, 1: hardest)"
    (blur,) = corruptions_named(["blur3"])
    assert run.plan.disclosed["skin_rgbimage+blur3"] == str(blur)


@pytest.mark.parametrize(("name", "advice"), [("blurr", "Did you mean 'blur'"), ("jpeg9", "jpeg")])
def test_an_unknown_corruption_is_refused_with_the_known_ones(stand_ins, data_root, name, advice):
    with pytest.raises(Exception, match=advice):
        stand_ins.make_grid(data_root, ["bright"], more={"corruptions": [name]})

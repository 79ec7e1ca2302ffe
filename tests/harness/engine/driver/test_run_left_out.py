"""Data that cannot be used as the grid asks: what is left out, refused or disclosed, and what is computed all the same."""

import shutil
from math import isfinite, isnan

import pytest
from prsbench.harness.contract.errors import DataError
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.inspect.status import status_lines
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.store.run_folder import RunFolder


def go(stand_ins, root, folder, methods, said=None, more=None, **options):
    grid = stand_ins.make_grid(root, methods, more=more)
    return run_grid(grid, stand_ins.REGISTRY, RunFolder(folder), ([] if said is None else said).append, "serial", **options)


def spoil(root, folder, old="Where is it", new="Where, then, is it"):
    table = root / f"{folder}.csv"
    table.write_text(table.read_text().replace(old, new, 1))


def test_a_data_set_with_a_bad_table_is_a_failed_row_and_the_others_are_computed(stand_ins, tmp_path):
    root, said = stand_ins.write_data(tmp_path / "data"), []
    spoil(root, "brain_tumors_ct_scan")
    run = go(stand_ins, root, tmp_path / "run", ["bright", "trained"], said)
    found = {(cell.method, cell.dataset): (cell.status, cell.error) for cell in results(run)}
    assert [found[method, "skin_rgbimage"] for method in ("bright", "trained")] == [("complete", "")] * 2
    for method in ("bright", "trained"):
        status, error = found[method, "brain_tumors_ct_scan"]
        assert status == "failed" and "not read: Data set 'brain_tumors_ct_scan'" in error and ".csv line 2: expected" in error
    loud = [line for line in said if line.startswith("LEFT OUT, as failed rows: bright, trained on brain_tumors_ct_scan")]
    assert len(loud) == 2 and ".csv line 2" in loud[0], "at the start and at the end"
    assert run.status == "incomplete" and open_run(tmp_path / "run").plan == run.plan
    assert any(line == loud[0] for line in status_lines(run))


def test_a_left_out_data_set_is_not_trained_on_and_its_repair_trains_anew(stand_ins, tmp_path):
    alone = stand_ins.write_data(tmp_path / "alone", folders=("skin_rgbimage",))
    root = stand_ins.write_data(tmp_path / "data", folders=("skin_rgbimage", "brain_tumors_ct_scan"))
    spoil(root, "brain_tumors_ct_scan")
    expected = stand_ins.numbers(go(stand_ins, alone, tmp_path / "a", ["trained"]))
    assert stand_ins.numbers(go(stand_ins, root, tmp_path / "b", ["trained"]))[:1] == expected
    spoil(root, "brain_tumors_ct_scan", "Where, then, is it", "Where is it")
    assert go(stand_ins, root, tmp_path / "b", ["trained"]).status == "complete"


def test_a_left_out_data_set_that_the_grid_excludes_fails_no_row(stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "data")
    spoil(root, "brain_tumors_ct_scan")
    run = go(stand_ins, root, tmp_path / "run", ["bright"], more={"exclude": [{"dataset": "brain_tumors_ct_scan"}]})
    assert run.status == "complete" and [cell.dataset for cell in results(run)] == ["skin_rgbimage"]


def test_rows_left_out_by_only_stay_missing_where_a_data_set_is_left_out(stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "data")
    spoil(root, "brain_tumors_ct_scan")
    run = go(stand_ins, root, tmp_path / "run", ["bright", "echo"], only=["bright"])
    assert {cell.status for cell in results(run) if cell.method == "echo"} == {"missing"}


def copy_into_test(root):
    for folder in ("brain_tumors_ct_scan", "skin_rgbimage"):
        shutil.copy(root / folder / "train_images" / "train0.png", root / folder / "test_images" / "test0.png")


def test_the_same_picture_in_two_splits_is_refused_unless_the_grid_allows_it_and_then_disclosed(stand_ins, tmp_path):
    root, said = stand_ins.write_data(tmp_path / "data"), []
    copy_into_test(root)
    with pytest.raises(DataError, match=r"test0.png \(test\) is the same picture as .*train0.png \(train\)"):
        go(stand_ins, root, tmp_path / "run", ["bright"])
    run = go(stand_ins, root, tmp_path / "run", ["bright"], said, {"allow_shared_pictures": True})
    note = "1 pictures are in two splits, as allow_shared_pictures permits"
    assert run.status == "complete" and f"Note: brain_tumors_ct_scan, skin_rgbimage: {note}" in said
    assert {cell.data_note for cell in results(open_run(tmp_path / "run"))} == {note}


def copy_across(root):
    source, target = (root / folder for folder in ("brain_tumors_ct_scan", "skin_rgbimage"))
    shutil.copy(source / "test_images" / "test0.png", target / "train_images" / "train0.png")


def test_a_test_picture_that_another_data_set_trains_on_is_refused_unless_allowed_and_disclosed_of_both(stand_ins, tmp_path):
    root, said = stand_ins.write_data(tmp_path / "data"), []
    copy_across(root)
    run = go(stand_ins, root, tmp_path / "run", ["bright"], said)
    assert [(cell.dataset, cell.status) for cell in results(run)] == [
        ("brain_tumors_ct_scan", "complete"),
        ("skin_rgbimage", "failed"),
    ]
    refused = "skin_rgbimage/train_images/train0.png (train) is the same picture as"
    assert any(refused in line and "brain_tumors_ct_scan/test_images/test0.png (test)" in line for line in said)
    assert not any(line.startswith("Data: ") for line in said)
    go(stand_ins, root, tmp_path / "run", ["bright"], said, {"allow_shared_pictures": True})
    note = "1 pictures are in two splits, as allow_shared_pictures permits"
    assert {cell.dataset: cell.data_note for cell in results(open_run(tmp_path / "run"))} == {
        "brain_tumors_ct_scan": note,
        "skin_rgbimage": note,
    }


def test_a_refused_data_set_accuses_no_other(stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "data", folders=("skin_rgbimage", "brain_tumors_ct_scan", "polyp_endoscopy"))
    copy_across(root)  # skin comes last
    shutil.copy(root / "skin_rgbimage/val_images/val0.png", root / "polyp_endoscopy/test_images/test0.png")
    spoil(root, "polyp_endoscopy")
    run = go(stand_ins, root, tmp_path / "run", ["bright"])
    errors = {cell.dataset: cell.error for cell in results(run)}
    assert "same picture" in errors["skin_rgbimage"] and "same picture" not in errors["polyp_endoscopy"]
    assert errors["brain_tumors_ct_scan"] == ""


def test_one_line_says_that_all_data_are_well_and_how_many_pictures_each_split_has(stand_ins, tmp_path):
    said = []
    plan_run(
        stand_ins.make_grid(stand_ins.write_data(tmp_path / "data"), ["bright"]),
        stand_ins.REGISTRY,
        RunFolder(tmp_path / "r"),
        said.append,
    )
    assert [line for line in said if line.startswith("Data: ")] == [
        "Data: 22 pictures of 2 data sets (8 train, 4 val, 10 test); every file can be read, and no picture is in two splits."
    ]


def test_pictures_in_two_splits_are_remembered_with_the_check(stand_ins, tmp_path, monkeypatch):
    root, folder = stand_ins.write_data(tmp_path / "data"), RunFolder(tmp_path / "run")
    copy_into_test(root)
    plan_run(stand_ins.make_grid(root, ["bright"], more={"allow_shared_pictures": True}), stand_ins.REGISTRY, folder, print)
    monkeypatch.setattr("prsbench.datasets.picture_files.read_image", lambda path: pytest.fail("decoded again"))
    with pytest.raises(DataError, match="the same picture in two splits"):
        plan_run(stand_ins.make_grid(root, ["bright"]), stand_ins.REGISTRY, folder, print)


def test_without_a_val_split_masks_are_scored_and_prscore_says_why_it_is_not_known(stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "data", counts=(("train", 4), ("test", 5)))
    run = go(stand_ins, root, tmp_path / "run", ["bright"])
    cells = results(run)
    assert run.status == "complete" and list(verify_run(run)) == []
    for cell in cells:
        assert cell.judge == "none" and "trained on the val split, and no data set has one" in cell.judge_notes[0]
        for scores in cell.scores:
            assert isfinite(scores["dice@0.5"]) and isfinite(scores["position_accuracy"]) and isfinite(scores["rouge_l"])
            assert all(isnan(scores[name]) for name in ("prscore", "s_sem", "s_vis", "judge_error", "centroid_error_of_text"))


def test_without_a_train_split_rows_trained_here_fail_and_the_others_are_computed(stand_ins, tmp_path):
    root, said = stand_ins.write_data(tmp_path / "data", counts=(("val", 2), ("test", 5))), []
    run = go(stand_ins, root, tmp_path / "run", ["trained", "bright"], said)
    status = {(cell.method, cell.status) for cell in results(run)}
    assert status == {("trained", "failed"), ("bright", "complete")} and run.status == "incomplete"
    assert any("'trained' is trained on the train split, and no data set has one" in line for line in said)
    with pytest.raises(DataError, match="rows that are not trained here need the test split alone"):
        go(stand_ins, root, tmp_path / "other", ["trained"])

"""Data are opened once by the driver; jobs read its index."""

from __future__ import annotations

import pytest
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.plan.data import manifest_hash, open_all, open_for_job
from prsbench.harness.engine.store.keys import key_of
from prsbench.harness.engine.store.run_folder import RunFolder


def test_the_hash_of_a_manifest_is_the_key_of_its_rows_without_unknown_spacings(data_root):
    for dataset in open_all([data_root]):
        rows = [
            {
                "sample_id": row.sample_id,
                "image_sha256": row.image_sha256,
                "mask_sha256": row.mask_sha256,
                "question": row.question,
                "answer": row.answer,
                "group": row.group,
                **({"spacing_mm": list(row.spacing_mm)} if row.spacing_mm else {}),
            }
            for row in dataset.manifest("test")
        ]
        assert manifest_hash(dataset, "test") == key_of({"rows": rows})


def test_a_job_reads_no_table_and_gives_the_same_numbers(stand_ins, data_root, tmp_path, monkeypatch):
    grid, folder = stand_ins.make_grid(data_root, ["bright", "trained"]), RunFolder(tmp_path / "run")

    def say(line):
        if "finished before" in line:  # the driver has opened the data, and no job has begun
            monkeypatch.setattr("prsbench.datasets.index.read_root", lambda root: pytest.fail("a table was read again"))

    run = run_grid(grid, stand_ins.REGISTRY, folder, say, "serial")
    assert run.status == "complete"
    monkeypatch.undo()
    again = RunFolder(tmp_path / "again")
    assert stand_ins.numbers(run_grid(grid, stand_ins.REGISTRY, again, print, "serial")) == stand_ins.numbers(run)


def test_a_job_without_a_sound_index_opens_the_data_itself(stand_ins, data_root, tmp_path):
    run = RunFolder(tmp_path / "run")
    plan_run(stand_ins.make_grid(data_root, ["bright"]), stand_ins.REGISTRY, run, print)
    known = open_for_job([data_root], run, ())
    (index,) = run.data.glob("index-*.npz")
    index.write_bytes(index.read_bytes()[:-100])
    name = next(iter(known))
    found = open_for_job([data_root], run, {name})
    assert found.keys() == {name} and found[name].manifest("test") == known[name].manifest("test")


def test_a_picture_changed_during_a_run_fails_its_cell_and_not_in_silence(stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "data")
    grid, folder = stand_ins.make_grid(root, ["bright"]), RunFolder(tmp_path / "run")
    changed = next(root.rglob("skin_rgbimage/test_images/*"))

    def say(line):
        if "finished before" in line:  # the data are checked, and no job has begun
            changed.write_bytes(changed.read_bytes() + b"\0")

    run = run_grid(grid, stand_ins.REGISTRY, folder, say, "serial")
    failed = [cell for cell in results(run) if cell.dataset == "skin_rgbimage"]
    assert failed and all(cell.status == "failed" and "changed since the data were checked" in cell.error for cell in failed)
    assert run_grid(grid, stand_ins.REGISTRY, folder, print, "serial").status == "complete", "the changed data are other data"


def test_a_row_that_sees_the_truth_gets_one_batch_at_a_time_and_every_answer(stand_ins, data_root, tmp_path, monkeypatch):
    seen, predict = [], stand_ins.Echo.predict_from_truth

    def noted(self, samples, answers):
        seen.append((len(samples), len(answers)))
        return predict(self, samples, answers)

    monkeypatch.setattr(stand_ins.Echo, "predict_from_truth", noted)
    grid = stand_ins.make_grid(data_root, ["echo"])
    assert run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "run"), print, "serial").status == "complete"
    sizes = [size for size, _ in seen]
    assert max(sizes) < sum(sizes) / len(open_all([data_root])) and {n for _, n in seen} == {5}

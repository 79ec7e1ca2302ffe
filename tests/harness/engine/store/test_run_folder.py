"""Files that are never half there, seals, and locks."""

import json
import os
import platform
from pathlib import Path

import pytest
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.engine.store.json_files import read_json, write_json
from prsbench.harness.engine.store.run_folder import NodeFolder, RunFolder, TrainingFolder


def test_a_write_that_breaks_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"n": 1})
    monkeypatch.setattr(Path, "replace", lambda *names: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"half")
    assert read_json(path) == {"n": 1}


def test_a_missing_file_is_none_and_a_damaged_one_is_an_error_with_instructions(tmp_path):
    assert read_json(tmp_path / "none.json") is None
    (tmp_path / "bad.json").write_text('{"n": ')
    with pytest.raises(RunFolderError, match="bad.json is damaged.*Delete the folder"):
        read_json(tmp_path / "bad.json")


def test_a_folder_is_sealed_by_the_bytes_of_its_files_wherever_it_lies(tmp_path):
    for name in ("one", "two"):
        partial = tmp_path / name / "weights.partial"
        (partial / "deep").mkdir(parents=True)
        (partial / "deep" / "a.bin").write_bytes(b"12")
        assert TrainingFolder(tmp_path / name).digest is None
        TrainingFolder(tmp_path / name).seal(partial, {"key": "k"})
    assert TrainingFolder(tmp_path / "one").digest == TrainingFolder(tmp_path / "two").digest
    assert read_json(tmp_path / "one" / "sealed.json")["key"] == "k"
    assert not (tmp_path / "one" / "weights.partial").exists()


def test_weights_of_an_attempt_killed_before_its_seal_are_replaced(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "old.bin").write_bytes(b"0")
    (tmp_path / "weights.partial").mkdir()
    (tmp_path / "weights.partial" / "new.bin").write_bytes(b"1")
    TrainingFolder(tmp_path).seal(tmp_path / "weights.partial", {})
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["new.bin"]


def test_the_driver_lock_ends_with_its_holder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.driver_lock(), pytest.raises(RunFolderError, match=f"process {os.getpid()}"), folder.driver_lock():
        pass
    with folder.driver_lock():
        assert (tmp_path / "run" / ".driver.lock").read_text() == f"{os.getpid()} on {platform.node()}"


def test_the_error_of_a_run_folder_that_cannot_be_made_suggests_another_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write here .* --out"), RunFolder(tmp_path / "file" / "run").driver_lock():
        pass


def test_the_error_of_a_read_only_place_suggests_another():
    with pytest.raises(RunFolderError, match="cannot write here .* --out"), RunFolder(Path("/proc/prsbench")).driver_lock():
        pass


def test_every_failed_attempt_is_stored_and_the_last_one_counts(tmp_path):
    folder = NodeFolder(tmp_path)
    assert folder.last_failure is None
    folder.record_attempt({"kind": "failed", "error": "first"})
    NodeFolder(tmp_path).record_attempt({"kind": "skipped", "error": "second"})
    assert NodeFolder(tmp_path).last_failure["error"] == "second"
    with folder.lock():
        folder.record_attempt({"kind": "done"})
    assert folder.last_failure is None
    assert len(json.loads((tmp_path / "attempts.json").read_text())["attempts"]) == 3


def test_a_folder_reads_each_file_once_and_again_after_it_wrote_or_deleted_it_or_took_the_lock(tmp_path):
    folder, other = NodeFolder(tmp_path), NodeFolder(tmp_path)
    assert folder.read("a.json") is None
    other.write("a.json", {"n": 1})
    assert folder.read("a.json") is None and NodeFolder(tmp_path).read("a.json") == {"n": 1}
    folder.write("a.json", {"n": (2, 3)})
    assert folder.read("a.json") == {"n": [2, 3]}, "as a reader of the file sees it"
    other.write("a.json", {"n": 4})
    with folder.lock():
        assert folder.read("a.json") == {"n": 4}
    folder.delete("a.json")
    assert folder.read("a.json") is None and not list(tmp_path.glob("*.json"))

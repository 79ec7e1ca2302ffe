"""Files that are never half there, seals, and locks."""

import json
import os
import platform
from pathlib import Path

import pytest
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.engine.store.json_files import read_json, write_json
from prsbench.harness.engine.store.run_folder import RunFolder, digest_of, last_failure, record_attempt, seal_folder


def test_a_write_that_breaks_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"n": 1})
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"half")
    assert read_json(path) == {"n": 1}


def test_no_file_is_none_and_a_damaged_one_an_error_with_its_cure(tmp_path):
    assert read_json(tmp_path / "none.json") is None
    (tmp_path / "bad.json").write_text('{"n": ')
    with pytest.raises(RunFolderError, match="bad.json is damaged.*Delete the folder"):
        read_json(tmp_path / "bad.json")


def test_a_folder_is_sealed_by_the_bytes_of_its_files_wherever_it_lies(tmp_path):
    for name in ("one", "two"):
        partial = tmp_path / name / "weights.partial"
        (partial / "deep").mkdir(parents=True)
        (partial / "deep" / "a.bin").write_bytes(b"12")
        assert digest_of(tmp_path / name) is None
        seal_folder(partial, tmp_path / name / "weights", {"key": "k"})
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "two")
    assert read_json(tmp_path / "one" / "sealed.json")["key"] == "k"
    assert not (tmp_path / "one" / "weights.partial").exists()


def test_weights_of_an_attempt_killed_before_its_seal_are_replaced(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "old.bin").write_bytes(b"0")
    (tmp_path / "weights.partial").mkdir()
    (tmp_path / "weights.partial" / "new.bin").write_bytes(b"1")
    seal_folder(tmp_path / "weights.partial", tmp_path / "weights", {})
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["new.bin"]


def test_the_driver_lock_ends_with_its_holder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.driver_lock(), pytest.raises(RunFolderError, match=f"process {os.getpid()}"), folder.driver_lock():
        pass
    with folder.driver_lock():
        assert (tmp_path / "run" / ".driver.lock").read_text() == f"{os.getpid()} on {platform.node()}"


def test_a_run_folder_that_cannot_be_made_says_where_else_to_go(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write here .* --out"), RunFolder(tmp_path / "file" / "run").driver_lock():
        pass


def test_a_place_where_nobody_may_write_says_where_else_to_go():
    with pytest.raises(RunFolderError, match="cannot write here .* --out"), RunFolder(Path("/proc/prsbench")).driver_lock():
        pass


def test_every_failed_attempt_is_kept_and_the_last_one_counts(tmp_path):
    assert last_failure(tmp_path) is None
    record_attempt(tmp_path, {"kind": "failed", "error": "first"})
    record_attempt(tmp_path, {"kind": "skipped", "error": "second"})
    assert last_failure(tmp_path)["error"] == "second"
    record_attempt(tmp_path, {"kind": "done"})
    assert last_failure(tmp_path) is None
    assert len(json.loads((tmp_path / "attempts.json").read_text())["attempts"]) == 3

"""The same content has the same hash; one operator or byte more has another."""

import hashlib
import importlib
import os

import pytest
from prsbench.harness.contract import files
from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.plan import fingerprints


@pytest.fixture
def hash_of(tmp_path):
    def hash_of(text, name="code.py"):
        (tmp_path / name).write_text(text)
        fingerprints._module_hash.cache_clear()
        return fingerprints.code_hashes([str(tmp_path / name)])[str(tmp_path / name)]

    yield hash_of
    fingerprints._module_hash.cache_clear()


def test_an_operator_counts_and_a_comment_or_docstring_does_not(hash_of):
    first = hash_of("x = 1 + 2\n")
    assert hash_of("x = 1 - 2\n") != first
    assert hash_of('"""What it is."""\n\n# why\nx = 1 + 2  # three\n') == first


def test_a_weight_package_counts_by_the_bytes_it_carries_and_by_its_absence(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = PackagedFile("some_weights", "some-weights==1", "model.bin", "")
    assert _packaged(file) == "not installed"
    (tmp_path / "some_weights").mkdir()
    assert _packaged(file) == "not installed", "a package without the file"
    (tmp_path / "some_weights" / "model.bin").write_bytes(b"1")
    assert _packaged(file) == hashlib.sha256(b"1").hexdigest()


def _packaged(file):
    importlib.invalidate_caches()
    fingerprints.packaged_hash.cache_clear()
    return fingerprints.packaged_hash(file)


def test_a_checkpoint_counts_by_its_bytes_and_not_by_its_place(tmp_path):
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.bin").write_bytes(b"1")
    assert fingerprints.checkpoint_hash(tmp_path / "here") == fingerprints.checkpoint_hash(tmp_path / "there")
    (tmp_path / "changed.bin").write_bytes(b"2")
    assert fingerprints.checkpoint_hash(tmp_path / "here" / "a.bin") != fingerprints.checkpoint_hash(tmp_path / "changed.bin")
    assert fingerprints.checkpoint_hash(tmp_path / "nowhere") == "not there"


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A file that counts as large, and the list of files that were hashed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "LARGE_BYTES", 4)
    monkeypatch.setattr(files, "AT_REST_NS", -1)
    hashed = []
    monkeypatch.setattr(files, "file_hash", lambda path: hashed.append(path) or hashlib.sha256(path.read_bytes()).hexdigest())
    path = tmp_path / "large.bin"
    path.write_bytes(b"12345")
    return path, hashed


def test_a_large_file_is_hashed_once_until_it_changes_even_if_its_size_and_its_time_stay(large):
    path, hashed = large
    first = files.remembered_hash(path)
    assert files.remembered_hash(path) == first and len(hashed) == 1
    before = path.stat()
    path.write_bytes(b"54321")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files.remembered_hash(path) != first and len(hashed) == 2


def test_many_small_files_are_read_once_together_until_one_changes_or_goes(large, tmp_path):
    _, hashed = large
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(b"12")
    first = files.remembered_hash(*paths)
    assert files.remembered_hash(*paths) == first and hashed == paths
    paths[1].write_bytes(b"21")
    second = files.remembered_hash(*paths)
    assert second != first and len(hashed) == 6
    paths[2].unlink()
    assert files.remembered_hash(*paths) not in (first, second)
    assert files.remembered_hash(*reversed(paths)) != files.remembered_hash(*paths), "which file holds what counts"


def test_a_hash_that_was_kept_is_not_trusted_if_it_cannot_be_read_or_is_of_a_file_just_written(large, tmp_path, monkeypatch):
    path, _ = large
    first = files.remembered_hash(path)
    kept = next((tmp_path / "cache").rglob("*.json"))
    for content in ("", "[]", "{}", '{"state": 1, "sha256": "0"}'):
        kept.write_text(content)
        assert files.remembered_hash(path) == first
    kept.unlink()
    monkeypatch.setattr(files, "AT_REST_NS", 10**12)
    files.remembered_hash(path)
    assert not kept.exists(), "written moments ago: another write may leave its times as they are"


def test_code_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match="No Python module is called 'prsbench.nowhere'"):
        fingerprints.code_hashes(["prsbench.nowhere"])

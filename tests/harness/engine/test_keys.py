"""The same content has the same key; one byte more has another."""

import hashlib
import importlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine import keys

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.dictionaries(st.text(), VALUES, max_size=4))
def test_the_order_in_which_a_description_was_written_does_not_count(content):
    assert keys.key_of(content) == keys.key_of(dict(reversed(content.items())))


@given(a=st.dictionaries(st.text(), st.text(), max_size=3), b=st.dictionaries(st.text(), st.text(), max_size=3))
def test_keys_are_equal_only_if_contents_are(a, b):
    assert (keys.key_of(a) == keys.key_of(b)) == (a == b)


@pytest.fixture
def module(tmp_path, monkeypatch):
    def write(folder, text, name="code.py"):
        place = tmp_path / folder / "some_sources"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
        return tmp_path / folder

    def hash_in(folder):
        monkeypatch.setattr(sys, "path", [str(folder)])
        keys._module_hashes.cache_clear()
        return keys.key_of(keys.code_hashes(["some_sources"]))

    yield write, hash_in
    keys._module_hashes.cache_clear()


def test_code_has_the_same_hash_in_another_folder_and_another_one_after_a_byte(module):
    write, hash_in = module
    first = hash_in(write("here", "x = 1\n"))
    assert hash_in(write("there", "x = 1\n")) == first
    assert hash_in(write("there", "x = 1 \n")) != first
    assert hash_in(write("here", "x: 1", "config.yaml")) != first, "a package's data files count"


def test_compiled_files_and_prose_do_not_count(module):
    write, hash_in = module
    first = hash_in(write("here", "x = 1\n"))
    assert hash_in(write("here", "What it is.", "README.md")) == first
    cache = write("here", "x = 1\n") / "some_sources" / "__pycache__"
    cache.mkdir()
    (cache / "code.cpython-311.pyc").write_bytes(b"1")
    assert hash_in(cache.parents[1]) == first


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
    keys.packaged_hash.cache_clear()
    return keys.packaged_hash(file)


def test_a_checkpoint_counts_by_its_bytes_and_not_by_its_place(tmp_path):
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.bin").write_bytes(b"1")
    assert keys.checkpoint_hash(tmp_path / "here") == keys.checkpoint_hash(tmp_path / "there")
    (tmp_path / "changed.bin").write_bytes(b"2")
    assert keys.checkpoint_hash(tmp_path / "here" / "a.bin") != keys.checkpoint_hash(tmp_path / "changed.bin")
    assert keys.checkpoint_hash(tmp_path / "nowhere") == "not there"


def test_sources_that_are_not_there_are_an_error(module):
    with pytest.raises(ConfigError, match="No module is called 'prsbench.nowhere'"):
        keys.code_hashes(["prsbench.nowhere"])

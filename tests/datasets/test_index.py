"""The index: nothing is read twice, whatever changes is seen, and a damaged index is read past."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prsbench.datasets import index, official_reader, picture_files, processes
from prsbench.datasets.index import open_root_indexed, read_index, write_index
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.official_writer import write_modality
from prsbench.datasets.questions import target_of
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import DataKind

LONG_AGO = time.time() - 3600


@pytest.fixture
def root(tmp_path, make_items) -> Path:
    """Two modalities, all of whose files and folders were written an hour ago."""
    root = tmp_path / "root"
    for modality in ("lung_ct", "skin_rgb"):
        write_modality(root, modality, target_of(modality), "a", DataKind.REAL, make_items(8), 0)
    rest(root)
    return root


def rest(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture(autouse=True)
def _times_of_change_are_old(monkeypatch):
    """The time of the last change cannot be set: here it is that of the last writing."""
    for module in (index, picture_files):
        facts = module.file_facts
        monkeypatch.setattr(module, "file_facts", lambda path, facts=facts: [*(found := facts(path))[:4], found[3]])


@pytest.fixture
def count(monkeypatch):
    """How often tables were parsed, files hashed and images decoded since the last look."""
    counts = {"parsed": 0, "hashed": 0, "decoded": 0}

    def counted(module, name, key):
        function = getattr(module, name)

        def call(*arguments):
            counts[key] += 1
            return function(*arguments)

        monkeypatch.setattr(module, name, call)

    counted(index, "read_root", "parsed")
    counted(picture_files, "file_hash", "hashed")
    counted(picture_files, "read_image", "decoded")

    def look():
        found = tuple(counts.values())
        counts.update(dict.fromkeys(counts, 0))
        return found

    return look


def opened(root: Path, *places: Path, trust_times: bool = True):
    """Open, check and store, as a driver does; the manifests of all data sets."""
    found = open_root_indexed(root, places, trust_times)
    for dataset in found.datasets:
        dataset.check()
    write_index(found, places)
    return manifests(found.datasets)


def manifests(datasets):
    return {(d.name, split): d.manifest(split) for d in datasets for split in d.splits}


def n_pictures(root: Path) -> int:
    return len(list(root.rglob("*_images/*")))


def test_the_second_time_nothing_is_parsed_hashed_or_decoded_and_the_manifests_are_the_same(root, tmp_path, count):
    first, n = opened(root, tmp_path / "cache"), n_pictures(root)
    assert count() == (1, 2 * n, n)
    assert opened(root, tmp_path / "cache") == first == manifests(open_root(root))
    assert count()[0] == 0, "the comparison above parses on its own"
    opened(root, tmp_path / "cache")
    assert count() == (0, 0, 0)


def test_without_trust_in_times_every_file_is_hashed_again_and_none_decoded(root, tmp_path, count):
    first, n = opened(root, tmp_path), n_pictures(root)
    count()
    assert opened(root, tmp_path, trust_times=False) == first
    assert count() == (0, 2 * n, 0)


def test_bytes_changed_under_the_same_size_and_times_are_found_without_trust_in_times(root, tmp_path):
    first = opened(root, tmp_path)
    image = next(root.rglob("*_images/*"))
    damaged = bytearray(image.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    image.write_bytes(damaged)
    rest(root)
    assert opened(root, tmp_path) == first, "it is the reason for --trust-mtime no"
    with pytest.raises(DataError, match=image.name):
        opened(root, tmp_path, trust_times=False)


@pytest.mark.parametrize("kind", ["written", "replaced", "touched"])
def test_a_changed_picture_file_alone_is_read_again(root, tmp_path, count, kind, pictures):
    first = opened(root, tmp_path)
    image, other = sorted(root.rglob("lung_CT/test_images/*"))[0], sorted(root.rglob("lung_CT/train_images/*"))[0]
    count()
    if kind == "written":
        pictures.file(image, pictures.image(99))
    elif kind == "replaced":  # with size and times of the old one: another inode
        shutil.copy(other, image.with_name("new"))
        image.with_name("new").replace(image)
        rest(root)
    else:
        os.utime(image)
    later = opened(root, tmp_path)
    parsed, hashed, decoded = count()
    assert hashed == 2 and decoded == (kind != "touched")
    assert (later == first) == (kind == "touched")


def test_a_file_written_just_before_it_is_hashed_is_hashed_again(root, tmp_path, count):
    os.utime(next(root.rglob("*_images/*")))
    opened(root, tmp_path)
    count()
    opened(root, tmp_path)
    assert count() == (0, 2, 0), "another writing within the clock's tick would leave no trace"


@pytest.mark.parametrize("change", ["table", "card", "new table", "new candidate"])
def test_whatever_the_rows_follow_from_is_seen(root, tmp_path, count, change):
    opened(root, tmp_path)
    count()
    table = next(root.glob("*.csv"))
    if change == "table":
        text = table.read_text(encoding="utf-8")
        table.write_text(text.replace("?", " please?", 1), encoding="utf-8")
    elif change == "card":
        (root / "prsbench.json").write_text((root / "prsbench.json").read_text() + "\n")
    elif change == "new table":
        shutil.copy(table, root / "copy.csv")
    else:
        (next(root.rglob("test_images")) / "other.png").write_bytes(b"")
    rest(root)
    if change == "new candidate":
        os.utime(next(root.rglob("test_images")), (LONG_AGO + 60, LONG_AGO + 60))
    found = open_root_indexed(root, [tmp_path])
    assert count() == (1, 0, 0), "parsed again, but no picture read"
    assert manifests_or_problems(found.datasets) == manifests_or_problems(open_root(root))


def manifests_or_problems(datasets):
    return [dataset.table_problems or manifests([dataset]) for dataset in datasets]


def test_a_faulty_table_is_never_taken_from_an_index(root, tmp_path, count):
    mask = next(root.rglob("*_masks/*"))
    mask.rename(tmp_path / "mask")
    for _ in range(2):
        with pytest.raises(DataError, match="expected a mask, found no such file"):
            opened(root, tmp_path)
    (tmp_path / "mask").rename(mask)
    assert opened(root, tmp_path) == manifests(open_root(root))


def test_an_index_of_other_code_counts_as_missing(root, tmp_path, count, monkeypatch):
    opened(root, tmp_path)
    monkeypatch.setattr(index, "_CODE", "another version")
    count()
    opened(root, tmp_path)
    assert count()[0] == 1 and read_index(root, tmp_path) is not None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_index_is_read_past_or_gives_what_was_written(root, tmp_path, data):
    first = opened(root, tmp_path / "sound")
    (file,) = (tmp_path / "sound").iterdir()
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "damaged").mkdir(exist_ok=True)
    (tmp_path / "damaged" / file.name).write_bytes(content)
    known = read_index(root, tmp_path / "damaged")
    assert known is None or manifests(known) == first
    assert opened(root, tmp_path / "damaged") == first
    assert manifests(read_index(root, tmp_path / "damaged")) == first, "it is written anew"


def test_two_processes_may_write_at_once(root, tmp_path):
    first = opened(root, tmp_path / "one")
    found = open_root_indexed(root, [tmp_path / "one"])
    for dataset in found.datasets:
        dataset.files.has_learned = True
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda _: write_index(found, [tmp_path / "one"]), range(20)):
            assert manifests(read_index(root, tmp_path / "one")) == first


def test_a_worker_reads_the_index_alone_and_refuses_a_picture_that_changed_since(root, tmp_path, count, monkeypatch):
    first = opened(root, tmp_path)
    count()
    monkeypatch.setattr(picture_files.PictureFiles, "compare", lambda self: pytest.fail("looked at every file"))
    (dataset,) = read_index(root, tmp_path, {"lung_CT"})
    assert dataset.manifest("test") == first["lung_CT", "test"] and count() == (0, 0, 0)
    assert dataset.sample_ids("test") == [row.sample_id for row in first["lung_CT", "test"]]
    assert dataset.answers("test") == {row.sample_id: row.answer for row in first["lung_CT", "test"]}
    samples = dataset.samples("test")
    assert np.array_equal(samples[0].truth.mask, open_root(root)[0].samples("test")[0].truth.mask)
    last = samples.rows[len(samples) - 1].image
    last.write_bytes(last.read_bytes() + b"\0")
    with pytest.raises(DataError, match=f"{last.name}: changed since the data were checked. Run again"):
        samples[len(samples) - 1]


def test_an_index_that_cannot_be_stored_costs_only_time(root, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert opened(root, tmp_path / "file" / "place") == manifests(open_root(root))


def test_an_index_in_the_cache_is_copied_to_the_run_folder(root, tmp_path, count):
    opened(root, tmp_path / "cache")
    count()
    opened(root, tmp_path / "run", tmp_path / "cache")
    assert count() == (0, 0, 0)
    assert read_index(root, tmp_path / "run") is not None


def test_many_pictures_are_checked_by_several_processes_with_the_same_outcome(root, tmp_path, monkeypatch):
    one_by_one = opened(root, tmp_path / "one")
    monkeypatch.setattr(picture_files, "_IN_PARALLEL", 2)
    said: list[str] = []
    found = open_root_indexed(root, [])
    for dataset in found.datasets:
        dataset.check(said.append)
    processes.end_processes()
    assert manifests(found.datasets) == one_by_one
    assert [line.split(" in ")[0] for line in said] == [f"Checking 8 pictures of {d.name}" for d in found.datasets]


def test_the_reader_and_the_index_have_the_same_tables(root):
    assert [str(table) for table in official_reader.tables_of(root, "*")] == sorted(index._tables(root))

"""records.jsonl under kills, power cuts and damage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import DataKind, Point
from prsbench.harness.engine.store.journal import append_batch, open_for_resume, read_lines
from prsbench.harness.engine.store.record_files import StoredRecords
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps

BATCH, TOTAL = 3, 8


def record(number):
    mask = np.arange(12).reshape(3, 4) % (number + 2) == 0
    return Record(
        sample_id=f"skin_rgb/{number}#0",
        group="g",
        modality="skin_rgb",
        data_kind=DataKind.SYNTHETIC,
        status="ok",
        error="",
        question="Wo? \u2028 \n {}",
        reference_answer='"top left"',
        answer="Größe",
        height=3,
        width=4,
        position=("top left",),
        near_centre=True,
        position_of_centroid="top left",
        truth_centroid=Point(0.1 + number, -0.2),
        predicted_centroid=None,
        counts=count_maps(grey_maps(mask.astype(np.float32) * np.float32(0.7)), mask),
        seconds=0.125,
    )


RECORDS = [record(number) for number in range(TOTAL)]


def plain(records):
    return [item.to_json() for item in records]


def write(path, records):
    path.unlink(missing_ok=True)
    for start in range(0, len(records), BATCH):
        append_batch(path, records[start : start + BATCH])
    return path.read_bytes() if records else b""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "records.jsonl"


def test_records_read_one_at_a_time_are_those_that_were_written(path):
    write(path, RECORDS)
    stored = StoredRecords(path)
    assert len(stored) == TOTAL and plain(stored) == plain(stored) == plain(RECORDS)
    assert plain([stored[2], stored[-1], *stored[3:5]]) == plain([RECORDS[2], RECORDS[-1], *RECORDS[3:5]])


def test_a_line_that_changes_after_the_file_was_checked_is_an_error_when_it_is_read(path):
    data = bytearray(write(path, RECORDS))
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(RunFolderError, match=r"records.jsonl line \d is damaged"):
        list(StoredRecords(path))


def test_records_come_back_as_they_were(path):
    write(path, RECORDS)
    assert plain(read_lines(path, Record, BATCH, TOTAL)) == plain(RECORDS)


def test_no_file_is_no_records(tmp_path):
    assert open_for_resume(tmp_path / "records.jsonl", Record, BATCH, TOTAL) == []


@given(written=st.integers(1, TOTAL), data=st.data())
def test_a_file_cut_anywhere_in_its_last_batch_resumes_at_a_batch_and_ends_the_same(path, written, data):
    whole = write(path, RECORDS)
    last_batch = (written - 1) // BATCH * BATCH
    start, end = (len(write(path, RECORDS[:n])) for n in (last_batch, written))
    path.write_bytes(whole[: data.draw(st.integers(start, end))])
    resumed = open_for_resume(path, Record, BATCH, TOTAL)
    assert plain(resumed) == plain(RECORDS[: len(resumed)]) and (len(resumed) % BATCH == 0 or len(resumed) == TOTAL)
    assert len(resumed) >= last_batch
    for first in range(len(resumed), TOTAL, BATCH):
        append_batch(path, RECORDS[first : first + BATCH])
    assert path.read_bytes() == whole


@given(data=st.data())
def test_a_changed_byte_is_never_read_as_a_record(path, data):
    whole = bytearray(write(path, RECORDS))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    last_batch = len(b"".join(bytes(whole).splitlines(keepends=True)[:6]))
    try:
        found = read_lines(path, Record, BATCH, TOTAL)
    except RunFolderError as error:
        found, message = None, str(error)
    if found is None:
        assert "Delete its folder" in message
    else:
        assert plain(found) == plain(RECORDS[:6]), "only the last batch may be dropped in silence"
        assert position >= last_batch - 1


def test_a_damaged_line_before_the_last_batch_is_an_error_that_names_its_line(path):
    lines = write(path, RECORDS).splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1].replace(b"top", b"pot"), *lines[2:]]))
    with pytest.raises(RunFolderError, match="line 2 is damaged"):
        open_for_resume(path, Record, BATCH, TOTAL)


def test_more_lines_than_samples_are_an_error(path):
    write(path, RECORDS)
    with pytest.raises(RunFolderError, match="8 lines for 4 samples"):
        read_lines(path, Record, BATCH, 4)

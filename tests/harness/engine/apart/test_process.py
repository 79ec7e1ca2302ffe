"""Code in a process of its own: its answers arrive, and nothing that it does to its process reaches ours."""

import gc
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import functions_apart as functions
import numpy as np
import pytest
from prsbench.harness.contract.files import cache_folder
from prsbench.harness.engine.apart.process import Apart, ProcessEnded, Raised, peak_memory_bytes


@pytest.fixture(scope="module")
def apart():
    return Apart()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_arrays_and_texts_come_back_as_they_were(apart):
    answer = apart.call(functions.doubled, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert answer["twice"][0].dtype == np.float32 and answer["twice"][0].tolist() == [[0, 2, 4], [6, 8, 10]]
    assert answer["text"] == "half a character: \ud83d"


def test_the_process_has_our_path_no_input_and_another_number(apart):
    assert apart.call(functions.prepared) == {"path": sys.path, "pid": apart.call(os.getpid), "stdin": ""}
    assert apart.call(os.getpid) != os.getpid()


def test_what_is_printed_goes_to_the_log_that_ours_goes_to_at_the_time(apart, tmp_path):
    for name in ("one", "two"):
        with (tmp_path / name).open("w") as log, redirect_stdout(log):
            apart.call(functions.doubled, np.zeros(1))
    assert [(tmp_path / name).read_text() for name in ("one", "two")] == ["doubling\n"] * 2


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        (functions.fail, Raised, r"ValueError: a bad value \\ud83d"),
        (functions.leave, Raised, "SystemExit: 0. sys.exit ends a whole process: raise an error in its place"),
        (functions.fill_the_disk, OSError, "No space left on device: weights.bin"),
    ],
)
def test_an_exception_arrives_as_text_and_the_process_goes_on(apart, function, kind, said):
    with pytest.raises(kind, match=said):
        apart.call(function)
    assert apart.call(len, [1]) == 1


def test_no_object_of_a_foreign_class_is_made_here(apart, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Raised, match="float32 cannot be sent"):
        apart.call(functions.strange)
    assert list(tmp_path.iterdir()) == []


def test_a_fork_that_comes_back_does_not_answer_twice(apart):
    assert apart.call(functions.fork) == "from the process"
    assert apart.call(len, "abc") == 3


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (functions.die, "exit code 0: os._exit"),
        (functions.crash, "killed by SIGSEGV"),
        (functions.die_with_a_child_that_stays, "exit code 7"),
    ],
)
def test_a_process_that_ends_says_how_and_does_not_come_back(function, said):
    process = Apart()
    for _ in range(2):
        with pytest.raises(ProcessEnded, match=said):
            process.call(function)


def test_a_call_that_takes_too_long_ends_with_its_process():
    process = Apart()
    pid = process.call(os.getpid)
    with pytest.raises(ProcessEnded, match="took longer than 0 s"):
        process.call(functions.hang, timeout_s=0.1)
    assert not is_alive(pid)


def test_the_last_reference_ends_the_process_whatever_threads_it_left():
    process = Apart()
    pid = process.call(functions.leave_a_thread)
    assert is_alive(pid)
    del process
    gc.collect()
    assert not is_alive(pid)


def test_a_process_does_not_outlive_the_one_that_started_it():
    grand = Apart().call  # keeps the process alive
    pid, starter = grand(functions.start_another), grand(os.getpid)
    os.kill(starter, 9)
    give_up = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_nothing_is_read_from_or_stored_in_the_cache_that_other_processes_trust(apart):
    assert apart.call(functions.use_the_cache) == [True, False]
    assert cache_folder().is_relative_to(os.environ["XDG_CACHE_HOME"])


def test_its_memory_counts_as_ours(apart):
    apart.call(functions.doubled, np.zeros(1))
    assert peak_memory_bytes() > 10 * 2**20

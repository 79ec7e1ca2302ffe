"""Decoding ahead and storing behind the model change no byte, no order and no failure."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker import overlap as overlap_module
from prsbench.harness.engine.worker import prediction
from prsbench.harness.engine.worker.overlap import Overlap

BATCHES = [range(4), range(4, 8), range(8, 9)]


def decode(numbers):
    return list(numbers)


def size_of(_):
    return 1


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("threads", [0, 1, 3, 99])
@pytest.mark.parametrize("room", [0, 4, 10**9])
def test_items_come_batch_by_batch_in_order_and_no_room_is_taken_afterwards(device, threads, room, monkeypatch):
    monkeypatch.setattr(overlap_module, "AHEAD_BYTES", room)
    with Overlap(device, threads) as overlap:
        assert list(overlap.decoded(decode, BATCHES, size_of)) == [list(batch) for batch in BATCHES]
        assert list(overlap.decoded(decode, [], size_of)) == []
        assert list(overlap.map(lambda a, b: a * b, [1, 2, 3], [4, 5, 6])) == [4, 10, 18]
        stopped = overlap.decoded(decode, BATCHES, size_of)
        assert next(stopped) == [0, 1, 2, 3]
        stopped.close()
    assert overlap_module._ahead_bytes == 0


def test_the_next_batch_is_decoded_while_the_model_works_on_a_gpu_and_not_on_a_cpu():
    decoded = {number: threading.Event() for number in range(9)}

    def mark(numbers):
        for number in numbers:
            decoded[number].set()
        return list(numbers)

    with Overlap("cuda", 2) as overlap:
        first = overlap.decoded(mark, BATCHES, size_of)
        next(first)
        assert decoded[7].wait(30) and not decoded[8].is_set(), "one batch ahead, no more"
    decoded[7].clear()
    with Overlap("cpu", 2) as overlap:
        next(overlap.decoded(mark, BATCHES, size_of))
        assert not decoded[7].is_set() and not any(isinstance(value, ThreadPoolExecutor) for value in vars(overlap).values())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_error_in_decoding_reaches_the_one_who_asks_for_that_batch(device):
    def fail_on_5(numbers):
        if 5 in numbers:
            raise ValueError("d.png")
        return list(numbers)

    with Overlap(device, 2) as overlap:
        decoded = overlap.decoded(fail_on_5, BATCHES, size_of)
        assert next(decoded) == [0, 1, 2, 3]
        with pytest.raises(ValueError, match=r"d\.png"):
            next(decoded)


def test_an_error_in_writing_is_raised_by_who_waits_and_the_end_waits_for_what_was_begun():
    written = []
    with Overlap("cuda", 2) as overlap:
        failing = overlap.begin(lambda: 1 / 0)
        for number in range(20):
            overlap.begin(lambda number=number: written.append(number))
        with pytest.raises(ZeroDivisionError):
            failing()
    assert written == list(range(20)), "in the order in which they were begun"


METHODS = ["bright", "boxed", "echo", {"jittered": {"breaks_on": "test5", "fits": 1}}]


@pytest.fixture
def go(stand_ins, tmp_path):
    data = stand_ins.write_data(tmp_path / "data", ("skin_rgbimage",), (("train", 3), ("val", 2), ("test", 7)), empty=(3,))

    def run(name):
        found = run_grid(stand_ins.make_grid(data, METHODS), stand_ins.REGISTRY, RunFolder(tmp_path / name), str, "serial")
        return found, {cell.folder: found.setting.run.cell(cell.folder) for cell in found.plan.cells}

    return run


def test_a_run_that_overlaps_ends_in_the_same_maps_and_numbers_as_one_that_does_not(go, stand_ins, monkeypatch):
    plain, folders = go("plain")
    monkeypatch.setattr(prediction, "Overlap", lambda *_: Overlap("cuda", 3))
    beside, same_folders = go("beside")
    assert stand_ins.numbers(plain) == stand_ins.numbers(beside) and folders.keys() == same_folders.keys()
    for name, folder in folders.items():
        assert (folder / "maps.bin").read_bytes() == (same_folders[name] / "maps.bin").read_bytes()


def test_a_full_disk_met_while_the_next_batch_is_predicted_ends_the_cell_and_the_next_run_resumes_it(go, stand_ins, monkeypatch):
    plain, _ = go("plain")
    monkeypatch.setattr(prediction, "Overlap", lambda *_: Overlap("cuda", 3))
    append, count = prediction.append_batch, [0]

    def full(path, batch):
        count[0] += 1
        if count[0] == 2:
            raise OSError(28, "No space left on device", str(path))
        append(path, batch)

    monkeypatch.setattr(prediction, "append_batch", full)
    with pytest.raises(Exception, match="No space left"):
        go("full")
    assert stand_ins.numbers(go("full")[0]) == stand_ins.numbers(plain)

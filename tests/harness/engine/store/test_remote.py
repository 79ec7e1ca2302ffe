"""A run folder on a filesystem that is no disk: fsspec's memory."""

import json
import shutil
import threading
import time

import fsspec
import pytest
from prsbench.harness.contract.errors import ConfigError, RunFolderError
from prsbench.harness.contract.results import ResultStatus
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.plan import planning
from prsbench.harness.engine.store import remote
from prsbench.harness.engine.store.remote import LEASE, RemoteRunFolder
from prsbench.harness.engine.store.run_folder import SEAL

URL = "memory://bucket/run"
METHODS = ["bright", "trained", "echo"]


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setattr(remote, "BEATS_S", 0.05)
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def go(stand_ins, data_root, tmp_path, memory):
    def run(local="here", methods=METHODS, said=None):
        folder = RemoteRunFolder(URL, tmp_path / local)
        say = [].append if said is None else said.append
        return run_grid(stand_ins.make_grid(data_root, methods), stand_ins.REGISTRY, folder, say, "serial")

    return run


def predicted(tmp_path):
    return [line for line in (tmp_path / "log.txt").read_text().splitlines() if "test" in line or line == "fit"]


def test_another_machine_resumes_from_the_url_and_computes_nothing_finished_again(go, stand_ins, tmp_path, memory):
    first = stand_ins.numbers(go())
    work = predicted(tmp_path)
    shutil.rmtree(tmp_path / "here")
    again = go("there")
    assert again.status == "complete" and stand_ins.numbers(again) == first and predicted(tmp_path) == work
    assert not memory.exists(f"{URL}/{LEASE}"), "the run is free again"


def test_a_reader_of_the_url_alone_sees_the_run(go, stand_ins, tmp_path, memory):
    expected = stand_ins.numbers(go())
    memory.get(URL, str(tmp_path / "copy"), recursive=True)
    assert stand_ins.numbers(open_run(tmp_path / "copy")) == expected


def test_a_run_stopped_half_way_has_its_finished_nodes_at_the_url(go, stand_ins, tmp_path, monkeypatch):
    def stop(self, samples, answers):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stand_ins.Echo, "predict_from_truth", stop)
        with pytest.raises(KeyboardInterrupt):
            go()
    assert "fit" in predicted(tmp_path)
    shutil.rmtree(tmp_path / "here")
    assert go("there").status == "complete"
    assert len(set(predicted(tmp_path))) == len(predicted(tmp_path)), "no sample of a finished cell is predicted again"


@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["empty", "half"])
@pytest.mark.parametrize("name", remote._LATE)
def test_a_seal_that_a_kill_cut_short_counts_as_not_written_and_only_what_it_declares_is_done_again(
    go, stand_ins, tmp_path, memory, name, kept
):
    first, work = stand_ins.numbers(go()), predicted(tmp_path)
    cut = next(found for found in memory.find(f"{URL}/cells") if found.endswith(f"/{name}"))
    written = memory.cat_file(cut)
    memory.pipe_file(cut, written[: int(len(written) * kept)])
    again = go("there")
    assert again.status == "complete" and stand_ins.numbers(again) == first
    assert (predicted(tmp_path) != work) == (name == SEAL), "without its seal alone, the cell is predicted again"
    assert json.loads(memory.cat_file(cut)), "it is whole again at the URL"


@pytest.mark.parametrize("name", remote._LATE)
def test_a_machine_that_was_killed_while_it_sent_a_seal_sends_it_again(go, tmp_path, memory, name):
    go()
    work = predicted(tmp_path)
    cut = next(found for found in memory.find(f"{URL}/cells") if found.endswith(f"/{name}"))
    written = memory.cat_file(cut)
    memory.pipe_file(cut, written[:-9])
    go()
    assert memory.cat_file(cut) == written and predicted(tmp_path) == work


@pytest.mark.parametrize("name", remote._LATE)
def test_a_seal_that_was_changed_at_the_url_still_fails_its_row(go, memory, name):
    go()
    changed = next(found for found in memory.find(f"{URL}/cells") if found.endswith(f"/{name}"))
    stored = json.loads(memory.cat_file(changed))
    memory.pipe_file(changed, json.dumps({**stored, next(iter(stored)): "another"}).encode())
    failed = [cell.error for cell in results(go("there")) if cell.status is ResultStatus.FAILED]
    assert [name in error and "not what was written" in error for error in failed] == [True]


@pytest.mark.parametrize("lease", [json.dumps({"driver": "other", "beat": 1}).encode(), b""], ids=["whole", "being written"])
def test_a_second_driver_refuses_while_the_first_shows_life_and_takes_over_when_it_does_not(go, memory, monkeypatch, lease):
    memory.pipe_file(f"{URL}/{LEASE}", lease)

    def beat(seconds):
        memory.pipe_file(f"{URL}/{LEASE}", json.dumps({"driver": "other", "beat": 2}).encode())

    with monkeypatch.context() as patched:
        patched.setattr(remote.time, "sleep", beat)
        with pytest.raises(RunFolderError, match="another driver works in this run folder"):
            go()
    memory.pipe_file(f"{URL}/{LEASE}", lease)
    assert go().status == "complete", "a lease that stands still is of a driver that is gone"


def test_a_driver_that_was_taken_over_stops_and_writes_nothing_more(go, stand_ins, memory, monkeypatch):
    def taken(self, samples, answers):
        memory.pipe_file(f"{URL}/{LEASE}", json.dumps({"driver": "other", "beat": 1}).encode())
        return [None] * len(samples)

    monkeypatch.setattr(stand_ins.Echo, "predict_from_truth", taken)
    with pytest.raises(RunFolderError, match="another driver has taken over this run"):
        go(methods=["echo"])
    assert not [name for name in memory.find(URL) if "/cells/" in name]
    assert json.loads(memory.cat_file(f"{URL}/{LEASE}"))["driver"] == "other"


def test_a_driver_never_takes_its_own_half_written_beat_for_a_takeover(memory, tmp_path, monkeypatch):
    write, emptied = memory.pipe_file, threading.Event()

    def write_slowly(name, data):
        write(name, b"")
        emptied.set()
        time.sleep(0.02)
        write(name, data)

    monkeypatch.setattr(remote, "BEATS_S", 0.001)
    monkeypatch.setattr(memory, "pipe_file", write_slowly)
    mirror = remote.Mirror(URL, tmp_path)
    with mirror.lease(print):
        for _ in range(5):
            emptied.clear()
            assert emptied.wait(20) and mirror.is_ours()


def test_a_url_of_no_known_filesystem_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="nosuch://x"):
        RemoteRunFolder("nosuch://x", tmp_path)


def test_a_machine_lost_while_it_sends_what_was_measured_again_leaves_no_new_records_under_an_old_word(
    go, stand_ins, memory, monkeypatch, tmp_path
):
    first = stand_ins.numbers(go(methods=["bright"]))
    made, write = planning.code_hashes, remote.Mirror._write
    changed = "prsbench.metrics.mask.counts"
    monkeypatch.setattr(planning, "code_hashes", lambda names: {n: h + "'" * (n == changed) for n, h in made(names).items()})
    monkeypatch.setattr(stand_ins.Bright, "predict", lambda self, queries: pytest.fail("predicted again"))

    def lost(self, name, data):
        write(self, name, data)
        if name.endswith("records.jsonl"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(remote.Mirror, "_write", lost)
        with pytest.raises(KeyboardInterrupt):
            go(methods=["bright"])
    cells = {name.rpartition("/")[0] for name in memory.find(URL) if name.endswith("records.jsonl")}
    states = {tuple(memory.exists(f"{cell}/{name}") for name in ("sealed.json", "measured.json")) for cell in cells}
    assert states == {(True, False), (True, True)}, "the one that was being sent, and the one that was not yet"
    shutil.rmtree(tmp_path / "here")
    assert stand_ins.numbers(go("there", methods=["bright"])) == first

"""`ray job submit` on a real job server on this machine: safe to repeat, and refused while the first is at work."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time

import pytest
from engine_driver import PLACE, slowly

METHODS = ["bright", "trained", "echo"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def submit(data_root, tmp_path, monkeypatch):
    """Submits the same driver again; gives (whether it succeeded, its output, the samples predicted so far)."""
    pytest.importorskip("aiohttp", reason="the job server needs: pip install 'ray[default]'")
    pytest.importorskip("aiohttp_cors", reason="the job server needs: pip install 'ray[default]'")
    monkeypatch.setenv("PYTHONPATH", str(PLACE), prepend=os.pathsep)
    monkeypatch.setenv("PRSBENCH_TEST_LOG", str(tmp_path / "run.log"))
    monkeypatch.setenv("PRSBENCH_TEST_ADDRESS", "auto")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # a token of our own, or the server asks for the user's
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "300000")  # a busy machine
    server, dashboard, agent = free_port(), free_port(), free_port()
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    head = subprocess.Popen(
        [*ray, "start", "--head", "--block", "--num-cpus=2", f"--port={server}", f"--dashboard-port={dashboard}",
         "--dashboard-host=127.0.0.1", f"--dashboard-agent-listen-port={agent}", "--object-store-memory=100000000",
         "--disable-usage-stats"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    environment = {**os.environ, "RAY_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    driver = [sys.executable, str(PLACE / "engine_stand_ins.py"), str(data_root), str(tmp_path / "run"), "ray"]
    driver += [json.dumps(slowly(METHODS, 0.2)), str(tmp_path / "out.json")]

    def job(*options):
        command = [*ray, "job", "submit", *options, "--", *driver]
        give_up = time.monotonic() + 300
        while True:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
            said = done.stdout + done.stderr
            is_starting = "Failed to connect" in said or "No available agent" in said or "ConnectionError" in said
            if not is_starting or time.monotonic() > give_up:
                return done.returncode == 0, said, predicted()
            time.sleep(2)

    def predicted():
        log = tmp_path / "run.log"
        return [line for line in log.read_text().splitlines() if "test" in line] if log.exists() else []

    job.predicted, job.out = predicted, tmp_path / "out.json"
    yield job
    head.terminate()
    head.wait(timeout=60)


@pytest.mark.slow
def test_a_grid_submitted_twice_is_refused_while_the_first_works_and_computes_nothing_afterwards(submit):
    went, said, _ = submit("--no-wait")
    assert went, said
    give_up = time.monotonic() + 300
    while not submit.predicted() and time.monotonic() < give_up:
        time.sleep(0.2)
    went, said, _ = submit()
    if not submit.out.exists():  # the first is still at work
        assert not went and "another driver (process" in said
    while not submit.out.exists() and time.monotonic() < give_up:
        time.sleep(0.5)
    first = json.loads(submit.out.read_text())
    done = submit.predicted()
    went, said, after = submit()
    assert went and "6 cells, 6 of them finished before." in said and after == done
    assert json.loads(submit.out.read_text()) == first

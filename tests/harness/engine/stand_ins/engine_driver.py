"""Driver processes on one run folder, to be watched and killed by tests."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prsbench.harness.engine.store.journal import PREDICTIONS

BATCH = 2  # of the stand-ins
PLACE = Path(__file__).parent


@contextmanager
def cluster_of(monkeypatch, tmp_path, **facts):
    """A Ray cluster of one node with these facts, whose workers find the stand-ins."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    # Workers of a cluster have the environment its nodes were started in.
    monkeypatch.setenv("PYTHONPATH", str(PLACE), prepend=os.pathsep)
    monkeypatch.setenv("PRSBENCH_TEST_LOG", str(tmp_path / "run.log"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    facts = {"object_store_memory": 80 * 2**20, "include_dashboard": False, **facts}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=facts)
    yield cluster
    cluster.shutdown()


def slowly(methods, seconds=0.05):
    """The same methods, slow enough to be killed at work. Their speed is in the key, so all runs compared use it."""
    named = [{item: {}} if isinstance(item, str) else item for item in methods]
    return [{name: {**keys, "seconds_per_sample": seconds}} for item in named for name, keys in item.items()]


class Driver:
    """Starts driver processes on one run folder."""

    def __init__(self, data_root, folder, methods):
        self._root, self.folder, self._methods = data_root, Path(folder), methods
        self.log, self.out = self.folder.parent / f"{self.folder.name}.log", self.folder.parent / f"{self.folder.name}.json"

    def start(self, executor="serial", **environment):
        command = [sys.executable, str(PLACE / "engine_stand_ins.py"), str(self._root), str(self.folder), executor]
        path = os.pathsep.join(filter(None, [str(PLACE), os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(
            [*command, json.dumps(self._methods), str(self.out)],
            env={**os.environ, "PYTHONPATH": path, "PRSBENCH_TEST_LOG": str(self.log), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, executor="serial", **environment):
        process = self.start(executor, **environment)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return json.loads(self.out.read_text())

    def work(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def wait_for_work(self, lines, process=None):
        """Until the log has so many lines, or the process ended, or a minute is over."""
        give_up = time.monotonic() + 60
        while len(self.work()) < lines and time.monotonic() < give_up and (process is None or process.poll() is None):
            time.sleep(0.005)

    def recorded(self):
        """Log lines of work whose batches are complete on the disk. A kill may leave one line of a batch."""
        done = set()
        for path in self.folder.glob(f"cells/*/{PREDICTIONS}"):
            lines = path.read_bytes().split(b"\n")[:-1]
            for line in lines[: len(lines) // BATCH * BATCH]:
                done.add(f"{path.parent.name.partition('--')[0]} {json.loads(line)['record']['sample_id']}")
        return done

    def workers(self):
        """Ray workers of ours that have loaded a method, by process id."""
        pids = {int(line.split()[1]) for line in self.work() if line.startswith("pid ")}
        return sorted(pid for pid in pids if b"ray::" in _command_of(pid))

    def killed_again_and_again(self, seed, kills, share_of_ray):
        """SIGKILL drivers and Ray workers at random times, then finish.

        Returns:
            The numbers, how many kills met a run at work, and the samples predicted again though their record was on the disk.
        """
        draw, redone, met = random.Random(seed), set(), 0
        for _ in range(kills):
            known, before = (
                self.recorded(),
                len(self.work()),
            )  # in this order: workers of a killed Ray driver may still be at work
            is_ray = draw.random() < share_of_ray
            process = self.start("ray" if is_ray else "serial")
            self.wait_for_work(before + draw.randint(1, 6), process)
            time.sleep(draw.random() * 0.1)
            if is_ray and self.workers() and draw.random() < 0.5:
                _kill(draw.choice(self.workers()))
                time.sleep(draw.random())
            met += process.poll() is None
            _kill(process.pid)
            process.communicate()
            redone |= known & set(self.work()[before:])
        known, before = self.recorded(), len(self.work())
        numbers = self.finish()
        return numbers, met, redone | known & set(self.work()[before:])


def _command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _kill(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

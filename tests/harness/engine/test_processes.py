"""Real driver processes: killed at any moment they lose nothing, and Ray's workers find the same numbers."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from prsbench.harness.engine.journal import RECORDS

DRIVER = "engine_stand_ins.py"
METHODS = ["bright", {"trained": {"fit_seconds": 0.3}}, "jittered", "echo"]
DIES = {"boxed": {"breaks_on": "skin_rgb/test3", "how": "die"}}


def slowly(methods):
    """The same methods, slow enough to be killed at work. Their speed is in the key, so all runs compared use it."""
    named = [{item: {}} if isinstance(item, str) else item for item in methods]
    return [{name: {**keys, "seconds_per_sample": 0.05}} for item in named for name, keys in item.items()]


class Driver:
    """Starts driver processes on one run folder."""

    def __init__(self, stand_ins, data_root, folder, methods):
        self._place = os.path.dirname(stand_ins.__file__)
        self._root, self.folder, self._methods = data_root, folder, methods
        self.log, self.out = folder.parent / f"{folder.name}.log", folder.parent / f"{folder.name}.json"

    def start(self, executor="serial"):
        command = [sys.executable, os.path.join(self._place, DRIVER), str(self._root), str(self.folder), executor]
        path = os.pathsep.join(filter(None, [self._place, os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "PRSBENCH_TEST_LOG": str(self.log)}
        return subprocess.Popen(
            [*command, json.dumps(self._methods), str(self.out)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, executor="serial"):
        process = self.start(executor)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return json.loads(self.out.read_text())

    def work(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def wait_for_work(self, lines):
        give_up = time.monotonic() + 60
        while len(self.work()) < lines and time.monotonic() < give_up:
            time.sleep(0.01)

    def recorded(self):
        """Lines of work whose records are on the disk, as they stand in the log."""
        done = set()
        for path in self.folder.glob(f"cells/*/{RECORDS}"):
            for line in path.read_bytes().split(b"\n")[:-1]:
                done.add(f"{path.parent.name.partition('--')[0]} {json.loads(line)['record']['sample_id']}")
        return done


@pytest.fixture(scope="module")
def undisturbed(data_root, tmp_path_factory):
    import engine_stand_ins

    driver = Driver(engine_stand_ins, data_root, tmp_path_factory.mktemp("undisturbed") / "run", slowly(METHODS))
    return driver.finish()


def test_a_driver_killed_again_and_again_ends_with_the_same_numbers_and_redoes_no_recorded_sample(
    stand_ins, data_root, tmp_path, undisturbed
):
    driver, draw = Driver(stand_ins, data_root, tmp_path / "run", slowly(METHODS)), random.Random(11)
    for _ in range(5):
        process, before = driver.start(), len(driver.work())
        driver.wait_for_work(before + draw.randint(1, 8))
        time.sleep(draw.random() * 0.1)
        process.kill()
        process.wait()
        recorded, at_kill = driver.recorded(), len(driver.work())
    assert driver.finish() == undisturbed
    assert not recorded & set(driver.work()[at_kill:])
    assert recorded, "the kills came too early to show anything"


def test_ray_workers_find_the_same_numbers_and_a_worker_that_dies_is_a_failed_row(stand_ins, data_root, tmp_path, undisturbed):
    found = Driver(stand_ins, data_root, tmp_path / "run", [*slowly(METHODS), DIES]).finish("ray")
    assert found[: len(undisturbed)] == undisturbed
    brain, skin = found[len(undisturbed) :]
    assert brain[3] == "complete"
    assert skin[3] == "failed" and "the worker process ended before the job did" in skin[4]
    # `boxed` shares its jobs with `bright` and `jittered`: they lost their worker with it, and completed without it.


def test_a_ray_driver_killed_mid_run_is_resumed_beside_its_orphans(stand_ins, data_root, tmp_path, undisturbed):
    driver = Driver(stand_ins, data_root, tmp_path / "run", slowly(METHODS))
    process = driver.start("ray")
    driver.wait_for_work(6)
    process.kill()  # its workers live on for a moment; the next driver starts at once
    assert driver.finish() == undisturbed
    process.communicate()


def test_ctrl_c_says_so_in_the_run_folder_and_the_run_goes_on_later(stand_ins, data_root, tmp_path, undisturbed):
    driver = Driver(stand_ins, data_root, tmp_path / "run", slowly(METHODS))
    process = driver.start()
    driver.wait_for_work(2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert json.loads((driver.folder / "run.json").read_text())["status"] == "interrupted"
    assert driver.finish() == undisturbed


def test_a_second_driver_on_the_same_run_folder_refuses_and_names_the_first(stand_ins, data_root, tmp_path):
    driver = Driver(stand_ins, data_root, tmp_path / "run", slowly(METHODS))
    first = driver.start()
    driver.wait_for_work(1)
    second = driver.start()
    said, _ = second.communicate(timeout=30)
    first.kill()
    first.communicate()
    assert second.returncode != 0 and f"another driver (process {first.pid})" in said

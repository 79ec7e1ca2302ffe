"""Real driver processes: killed at any moment they lose nothing, and Ray's workers find the same numbers."""

import json
import signal

import pytest
from engine_driver import Driver, slowly
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.report.tables.formats import to_csv
from prsbench.harness.report.tables.selection import tables_of

METHODS = ["bright", {"trained": {"fit_seconds": 0.3}}, "jittered", "echo"]
DIES = {"boxed": {"breaks_on": "skin_rgb/test3", "how": "die"}}
KILLS, KILLS_OF_THE_LONG_TEST = 20, 200


@pytest.fixture(scope="module")
def undisturbed(data_root, tmp_path_factory):
    driver = Driver(data_root, tmp_path_factory.mktemp("undisturbed") / "run", slowly(METHODS))
    return driver.finish()


def tables_of_run(folder):
    """The bytes of every table."""
    return {table.name: to_csv(table) for table in tables_of(results(open_run(folder)))}


@pytest.mark.parametrize(
    ("kills", "share_of_ray"),
    [
        pytest.param(KILLS, 0.1, id=f"{KILLS} kills"),
        pytest.param(KILLS_OF_THE_LONG_TEST, 0.25, id=f"{KILLS_OF_THE_LONG_TEST} kills", marks=pytest.mark.kills),
    ],
)
def test_killed_again_and_again_a_run_ends_in_the_same_tables_and_predicts_no_recorded_sample_again(
    kills, share_of_ray, data_root, tmp_path
):
    import engine_stand_ins

    # Long enough that the last kill still meets a run at work.
    root = engine_stand_ins.write_data(tmp_path / "data", counts=(("train", 4), ("val", 2), ("test", 2 * kills)))
    calm = Driver(root, tmp_path / "calm", slowly(METHODS, 0.01))
    harried = Driver(root, tmp_path / "harried", slowly(METHODS, 0.01))
    expected = calm.finish()
    numbers, met, redone = harried.killed_again_and_again(seed=11, kills=kills, share_of_ray=share_of_ray)
    assert numbers == expected and tables_of_run(harried.folder) == tables_of_run(calm.folder)
    assert redone == set()
    assert met > kills / 2, "the others came too late to show anything"


def test_ray_workers_find_the_same_numbers_and_a_worker_that_dies_is_a_failed_row(data_root, tmp_path, undisturbed):
    found = Driver(data_root, tmp_path / "run", [*slowly(METHODS), DIES]).finish("ray")
    assert found[: len(undisturbed)] == undisturbed
    brain, skin = found[len(undisturbed) :]
    assert brain[3] == "complete"
    assert skin[3] == "failed" and "the worker process ended before the job did" in skin[4]
    # `boxed` shares its jobs with `bright` and `jittered`: they lost their worker with it, and completed without it.


def test_a_ray_driver_killed_mid_run_is_resumed_while_its_orphans_still_run(data_root, tmp_path, undisturbed):
    driver = Driver(data_root, tmp_path / "run", slowly(METHODS))
    process = driver.start("ray")
    driver.wait_for_work(6)
    process.kill()  # its workers live on for a moment; the next driver starts at once
    assert driver.finish() == undisturbed
    process.communicate()


def test_ctrl_c_is_recorded_in_the_run_folder_and_the_run_resumes_later(data_root, tmp_path, undisturbed):
    driver = Driver(data_root, tmp_path / "run", slowly(METHODS))
    process = driver.start()
    driver.wait_for_work(2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert json.loads((driver.folder / "run.json").read_text())["status"] == "interrupted"
    assert driver.finish() == undisturbed


def test_a_second_driver_on_the_same_run_folder_refuses_and_names_the_first(data_root, tmp_path):
    driver = Driver(data_root, tmp_path / "run", slowly(METHODS, 5.0))
    first = driver.start()
    driver.wait_for_work(1)
    second = driver.start()
    said, _ = second.communicate(timeout=30)
    first.kill()
    first.communicate()
    assert second.returncode != 0 and f"another driver (process {first.pid} on " in said


def test_a_disk_that_fills_up_ends_the_run_with_instructions_and_the_next_run_resumes(tmp_path):
    import engine_stand_ins

    root = engine_stand_ins.write_data(tmp_path / "data", ("skin_rgbimage",), (("train", 4), ("val", 2), ("test", 40)))
    calm, driver = (Driver(root, tmp_path / name, ["bright", "echo"]) for name in ("calm", "run"))
    expected = calm.finish()
    (whole, *_) = sorted(path.stat().st_size for path in calm.folder.glob("cells/*/records.jsonl"))
    assert (calm.folder / "run.json").stat().st_size < whole / 2, "the records are what meets the limit"
    process = driver.start(PRSBENCH_TEST_FILE_BYTES=str(whole // 2))
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "Make room" in said
    known, before = driver.recorded(), len(driver.work())
    assert driver.finish() == expected
    assert known and not known & set(driver.work()[before:])


def test_one_and_four_workers_find_the_same_numbers_as_one_process_and_as_two(data_root, tmp_path, undisturbed):
    for workers in (1, 4):  # two: above
        driver = Driver(data_root, tmp_path / f"run{workers}", slowly(METHODS))
        assert driver.finish("ray", PRSBENCH_TEST_WORKERS=str(workers)) == undisturbed

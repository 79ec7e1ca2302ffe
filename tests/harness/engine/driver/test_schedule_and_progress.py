"""What a run reports while it works."""

import re
import time
from dataclasses import replace

import pytest
from prsbench.harness.engine.driver import progress
from prsbench.harness.engine.driver.schedule import Waiting, jobs_to_do
from prsbench.harness.engine.plan.data import open_all
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.plan.planning import make_plan
from prsbench.harness.engine.store.json_files import write_json
from prsbench.harness.engine.worker.failures import Failure
from prsbench.harness.engine.worker.job import Job, failed, perform
from prsbench.harness.engine.worker.setting import Setting


@pytest.fixture
def work(stand_ins, data_root, tmp_path):
    plan = make_plan(stand_ins.make_grid(data_root, ["bright", "trained"]), open_all([data_root]), stand_ins.REGISTRY)
    setting = Setting.of_plan(plan, tmp_path, roots=(), text_models_loader="", device="cpu", threads=1)
    return plan, setting, jobs_to_do(plan, plan.cells, setting)


def test_trainings_come_before_evaluations_and_the_one_that_blocks_most_first(work):
    _, _, jobs = work
    assert [bool(job.training) for job in jobs] == [True, True, True, False, False, False, False]
    waiting = Waiting(jobs)
    started = [waiting.take(anything), waiting.take(anything)]
    assert [job.title for job in started] == ["train part s0", "train part on val s0"], "the first blocks a training"
    assert waiting.take(anything) is None and len(waiting) == 5, "the others wait for these"
    waiting.done(started[0].training.key)
    assert waiting.take(anything).title == "train trained s0"
    waiting.done(started[1].training.key)
    assert waiting.take(lambda job: bool(job.training)) is None and waiting.take(anything).cells[0].method == "bright"


def anything(job):
    return True


def test_a_worker_goes_on_with_its_model_and_a_free_one_takes_the_model_with_most_work_for_each_job_at_it():
    def cell(method, n):
        return CellNode(f"{method}{n}", method, method, "", {}, 0, "d", "d", "real", "test", n, None, {})

    jobs = [Job(None, (cell(method, n),), (), float(n)) for method, n in [*[("large", 10)] * 4, *[("small", 3)] * 3]]
    waiting = Waiting(jobs)
    taken = [waiting.take(anything) for _ in range(4)]
    methods = [job.cells[0].method for job in taken]
    assert methods == ["large", "large", "small", "large"], "40, 30 / 2 and 20 / 3 against 9; 20 / 3 against 6 / 2"
    assert waiting.take(anything, last=taken[2].model).cells[0].method == "small", "it has this model"
    assert waiting.take(lambda job: job.model != taken[0].model).cells[0].method == "small", "what does not fit is passed over"
    assert waiting.take(lambda job: job.model != taken[0].model) is None and len(waiting) == 1


def test_a_run_reports_what_is_done_what_it_works_on_and_how_long_it_may_take(work, monkeypatch):
    _, setting, jobs = work
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.02)
    said = []
    with progress.Progress(jobs, setting, 2, said.append) as watched:
        first = next(job for job in jobs if job.title == "train part s0")
        watched.started(first)
        watched.finished(first, {key: failed(Failure.ERROR, "no data\nat all") for key in first.keys})
        part = next(job for job in jobs if job.title == "train part on val s0")
        watched.started(part)
        path = setting.training_folder(part.training.key) / "progress.json"
        for done in (5, 6):
            write_json(path, {"done": done, "total": 10, "message": "steps"})
            time.sleep(0.3)
    assert said[0] == "[1/7] train part s0: FAILED (error): no data (0 s)"
    summary, job = said[-1].splitlines()
    assert re.fullmatch(r"    1/7 done, \d s so far, at least \d+ s left \(until \d\d:\d\d\)", summary)
    assert job == "        train part on val s0 (6/10 steps)"


def test_lines_fit_80_columns_and_of_many_jobs_a_few_are_shown(work):
    _, setting, jobs = work
    said = []
    watched = progress.Progress(jobs, setting, 8, said.append)
    for job in jobs:
        watched.started(job)
        (path := next(iter(job.folders(setting.run).values()))).mkdir(parents=True, exist_ok=True)
        write_json(path / "progress.json", {"done": 1, "total": 10, "message": "of something with a very long message " * 3})
    watched._say_lines()
    lines = said[-1].splitlines()
    assert all(len(line) <= 80 for line in lines) and lines[-1].strip() == f"and {len(jobs) - 4} more jobs"
    assert lines[1].startswith("        train part") and "..." in lines[1]


def test_what_follows_the_last_job_is_part_of_the_time_left(work):
    _, setting, jobs = work
    assert progress.Progress(jobs[:1], setting, 1, print, lambda job: 10.0, after_s=5.0).time_left() == (15.0, False)
    assert progress.Progress(jobs[:1], setting, 1, print, after_s=5.0).time_left() == (0.0, True), "nothing is known"


def test_what_a_killed_attempt_left_is_not_shown_and_the_rest_is_counted_from_where_work_went_on(work, monkeypatch):
    _, setting, jobs = work
    job = next(job for job in jobs if job.training)
    path = setting.training_folder(job.training.key) / "progress.json"
    write_json(path, {"done": 90, "total": 100, "message": "steps"})
    watched = progress.Progress([job], setting, 1, print)
    clock = iter([0.0, 0.0, 10.0, 50.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    watched.started(job)
    assert watched._step(job) == "", "the killed attempt's"
    write_json(path, {"done": 50, "total": 100, "message": "steps"})  # resumed at its half
    watched.time_left()
    write_json(path, {"done": 60, "total": 100, "message": "steps"})
    assert watched.time_left()[0] == pytest.approx(40.0), "10 steps took 10 s, 40 are left"
    watched.finished(job, {})
    assert watched._seconds[job] == pytest.approx(50.0 + 50.0), "what it resumed counts for jobs like it"


def test_a_job_that_stands_still_is_named_once_with_what_to_do_unless_a_time_limit_ends_it(work, monkeypatch):
    _, setting, jobs = work
    monkeypatch.setattr(progress, "STILL_S", -1.0)
    for limit, times in ((None, 1), (60.0, 0)):
        said = []
        watched = progress.Progress(jobs, replace(setting, timeout_s=limit), 1, said.append)
        watched.started(jobs[0])
        for _ in range(3):
            watched._say_what_stands_still()
        assert len(said) == times
        assert all(f"{jobs[0].title}: no progress for 0 s. If it hangs, press Ctrl-C, set execution.timeout_s" in s for s in said)


def test_data_taken_away_during_a_run_fails_the_job_and_not_the_driver(work):
    _, setting, jobs = work
    outcomes = perform(jobs[0], replace(setting, roots=(setting.folder / "gone",)))
    assert [outcome.kind for outcome in outcomes.values()] == ["failed"] and "gone" in outcomes[jobs[0].keys[0]].error


def test_cells_of_one_model_stand_together_and_the_model_with_most_to_do_comes_first(stand_ins, data_root, tmp_path):
    grid = stand_ins.make_grid(data_root, ["bright", "trained", "echo"])
    plan = make_plan(grid, open_all([data_root]), stand_ins.REGISTRY)
    setting = Setting.of_plan(plan, tmp_path, roots=(), text_models_loader="", device="cpu", threads=1)
    longer = [replace(cell, n_manifest=500 if cell.method == "echo" else cell.n_manifest) for cell in plan.cells]
    order = [job.cells[0].method for job in jobs_to_do(plan, longer, setting) if job.cells]
    assert order[:2] == ["echo", "echo"] and len({tuple(order[2:4]), tuple(order[4:6])}) == 2
    assert all(order[i] == order[i + 1] for i in (0, 2, 4))

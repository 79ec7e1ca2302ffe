"""The estimated time left: by hand, against brute force, and replayed on a recorded run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.engine.driver.priors import START_S, read_rates
from prsbench.harness.engine.driver.time_left import Running, TimedJob, last_end, time_left
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode
from prsbench.harness.engine.worker.job import Job


def training(name):
    return Job(TrainingNode(f"key of {name}", name, "", "", {}, 0, "train", {}, {}), (), (), 1.0)


def cell(method, number, needs=()):
    node = CellNode(f"{method} {number}", method, "", "", {}, 0, str(number), "", "", "test", 16, None, {})
    return Job(None, (node,), tuple(needs), 1.0)


def unknown(job):
    return None


def test_a_job_that_waits_starts_after_what_it_waits_for():
    chain = [TimedJob(5, ["a"], []), TimedJob(3, ["b"], ["a"]), TimedJob(1, ["c"], ["b"]), TimedJob(2, ["d"], [])]
    assert last_end([], chain, 2) == 9 and last_end([], chain, 1) == 11
    assert last_end([TimedJob(4, ["a"], [])], [TimedJob(3, ["b"], ["a"])], 2) == 7
    assert last_end([], [], 2) == 0


@given(st.lists(st.floats(0, 100), max_size=30), st.integers(1, 5))
def test_the_end_lies_between_the_ideal_and_twice_the_ideal(seconds, workers):
    end = last_end([], [TimedJob(s, [str(i)], []) for i, s in enumerate(seconds)], workers)
    ideal = max([sum(seconds) / workers, *seconds], default=0)
    assert ideal <= end + 1e-6 and end <= 2 * ideal + 1e-6


def test_thousands_of_jobs_count_by_their_sum():
    assert last_end([], [TimedJob(1.0, [str(i)], []) for i in range(4000)], 4) == 1000


def test_a_running_job_counts_by_its_own_rate_from_the_first_look():
    job, state = training("a"), Running(0.0)
    state.look(10.0, 0.5)  # resumed at its half
    state.look(20.0, 0.6)
    assert time_left(20.0, {}, {job: state}, [], 1, unknown) == (pytest.approx(40.0), False)


@pytest.mark.parametrize("resumed", [0.0, 0.4, 0.8])
def test_a_resumed_training_does_not_make_the_machine_look_fast(resumed):
    """The whole takes 100 s as expected, 5 s of it before the first step; an earlier attempt had done a share of the steps."""
    job, state = training("a"), Running(0.0)
    for now in (10.0, 15.0):
        state.look(now, resumed + (now - 5) / 95)
    assert state.resumed_s() == pytest.approx(95 * resumed, abs=5.1)
    expected = {job: 100.0, (other := training("b")): 1000.0}
    own_left = 95 * (1 - resumed) - 10
    left, _ = time_left(15.0, {}, {job: state}, [other], 1, expected.__getitem__)
    assert left == pytest.approx(own_left + 1000, rel=0.06)
    left, _ = time_left(15.0, {job: 15.0 + own_left + state.resumed_s()}, {}, [other], 1, expected.__getitem__)
    assert left == pytest.approx(1000, rel=0.06), "also once it has ended"


def test_jobs_of_which_nothing_is_known_are_said_to_be_left_out():
    assert time_left(0.0, {}, {}, [cell("a", 1)], 1, unknown) == (0.0, True)
    assert time_left(0.0, {cell("a", 0): 4.0}, {}, [cell("a", 1), cell("a", 2)], 1, unknown) == (8.0, False)


def test_what_is_expected_is_corrected_by_what_ended_jobs_took():
    """The machine is three times as slow as the priors say."""
    expected = {"a": 10.0, "b": 20.0}
    left, _ = time_left(30.0, {cell("a", 0): 30.0}, {}, [cell("b", 0)], 1, lambda job: expected[job.cells[0].method])
    assert left == 60.0


# Of a recorded run of the grid `default` on two busy cores: seconds, jobs done, steps of the two trainings (of 340).
RECORDED = [
    (30, 0, None, None), (40, 0, 8, 12), (50, 0, 21, 24), (60, 0, 34, 38), (90, 0, 69, 72), (120, 0, 102, 104),
    (150, 0, 134, 139), (180, 0, 171, 172), (210, 0, 191, 215), (240, 0, 205, 252), (270, 0, 222, 281), (300, 0, 241, 315),
]  # fmt: skip
END = 470.0  # when the last of its 58 jobs ended


def test_on_a_recorded_run_the_estimate_of_the_whole_is_within_a_factor_of_1_5_from_the_first_minute_on():
    rates = read_rates()
    names = ("cg_reasoner", "cg_reasoner_without_t2c")
    trainings = {name: training(name) for name in (*names, "mean_mask_frequent_answer", "cg_reasoner_own_mask_text")}
    methods = [name for name in rates if name in trainings or name.startswith(("oracle", "empty", "whole"))]
    cells = [cell(m, i, trainings[m].keys if m in trainings else ()) for m in methods for i in range(6)]
    jobs = [*trainings.values(), *cells]

    def expected(job):
        if job.training:
            epochs = 5 if job.training.name in names else 1
            return rates[job.training.name][0] * 540 * epochs + START_S
        return rates[job.cells[0].method][1] * 16

    running = {trainings[name]: Running(0.0) for name in names}
    for now, _, *steps in RECORDED:
        for job, done in zip(running, steps, strict=True):
            if done:
                running[job].look(now, done / 340)
        left, is_untimed = time_left(now, {}, running, [job for job in jobs if job not in running], 2, expected)
        if now >= 60:
            assert not is_untimed and 1 / 1.5 <= (now + left) / END <= 1.5, f"{now} s: {now + left:.0f} s in total"

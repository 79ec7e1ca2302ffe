"""Progress: what all steps take is told from those that were seen."""

from itertools import count
from math import isnan

import pytest
from prsbench.harness.engine.worker.setting import Ticks


def ticks(tmp_path, times):
    return Ticks(tmp_path / "progress.json", iter(times).__next__)


def test_before_two_steps_nothing_is_known(tmp_path):
    one = ticks(tmp_path, count())
    assert isnan(one.seconds)
    one(1, 10, "steps")
    assert isnan(one.seconds)


def test_what_comes_before_the_first_step_is_not_counted_and_the_first_step_takes_what_the_others_take(tmp_path):
    one = ticks(tmp_path, [100.0, 102.0, 104.0])
    for step in (1, 2, 3):
        one(step, 10, "steps")
    assert one.seconds == pytest.approx(20.0)


def test_a_resumed_training_is_counted_in_full(tmp_path):
    one = ticks(tmp_path, [0.0, 3.0])
    one(7, 10, "steps")
    one(10, 10, "steps")
    assert one.seconds == pytest.approx(10.0)


def test_another_phase_starts_anew(tmp_path):
    one = ticks(tmp_path, [0.0, 9.0, 10.0, 11.0])
    for step, total in ((1, 3), (3, 3), (1, 5), (2, 5)):
        one(step, total, "steps")
    assert one.seconds == pytest.approx(5.0)

"""Seeds that are the same in every process."""

import random

import numpy as np
from prsbench.harness.engine.worker.seeding import seed_everything, seed_from


def test_seeds_depend_on_every_part_and_are_the_same_in_every_process():
    assert seed_from(0, "a") == 0x325E4872
    assert len({seed_from(0, "a"), seed_from(1, "a"), seed_from(0, "b")}) == 3


def test_global_generators_repeat_after_a_seed():
    draws = []
    for _ in range(2):
        seed_everything(7)
        draws.append((random.random(), np.random.random()))  # noqa: NPY002 (what is tested)
    assert draws[0] == draws[1]

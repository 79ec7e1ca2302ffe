import numpy as np
import pytest
from parity import FOLDER, SHIPPED, Golden


def is_part_of(shipped, shared):
    if isinstance(shipped, dict):
        return all(key in shared and is_part_of(value, shared[key]) for key, value in shipped.items())
    return shipped == shared


def test_the_shipped_numbers_are_those_of_the_shared_folder():
    names = [path.stem for path in SHIPPED.glob("*.json")]
    assert len(names) == 6
    compared = 0
    for name in (name for name in names if (FOLDER / f"{name}.json").exists()):
        shipped, shared = Golden(SHIPPED, name), Golden(FOLDER, name)
        if shared.json["set"] != shipped.json["set"]:
            continue  # recorded on other inputs
        assert is_part_of(shipped.json, shared.json), name
        for key, array in shipped.npz.items():
            whole = shared.npz[key][:, ::5] if key.endswith("/curve") else shared.npz[key]
            np.testing.assert_array_equal(array, whole, err_msg=f"{name}: {key}", strict=True)
        compared += 1
    if not compared:
        pytest.skip("nothing to compare the shipped numbers with: set PRSBENCH_SHARED to the folder that holds parity/")

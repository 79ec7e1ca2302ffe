"""The parity fixtures: numbers recorded from the official code. The only place that reads PRSBENCH_SHARED.

The small ones ship in this folder (see README.md), so their tests never skip. The others, on pseudo-weights of full networks,
lie in the folder parity/ of PRSBENCH_SHARED (default: ../shared of the checkout); without it their tests skip.
"""

import json
import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

SHIPPED = Path(__file__).parent
FOLDER = Path(os.environ.get("PRSBENCH_SHARED", Path(__file__).parents[3] / "shared")) / "parity"


def needs(name):
    """A mark: skip unless this fixture is in the shared folder."""
    reason = f"no parity fixture {name}: set PRSBENCH_SHARED to the folder that holds parity/"
    return pytest.mark.skipif(not (FOLDER / f"{name}.json").exists(), reason=reason)


class Golden:
    """A table of recorded numbers: the JSON file of a folder, and its arrays if it has any."""

    def __init__(self, folder, name):
        self.folder, arrays = folder, folder / f"{name}.npz"
        self.json = json.loads((folder / f"{name}.json").read_text())
        self.npz = np.load(arrays) if arrays.exists() else {}


def goldens(name):
    """Parameters, one Golden each: the shipped table, and the one in the shared folder if it is there."""
    shared = [FOLDER] if (FOLDER / f"{name}.json").exists() else []
    return [pytest.param(Golden(folder, name), id=folder.name) for folder in (SHIPPED, *shared)]


def _module(name):
    spec = spec_from_file_location(f"parity_{name}", FOLDER / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Parity:
    """One fixture: its pseudo-checkpoint by official key, its inputs, and the check of an output."""

    def __init__(self, name, keys_of=None):
        self._recipe = _module("recipe")
        self.fixture = _module("compare").Fixture(name, FOLDER)
        self.json, self.npz, self.check = self.fixture.json, self.fixture.npz, self.fixture.check
        self.recipe = self.json.get("recipe")
        self.keys = Parity(keys_of).keys if keys_of else self.json.get("keys")

    def weights(self):
        return self._recipe.state_dict(self.keys, self.recipe["salt"], self.recipe["gain"])

    def tensor(self, described):
        return self._recipe.tensor(described["name"], described["shape"], self.recipe["salt"])

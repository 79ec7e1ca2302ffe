"""The parity fixtures: numbers recorded from the official code on pseudo-weights. Absent, the tests that need them skip."""

import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("PRSBENCH_SHARED", Path(__file__).parents[3] / "shared")) / "parity"


def needs(name):
    """A mark: skip unless this fixture is here."""
    return pytest.mark.skipif(not (FOLDER / f"{name}.json").exists(), reason=f"no parity fixture {name} (PRSBENCH_SHARED)")


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

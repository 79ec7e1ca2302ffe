"""Twelve discs and the two parts that CG-Reasoner needs, trained on them once."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from cg_tiny import CONFIG, LANGUAGE
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.text2centroid.model import Text2Centroid


@pytest.fixture(scope="session")
def samples():
    spec = spec_from_file_location("discs", Path(__file__).parents[1] / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return [module.disc_sample(i, empty=i == 5) for i in range(12)]


@pytest.fixture(scope="session")
def needs(samples, tmp_path_factory):
    folders = {}
    for name, part in {"small_llama": SmallLlama(LANGUAGE), "text2centroid": Text2Centroid(CONFIG.text2centroid)}.items():
        part.fit(samples, [], FitContext(0, "cpu"))
        folders[name] = tmp_path_factory.mktemp(name)
        part.save(folders[name])
    return folders

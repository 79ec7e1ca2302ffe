import subprocess
import sys

import pytest
from prsbench.harness.contract.catalog import Catalog, resolve
from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Method, PromptSource, ReferenceRow
from prsbench.methods import catalog
from prsbench.methods.catalog import METHODS

CATALOGS = [found for found in vars(catalog).values() if isinstance(found, Catalog)]
ENTRIES = [entry for found in CATALOGS for entry in found.values()]
BY_NAME = pytest.mark.parametrize("entry", {(e.factory, e.config): e for e in ENTRIES}.values(), ids=lambda entry: entry.name)
WITNESS = """
import os, sys
import monai.networks.nets, peft, sentence_transformers, timm, torch, transformers  # once, not once for each entry
from importlib import import_module
for line in sys.stdin.read().splitlines():
    if (child := os.fork()) == 0:
        [import_module(module) for module in line.split()]
        ours = (name for name, module in sys.modules.items() if name.startswith("prsbench.") and module.__spec__.origin)
        print(line, *ours, sep=" ", flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, line
"""


def modules_of(entry):
    return f"{entry.factory.split(':')[0]} {entry.config.split(':')[0]}"


@pytest.fixture(scope="module")
def loaded():
    """What the interpreter has loaded of ours once an entry's factory and config are imported: an independent witness."""
    lines = "\n".join({modules_of(entry): None for entry in ENTRIES})
    done = subprocess.run([sys.executable, "-c", WITNESS], input=lines, check=True, capture_output=True, text=True)
    return {" ".join(line.split()[:2]): line.split()[2:] for line in done.stdout.splitlines()}


@BY_NAME
def test_the_sources_of_an_entry_hold_every_module_of_ours_that_python_loads_for_it(entry, loaded):
    assert set(modules_of(entry).split()) <= set(loaded[modules_of(entry)])
    assert set(loaded[modules_of(entry)]) - {"prsbench.harness.contract.errors"} <= set(entry.sources)


def test_a_row_that_names_another_method_in_a_string_depends_on_its_code():
    reasoner = METHODS["cg_reasoner"].factory.split(":")[0]
    assert reasoner in METHODS["lite_medsam_text_box"].sources and reasoner not in METHODS["lite_medsam_oracle_box"].sources


@pytest.mark.parametrize("entry", METHODS.values(), ids=METHODS)
def test_every_method_can_be_made_from_its_defaults_and_is_one_of_the_two_kinds(entry):
    config = resolve(entry.config).model_validate(dict(entry.defaults))
    assert isinstance(config, MethodConfig)
    method = resolve(entry.factory)(config)
    assert isinstance(method, Method) != isinstance(method, ReferenceRow)


def test_each_prompt_source_has_a_sam_row_or_is_none_that_a_sam_network_can_take():
    no_sam_prompt = {PromptSource.QUESTION, PromptSource.TRUTH, PromptSource.NONE}
    assert set(catalog.SAM_PROMPTS) == set(PromptSource) - no_sam_prompt


def test_listing_methods_and_their_configs_loads_no_torch():
    program = (
        "import sys; from prsbench.methods.catalog import METHODS; from prsbench.harness.contract.catalog import resolve\n"
        "[resolve(entry.config) for entry in METHODS.values()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

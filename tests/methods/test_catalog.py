import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from prsbench.harness.contract.catalog import Catalog, resolve
from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Method, ReferenceRow
from prsbench.methods import catalog
from prsbench.methods.catalog import METHODS

CATALOGS = [found for found in vars(catalog).values() if isinstance(found, Catalog)]
ENTRIES = [entry for found in CATALOGS for entry in found.values()]
BY_NAME = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def files_of(module):
    """The module's file, or every file of the package."""
    spec = find_spec(module)
    if spec.submodule_search_locations:
        return sorted(file for place in spec.submodule_search_locations for file in Path(place).rglob("*.py"))
    return [Path(spec.origin)]


def method_modules_imported_by(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if node.module != "prsbench.methods" else [f"{node.module}.{a.name}" for a in node.names]
        yield from (name for name in names if name.startswith("prsbench.methods."))


def covered(module, sources):
    return any(module == source or module.startswith(f"{source}.") for source in sources)


@BY_NAME
def test_the_sources_of_an_entry_hold_every_method_module_its_numbers_depend_on(entry):
    for path in (entry.factory, entry.config):
        assert covered(path.split(":")[0], entry.sources)
    for source in entry.sources:
        for file in files_of(source):
            missing = {name for name in method_modules_imported_by(file) if not covered(name, entry.sources)}
            assert not missing, f"{entry.name}: {file.name} imports {missing}"


@pytest.mark.parametrize("entry", METHODS.values(), ids=METHODS)
def test_every_method_can_be_made_from_its_defaults_and_is_one_of_the_two_kinds(entry):
    config = resolve(entry.config).model_validate(dict(entry.defaults))
    assert isinstance(config, MethodConfig)
    method = resolve(entry.factory)(config)
    assert isinstance(method, Method) != isinstance(method, ReferenceRow)


def test_listing_methods_and_their_configs_loads_no_torch():
    program = (
        "import sys; from prsbench.methods.catalog import METHODS; from prsbench.harness.contract.catalog import resolve\n"
        "[resolve(entry.config) for entry in METHODS.values()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

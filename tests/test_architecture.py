"""The house: imports run one way, heavy libraries stay in their rooms."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("harness", "methods", "metrics", "datasets")
CONTRACT = "prsbench.harness.contract"
MAY_IMPORT = {  # besides itself and the contract
    CONTRACT: (),
    "prsbench.metrics": (),
    "prsbench.datasets": (),
    "prsbench.methods": (),
    "prsbench.harness.report": ("prsbench.metrics",),
    "prsbench.harness.engine": ("prsbench.metrics", "prsbench.datasets"),
    "prsbench.harness.audit": ("prsbench.metrics", "prsbench.harness.engine", "prsbench.harness.report"),
    "prsbench.harness.cli": ("prsbench",),
}
CATALOGS = ("prsbench.methods.catalog", "prsbench.datasets.catalog", "prsbench.metrics.catalog")
AT_HOME = {  # heavy library -> where alone it may be imported
    "torch": ("prsbench.methods", "prsbench.harness.engine.worker.process"),
    "transformers": ("prsbench.methods",),
    "ray": ("prsbench.harness.engine.driver.executor", "prsbench.methods.parts.training.data_parallel"),
    "pandas": ("prsbench.harness.report",),
    "matplotlib": ("prsbench.harness.report",),
}


def sources():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield pytest.param(path, id=path.relative_to(ROOT).as_posix())


def module_of(path):
    return ".".join(("prsbench", *path.relative_to(ROOT).with_suffix("").parts))


def imports(path):
    """(module, whether it is imported when the file is) of every import, but for those of type checkers alone."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    checking = {id(inner) for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
                for inner in ast.walk(node)}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in checking:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, id(node) in top
            yield from ((f"{node.module}.{alias.name}", id(node) in top) for alias in node.names if node.module == "prsbench")


def is_in(module, package):
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("path", sources())
def test_imports_run_one_way(path):
    module = module_of(path)
    room = next(room for room in MAY_IMPORT if is_in(module, room))
    for name, _ in imports(path):
        if is_in(name, "prsbench"):
            assert any(is_in(name, allowed) for allowed in (room, CONTRACT, *MAY_IMPORT[room])), f"{module} imports {name}"


@pytest.mark.parametrize("path", sources())
def test_only_the_command_line_knows_the_catalogs_of_other_rooms(path):
    module = module_of(path)
    if module == "prsbench.harness.cli":
        return
    for name, _ in imports(path):
        if name in CATALOGS and is_in(module, "prsbench.harness.engine"):
            pytest.fail(f"{module} imports {name}; the engine is handed its catalogs")


@pytest.mark.parametrize("path", sources())
def test_heavy_libraries_stay_in_their_rooms(path):
    module = module_of(path)
    for name, at_import in imports(path):
        library = name.partition(".")[0]
        if library in AT_HOME:
            assert any(is_in(module, home) for home in AT_HOME[library]), f"{module} imports {library}"
            assert not (at_import and is_in(module, "prsbench.harness.engine")), f"{module} loads {library} when it is imported"


@pytest.mark.parametrize("path", sources())
def test_our_own_folders_are_imported_under_our_name_alone(path):
    names = {name.partition(".")[0] for name, _ in imports(path)}
    assert not names & {*ROOMS, "results"}, "write prsbench.<folder>"


def test_no_folder_is_a_regular_package():
    assert [str(path) for room in (*ROOMS, "results", "tests") for path in (ROOT / room).rglob("__init__.py")] == []


def test_the_root_is_not_on_the_path_of_tests():
    assert ROOT not in [Path(place).resolve() for place in sys.path if place]

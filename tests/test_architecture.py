"""The layout of the project: imports run one way, heavy libraries stay in their rooms, tests and packages mirror the tree."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest
from prsbench.harness.contract.source_code import imported_modules, is_inside

ROOT = Path(__file__).parents[1]
ROOMS = ("harness", "methods", "metrics", "datasets")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
CONTRACT = "prsbench.harness.contract"
ENGINE = "prsbench.harness.engine"
MAY_IMPORT = {  # besides itself and the contract; a module belongs to the longest name that it starts with
    CONTRACT: (),
    "prsbench.metrics": (),
    "prsbench.datasets": (),
    "prsbench.methods": (),
    f"{ENGINE}.grid": ("prsbench.datasets",),
    f"{ENGINE}.store": ("prsbench.metrics",),
    f"{ENGINE}.apart": (),
    f"{ENGINE}.plan": ("prsbench.datasets", *(f"{ENGINE}.{room}" for room in ("apart", "grid", "store"))),
    f"{ENGINE}.worker": ("prsbench.metrics", "prsbench.datasets", *(f"{ENGINE}.{room}" for room in ("apart", "plan", "store"))),
    f"{ENGINE}.inspect": tuple(f"{ENGINE}.{room}" for room in ("grid", "plan", "store", "worker")) + ("prsbench.datasets",),
    f"{ENGINE}.driver": (ENGINE, "prsbench.datasets"),
    "prsbench.harness.report": ("prsbench.metrics",),
    "prsbench.harness.audit": ("prsbench.metrics", ENGINE, "prsbench.harness.report"),
    "prsbench.harness.installation": (),
    "prsbench.harness.cli": ("prsbench",),
}
MAY_NAME = {  # in a string, without importing it
    f"{ENGINE}.plan": ("prsbench.metrics", f"{ENGINE}.worker"),  # code that enters keys
    f"{ENGINE}.worker": ("prsbench.methods.cost",),  # measures a loaded method
}
ROWS_ON_ROWS = {
    "prsbench.methods.text_box": ("prsbench.methods.cg_reasoner",),  # a box where CG-Reasoner's answer points
    "prsbench.methods.own_mask_text": tuple(f"prsbench.methods.{name}" for name in ("cg_reasoner", "prs_med", "lisa", "pixellm")),
}
SHARED_BY_METHODS = ("prsbench.methods.parts", "prsbench.methods.text2centroid")
CATALOGS = ("prsbench.methods.catalog", "prsbench.datasets.catalog", "prsbench.metrics.catalog")
AT_HOME = {  # heavy library -> where alone it may be imported
    "torch": ("prsbench.methods", f"{ENGINE}.worker.process"),
    "transformers": ("prsbench.methods",),
    "ray": (f"{ENGINE}.driver.ray_start", "prsbench.methods.parts.training.data_parallel"),
    "pandas": ("prsbench.harness.report",),
    "matplotlib": ("prsbench.harness.report",),
}


def module_of(path):
    return ".".join(("prsbench", *path.relative_to(ROOT).with_suffix("").parts))


def statements(path):
    """(module, whether it is imported when the file is) of every import statement, but for those of type checkers alone."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    checking = {id(inner) for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
                for inner in ast.walk(node)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and id(node) not in checking:
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and id(node) not in checking:
            yield node.module, id(node) in top


def is_allowed(name, packages):
    return any(is_inside(name, package) for package in packages)


@EVERY_FILE
def test_imports_run_one_way_also_those_named_in_strings(path):
    module = module_of(path)
    room = max((room for room in MAY_IMPORT if is_inside(module, room)), key=len)
    imported = {name for name, _ in statements(path)}
    for name in imported_modules(module):
        named = () if any(is_inside(name, each) for each in imported) else MAY_NAME.get(room, ())
        assert is_allowed(name, (room, CONTRACT, *MAY_IMPORT[room], *named)), f"{module} imports {name}"


def test_no_import_goes_in_a_circle():
    modules = {module_of(path) for path in FILES}
    waiting = {module: set(imported_modules(module)) & modules for module in modules}
    while ready := {module for module, needs in waiting.items() if not needs}:
        waiting = {module: needs - ready for module, needs in waiting.items() if module not in ready}
    assert not waiting, "these modules import one another, or a module that does"


@EVERY_FILE
def test_no_method_imports_the_inside_of_another(path):
    module = module_of(path)
    parts = module.split(".")
    if parts[1] != "methods" or len(parts) == 3 or parts[2] == "authoring":  # loose files serve all; the catalog names all
        return
    own = ".".join(parts[:3])
    for name in imported_modules(module):
        if is_inside(name, "prsbench.methods") and name.count(".") > 2:
            allowed = (own, *SHARED_BY_METHODS, *ROWS_ON_ROWS.get(own, ()))
            assert is_allowed(name, allowed), f"{module} imports {name}; move what both need to methods/parts/"


@EVERY_FILE
def test_only_the_command_line_knows_the_catalogs_of_other_rooms(path):
    module = module_of(path)
    if is_inside(module, ENGINE):
        assert not set(imported_modules(module)) & set(CATALOGS), "the engine is handed its catalogs"


@EVERY_FILE
def test_no_module_name_is_put_together_where_the_keys_cannot_see_it(path):
    """Names in strings count as imports, so they are written in full; the catalog's own are factories and configs of entries."""
    if module_of(path) in (*CATALOGS, f"{ENGINE}.plan.planning"):
        return
    pieces = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.JoinedStr))
    assert not [ast.unparse(piece) for piece in pieces if "prsbench." in ast.unparse(piece)]


@EVERY_FILE
def test_heavy_libraries_stay_in_their_rooms(path):
    module = module_of(path)
    for name, at_import in statements(path):
        library = name.partition(".")[0]
        if library in AT_HOME:
            assert is_allowed(module, AT_HOME[library]), f"{module} imports {library}"
            assert not (at_import and is_inside(module, ENGINE)), f"{module} loads {library} when it is imported"


@EVERY_FILE
def test_our_own_folders_are_imported_under_our_name_alone(path):
    names = {name.partition(".")[0] for name, _ in statements(path)}
    assert not names & {*ROOMS, "results"}, "write prsbench.<folder>"


def test_no_folder_is_a_regular_package():
    assert [str(path) for room in (*ROOMS, "results", "tests") for path in (ROOT / room).rglob("__init__.py")] == []


def test_the_root_is_not_on_the_path_of_tests():
    assert ROOT not in [Path(place).resolve() for place in sys.path if place]


def test_the_wheel_holds_every_folder_with_code_grids_or_published_numbers():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    marked = {path.parent for room in ROOMS for path in (ROOT / room).glob("py.typed")}
    folders = {path.parent for path in FILES} | marked | {ROOT, ROOT / "harness" / "grids", ROOT / "results"}
    assert packages == sorted(".".join(("prsbench", *folder.relative_to(ROOT).parts)) for folder in folders)


@pytest.mark.parametrize("test", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda test: test.name)
def test_every_test_file_mirrors_a_module(test):
    """test_<module>.py, or test_<module>_<topic>.py, in the same folder under tests/."""
    folder = ROOT / test.parent.relative_to(ROOT / "tests")
    if test.parent in (ROOT / "tests", ROOT / "tests" / "golden"):  # of the complete project
        return
    topic = test.stem.removeprefix("test_")
    assert any(topic == path.stem or topic.startswith(f"{path.stem}_") for path in folder.glob("*.py")), f"no module for {test}"


@pytest.mark.parametrize("room", ["methods", "harness/engine"])
def test_the_readme_of_a_room_has_a_phrase_for_every_file(room):
    readme = (ROOT / room / "README.md").read_text()
    missing = [
        path.name for path in (ROOT / room).rglob("*.py") if f" {path.name}" not in readme and f"`{path.name}`" not in readme
    ]
    assert not missing

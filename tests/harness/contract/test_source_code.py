"""What is read from a source without running it: prose never counts, one operator always does, and no import is missed."""

import ast
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.source_code import code_of, code_without_prose, import_closure, named_files

ROOT = Path(__file__).parents[3]
FILES = sorted(path for room in ("harness", "methods", "metrics", "datasets") for path in (ROOT / room).rglob("*.py"))


def test_comments_docstrings_and_blank_lines_are_taken_out_and_strings_are_not():
    source = '''"""What it is.

With a blank line."""
# a comment

class A: "é"; y = 2  # said after

def f(
    a,  # why
):

    """Prose."""
    text = """kept

# no comment
"""  # but this
    return f"{a}#"
'''
    assert code_without_prose(source) == (
        'class A: ; y = 2\ndef f(\n    a,\n):\n    text = """kept\n\n# no comment\n"""\n    return f"{a}#"'
    )


class Prose(ast.NodeTransformer):
    """Other words in every docstring, or none at all."""

    def __init__(self, words):
        self.words = words

    def visit(self, node):
        self.generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body[0:1] = [ast.Expr(ast.Constant(self.words))]
        return node


class Operator(ast.NodeTransformer):
    """The first comparison or sum turned round."""

    is_done = False

    def visit(self, node):
        if not self.is_done and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult | ast.Sub):
            node.op, self.is_done = ast.Pow(), True
        return self.generic_visit(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_in_every_module_of_ours_prose_changes_nothing_and_an_operator_does(path):
    source = path.read_text()
    code = code_without_prose(source)
    assert code_without_prose(f"# a new comment\n\n{source}\n\n# and one more\n") == code
    plain, other = (
        code_without_prose(ast.unparse(Prose(words).visit(ast.parse(source)))) for words in ("Mended.", "Other\n\nprose.")
    )
    assert plain == other
    changed = Operator()
    tree = changed.visit(ast.parse(source))
    assert not changed.is_done or code_without_prose(ast.unparse(tree)) != code_without_prose(ast.unparse(ast.parse(source)))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules of a package that no other test imports; LAB in their text is its name."""
    monkeypatch.syspath_prepend(tmp_path)
    lab = f"lab_{uuid4().hex}"

    def write(**modules):
        (tmp_path / lab).mkdir()
        for name, text in modules.items():
            (tmp_path / lab / f"{name}.py").write_text(text.replace("LAB", lab))
        return lab, tmp_path / lab

    return write


def test_the_closure_follows_imports_in_functions_relative_ones_names_in_strings_and_no_further_package(package):
    lab, _ = package(
        a="import LAB.b\nfrom .c import thing\nif TYPE_CHECKING:\n    import LAB.unused\n",
        b="def f():\n    from LAB import d\n    import json, prsbench.metrics.mask.overlap\n",
        c="from LAB.a import f\n",
        d="REASONER = 'LAB.e:Method'\n",
        e="",
        unused="",
    )
    assert import_closure([f"{lab}.a"], inside=(lab,)) == tuple(f"{lab}.{name}" for name in "abcde")
    assert "prsbench.metrics.mask.overlap" in import_closure([f"{lab}.a"], inside=(lab, "prsbench"))
    assert lab not in sys.modules


def test_a_file_next_to_a_module_counts_if_the_module_names_it(package):
    lab, folder = package(reads="TABLE = 'table.json'", silent="")
    (folder / "table.json").write_text("{}")
    assert named_files(f"{lab}.reads") == (folder / "table.json",) and named_files(f"{lab}.silent") == ()


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("import net", ["net.py"]),
        ("from net import X", ["net.py"]),
        ("def f():\n    import pkg.sub.deep", ["pkg/__init__.py", "pkg/sub/deep.py"]),
        ("from pkg.sub import deep", ["pkg/__init__.py", "pkg/sub/deep.py"]),
        ("from pkg import *", ["pkg/__init__.py", "pkg/thing.py"]),
        ("import importlib\nimportlib.import_module('net')", ["net.py"]),
        ("__import__('pkg.thing')", ["pkg/__init__.py", "pkg/thing.py"]),
        ("import importlib\nimportlib.import_module(f'pkg.{k}')", ["pkg/__init__.py", "pkg/thing.py"]),
        ("PLACE = 'pkg/sub/deep.py'", ["pkg/sub/deep.py"]),
        ("from caller import f", ["caller.py", "net.py"]),
        ("import relative.one", ["net.py", "relative/__init__.py", "relative/one.py", "relative/two.py"]),
        ("import above", ["../above.py"]),
        ("import on_path", ["../path/on_path.py"]),
        ("import json, numpy, prsbench_nowhere", []),
    ],
)
def test_modules_beside_a_users_file_count_however_they_are_imported(tmp_path, monkeypatch, code, files):
    texts = {
        "own/mine.py": code, "own/net.py": "X = 1", "own/caller.py": "from net import X", "own/unused.py": "", "above.py": "",
        "own/pkg/__init__.py": "", "own/pkg/thing.py": "", "own/pkg/sub/deep.py": "", "path/on_path.py": "",
        "own/relative/__init__.py": "from . import two", "own/relative/one.py": "from net import X",
        "own/relative/two.py": "from .one import X",
    }  # fmt: skip
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "path")
    mine = tmp_path / "own" / "mine.py"
    expected = {str((tmp_path / "own" / file).resolve()) for file in ("mine.py", *files)}
    assert set(import_closure([str(mine)])) == expected


@pytest.mark.parametrize("content", [b"def (:", b"\xff\xfe", b"x = '\0'", b"x = ('"])
def test_a_file_that_is_no_python_imports_nothing_and_counts_by_its_bytes(tmp_path, content):
    path = tmp_path / "mine.py"
    path.write_bytes(content)
    assert import_closure([str(path)]) == (str(path),)
    assert code_of(str(path)).encode("latin-1") == content


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match=r"No Python module is called 'prsbench\.nowhere'"):
        import_closure(["prsbench.nowhere"])


@pytest.mark.parametrize(
    "name", ["prsbench.metrics.score", "prsbench.methods.reference.config", "prsbench.datasets.phantoms.drawing"]
)
def test_the_closure_holds_every_module_of_ours_that_python_loads(name):
    program = (
        f"import sys, {name}; print(*(m for m, o in sys.modules.items() if m.startswith('prsbench.') and o.__spec__.origin))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert set(loaded) - {"prsbench.harness.contract.errors"} <= set(import_closure([name]))

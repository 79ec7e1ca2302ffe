"""What a Python source says without being run: which modules it imports, which files it names, and its code without prose.

These decide which results a change of code makes stale (`harness/engine/plan/fingerprints.py`).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

from prsbench.harness.contract.errors import ConfigError

OURS = "prsbench"
_TEXTS = "prsbench.harness.contract.errors"  # no number depends on them
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def import_closure(names: Iterable[str], inside: tuple[str, ...] = (OURS,)) -> tuple[str, ...]:
    """These modules and all that they import, directly or through one another, in functions too; sorted.

    A module named in a string, such as "prsbench.methods.cg_reasoner.method:CGReasonerMethod", counts as imported. Imports for
    type checkers alone do not, nor do the texts of our errors. No module is run.

    Args:
        names: modules named with dots, or paths ending in .py.
        inside: only modules of these packages are followed.

    Raises:
        ConfigError: one of the names is no Python module.
    """
    waiting, closure = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in closure and name != _TEXTS:
            closure.add(name)
            waiting += imported_modules(name, inside)
    return tuple(sorted(closure))


def is_inside(module: str, package: str) -> bool:
    """Whether a module is this one or belongs to this package."""
    return module == package or module.startswith(f"{package}.")


@cache
def imported_modules(name: str, inside: tuple[str, ...] = (OURS,)) -> tuple[str, ...]:
    """The modules of these packages that the source of one module imports or names in a string; sorted."""
    candidates = {each for node in _executed(_tree(name)) for each in _names_in(node, name)} - {name}
    of_packages = {each for each in candidates if any(is_inside(each, package) for package in inside)}
    return tuple(sorted(each for each in of_packages if _file_of(each)))


@cache
def named_files(name: str) -> tuple[Path, ...]:
    """The files next to a module whose names occur in its source as strings: data that it may read; sorted."""
    folder = source_path(name).parent
    words = {node.value for node in ast.walk(_tree(name)) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    plain = (word for word in words if word and "/" not in word and "\0" not in word and len(word) < 100)
    return tuple(sorted(path for word in plain if (path := folder / word).is_file() and path.suffix != ".py"))


@cache
def source_path(name: str) -> Path:
    """The file of a module named with dots, or of a path ending in .py.

    Raises:
        ConfigError: there is none.
    """
    path = Path(name) if name.endswith(".py") else _file_of(name)
    if path is None or not path.is_file():
        raise ConfigError(f"No Python module is called '{name}', but a method or part names it. Correct the name in its catalog.")
    return path


def code_of(name: str) -> str:
    """The code of a module, named as in `source_path`, without its prose."""
    return code_without_prose(source_path(name).read_text(encoding="utf-8"))


def code_without_prose(source: str) -> str:
    """The source without comments, docstrings and blank lines: sources with the same code compute the same numbers.

    The result is no valid Python where a docstring was all that a block held.
    """
    lines, removable = source.split("\n"), set()  # rows are counted from 1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:  # the rest of its line
            lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]].rstrip()
        elif token.type == tokenize.NL:  # a blank line outside strings, or one that held a comment alone
            removable.add(token.start[0])
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            rows = range(text.lineno, (text.end_lineno or text.lineno) + 1)
            before = lines[rows[0] - 1].encode()[: text.col_offset].decode()  # ast counts bytes
            after = lines[rows[-1] - 1].encode()[text.end_col_offset :].decode()
            lines[rows[0] - 1 : rows[-1]] = [before + after] + [""] * (len(rows) - 1)
            removable.update(rows)
    return "\n".join(line for row, line in enumerate(lines, 1) if line.strip() or row not in removable).rstrip()


@cache
def _tree(name: str) -> ast.Module:
    path = source_path(name)
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as Python ({error}). Correct the file.") from None


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _executed(node)


def _names_in(node: ast.AST, module: str) -> Iterator[str]:
    """Modules that a node may name; a name imported from a package may be a module or not."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            origin = resolve_name("." * node.level + origin, module.rpartition(".")[0]) if not module.endswith(".py") else ""
        yield from (origin, *(f"{origin}.{alias.name}" for alias in node.names))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"\w+(\.\w+)+(:\w+)?", node.value):
        yield node.value.partition(":")[0]


@cache
def _file_of(name: str) -> Path | None:
    """The source of a module, found without importing it; None for a folder without code and for what is not installed."""
    package, _, last = name.rpartition(".")
    if not package:
        spec = find_spec(name) if name.isidentifier() else None
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    places = (path for folder in _folders_of(package) for path in (folder / f"{last}.py", folder / last / "__init__.py"))
    return next((path for path in places if path.is_file()), None)


@cache
def _folders_of(package: str) -> tuple[Path, ...]:
    parent, _, last = package.rpartition(".")
    below = tuple(folder / last for folder in _folders_of(parent) if (folder / last).is_dir()) if parent else ()
    if below or _file_of(package) and parent:
        return below
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return ()
    return tuple(Path(place) for place in (spec and spec.submodule_search_locations) or () if Path(place).is_dir())

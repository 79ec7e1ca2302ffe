"""What a Python source says without being run: which modules it imports, which files it names, and its code without prose.

A module that is not ours may import what lies beside it, so its imports are also looked up there, and outside of the packages
that are installed. Where that could be either of two files, both count.

These decide which results a change of code makes stale (`harness/engine/plan/fingerprints.py`).
"""

from __future__ import annotations

import ast
import io
import re
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

from prsbench.harness.contract.errors import ConfigError

OURS = "prsbench"
_TEXTS = "prsbench.harness.contract.errors"  # no number depends on them
INSTALLED = frozenset(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_PARENTS = 3  # folders above a user's module in which an import that nothing else explains is looked up
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def import_closure(names: Iterable[str], inside: tuple[str, ...] = (OURS,)) -> tuple[str, ...]:
    """These modules and all that they import, directly or through one another, in functions too; sorted.

    A module named in a string, such as "prsbench.methods.cg_reasoner.method:CGReasonerMethod", counts as imported. Imports for
    type checkers alone do not, nor do the texts of our errors. No module is run.

    Args:
        names: modules named with dots, or paths ending in .py.
        inside: only modules of these packages are followed, and from modules of the user those of the user.

    Raises:
        ConfigError: one of the names is no Python module.
    """
    waiting, closure = list(names), set[str]()
    folders = tuple(sorted({source_path(name).resolve().parent for name in waiting if not is_inside(name, OURS)}))
    while waiting:
        name = waiting.pop()
        if name not in closure and name != _TEXTS:
            closure.add(name)
            waiting += imported_modules(name, inside)
            if folders and not is_inside(name, OURS):
                waiting += _modules_of_the_user(name, folders, inside)
    return tuple(sorted(closure))


def is_inside(module: str, package: str) -> bool:
    """Whether a module is this one or belongs to this package."""
    return module == package or module.startswith(f"{package}.")


@cache
def imported_modules(name: str, inside: tuple[str, ...] = (OURS,)) -> tuple[str, ...]:
    """The modules of these packages that the source of one module imports or names in a string; sorted."""
    candidates = {each for node in _executed(parsed(name)) for each in _names_in(node, name)} - {name}
    of_packages = {each for each in candidates if any(is_inside(each, package) for package in inside)}
    return tuple(sorted(each for each in of_packages if _file_of(each)))


@cache
def _modules_of_the_user(name: str, folders: tuple[Path, ...], inside: tuple[str, ...]) -> tuple[str, ...]:
    """Paths of the modules that a user's module may import from its own folder, from these and from where none is installed."""
    path = source_path(name).resolve()
    beside = tuple({folder: None for folder in (path.parent, *folders) if folder not in INSTALLED})
    found: set[Path] = set()
    for node in _executed(parsed(name)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[^\0\n]{1,200}\.py", node.value):
            found |= {place for folder in beside if (place := (folder / node.value).resolve()).is_file()}
        if isinstance(node, ast.ImportFrom) and node.level:
            if not name.endswith(".py"):
                continue  # inside its package
            base = path.parents[node.level - 1] if node.level <= len(path.parents) else path.parent
            module = f"{node.module}." if node.module else ""
            for alias in node.names:
                found |= set(_below(base, f"{module}{alias.name}"))
        else:
            for dotted in _names_in(node, str(path), of_user=True):
                if dotted and not any(is_inside(dotted, package) for package in inside):
                    is_text = isinstance(node, ast.Constant) and "." not in dotted
                    places = beside if is_text else (*beside, *_import_folders(dotted, beside))
                    found |= {each for folder in places for each in _below(folder, dotted)}
    return tuple(sorted(str(each) for each in found - {path}))


def _below(folder: Path, dotted: str) -> Iterator[Path]:
    """The sources that an import of a.b.c from this folder runs or may run: of a, a.b and a.b.c. `*` stands for any name."""
    places = [folder]
    for part in dotted.split("."):
        files = [path for place in places for name in (f"{part}.py", f"{part}/__init__.py") for path in place.glob(name)]
        yield from (path.resolve() for path in files)
        places = [path for place in places for path in place.glob(part) if path.is_dir()]


def _import_folders(dotted: str, beside: tuple[Path, ...]) -> Iterator[Path]:
    """Where else an import may find a module of the user: on Python's path, or above, if the code puts that on the path."""
    top = dotted.partition(".")[0]
    try:
        spec = find_spec(top) if top.isidentifier() else None
    except (ImportError, ValueError):
        return
    origin = Path(spec.origin) if spec and spec.origin and spec.has_location else None
    if origin and not any(origin.is_relative_to(folder) for folder in INSTALLED):
        yield origin.parents[origin.name == "__init__.py"]
    elif not spec and not any((folder / f"{top}.py").exists() or (folder / top).exists() for folder in beside):
        yield from (above for folder in beside[:1] for above in folder.parents[:_PARENTS] if len(above.parts) > 1)


@cache
def named_files(name: str) -> tuple[Path, ...]:
    """The files next to a module whose names occur in its source as strings: data that it may read; sorted."""
    folder = source_path(name).parent
    words = {node.value for node in ast.walk(parsed(name)) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
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
    """The code of a module, named as in `source_path`, without its prose; all bytes of a user's that is no Python."""
    path = source_path(name)
    try:
        return code_without_prose(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, tokenize.TokenError):
        return path.read_bytes().decode("latin-1")


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
def parsed(name: str) -> ast.Module:
    """A module, named as in `source_path`; an empty one for a file that is no Python, which fails where it is imported."""
    try:
        return ast.parse(source_path(name).read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _executed(node)


def _names_in(node: ast.AST, module: str, of_user: bool = False) -> Iterator[str]:
    """Modules that a node may name; a name imported from a package may be a module or not.

    A text in a user's module may name one without a dot, and f"nets.{name}" names nets.*.
    """
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            origin = resolve_name("." * node.level + origin, module.rpartition(".")[0]) if not module.endswith(".py") else ""
        yield from (origin, *(f"{origin}.{alias.name}" for alias in node.names))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"\w+(\.\w+)+(:\w+)?", node.value):
        yield node.value.partition(":")[0]
    elif of_user and isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        yield node.value
    elif of_user and isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        yield from [text] if re.fullmatch(r"\w+(\.[\w*]+)+", text) else []


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

"""Files that a user's method reads, as far as its code and config name them; nothing is run.

A text in the code, or a value of the config, names a file or folder beside the code, at an absolute path, or (files, and whatever
the config names) in the working folder. Parts that are computed count as `*`: f"fold{k}.bin" names every fold*.bin. What cannot
be seen is a place whose whole name is computed, a URL, and what is read through another program.
"""

from __future__ import annotations

import ast
import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.source_code import INSTALLED, parsed, source_path

DECLARED = "reads"  # attribute of a method's class: files and folders it reads besides those that are seen
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%[-+ #0-9.]*[a-z]")  # of str.format and of %
_LONGEST = 300  # characters of a text that may be a path
_SHORTEST = 3  # letters or digits of a computed name without a dot or slash
_NOT_READ = {"__pycache__", "node_modules"}  # and hidden names
_RUN = "run.json"  # marks a run folder, which changes while a method runs


def read_files(modules: Iterable[str], config: Mapping[str, Any]) -> dict[str, tuple[Path, ...]]:
    """The files that these modules and this config name, by the file or folder named; sorted. What `reads` names and is missing
    has no files.

    Args:
        modules: of the user, named as in `source_path`.
        config: plain JSON values, in groups.

    Raises:
        ConfigError: `reads` of a class is no list of texts.
    """
    here = Path.cwd()
    paths = sorted({source_path(name).resolve() for name in modules})
    beside = sorted({path.parent for path in paths} - INSTALLED)
    found: set[Path] = set()
    declared: dict[str, set[Path]] = {}
    for path in paths:
        for text in _texts(path):
            patterns = _patterns(text, path)
            found |= {place for folder in beside for place in _places(patterns, folder)}
            found |= {place for place in _places(patterns, here) if place.is_file()}
        declared |= {text: set(_places([text], path.parent)) for text in _declared(path)}
    for text in _values(config):
        names = [glob.escape(name) for name in (text, f"{text}.py")]
        found |= {place for folder in (*beside, here) for place in _places(names, folder)}
    found -= {here, *here.parents, *paths, *(folder for path in paths for folder in path.parents)}
    named = {place: _files_in(place) for place in sorted(found.union(*declared.values()))}
    missing = sorted(text for text, places in declared.items() if not places)
    return {**dict.fromkeys(missing, ()), **{str(place): files for place, files in named.items() if files}}


def _texts(path: Path) -> Iterator[str]:
    """Every text in a source; computed parts are `*`, and so is nothing else."""
    for node in ast.walk(parsed(str(path))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "rglob" and node.args:
            yield f"**/{_text(node.args[0])}"
        elif isinstance(node, ast.Import | ast.ImportFrom):  # compiled modules
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            yield from (f"{name.replace('.', '/')}.*so" for name in names if name)
        elif isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) and (text := _text(node)) != "*":
            yield text
            if isinstance(node, ast.Constant) and _PLACEHOLDER.search(text):
                yield _PLACEHOLDER.sub("*", text)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return glob.escape(node.value).replace("[*]", "*") if len(node.value) < _LONGEST else "*"
    if isinstance(node, ast.JoinedStr):
        return re.sub(r"\*+", "*", "".join(map(_text, node.values)))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return re.sub(r"\*+", "*", _text(node.left) + _text(node.right))
    return "*"


def _patterns(text: str, path: Path) -> list[str]:
    """What a text may name: itself, and a name that begins with the module's own, as in Path(__file__).with_suffix(".npz")."""
    letters = len(re.sub(r"[\W_]", "", text))
    if "\0" in text or "\n" in text or not letters or ("*" in text and letters < _SHORTEST and not re.search(r"[./]\w", text)):
        return []
    patterns = [text, f"{glob.escape(path.stem)}{text.removeprefix('*')}"]
    return patterns if not text.startswith("*/") else [*patterns, text[2:]]  # f"{HERE}/weights.bin"


def _places(patterns: Iterable[str], folder: Path) -> Iterator[Path]:
    for pattern in patterns:
        pattern = os.path.expanduser(pattern) if pattern.startswith("~") else pattern  # noqa: PTH111 (Path raises without a home)
        if pattern.startswith("/") and pattern.count("/") < 3 and not Path(pattern).is_file():
            continue  # "/", "/tmp"
        for name in glob.glob(pattern, root_dir=folder, recursive=True):  # noqa: PTH207 (Path.glob takes no absolute patterns)
            yield Path(os.path.normpath(folder / name))


def _declared(path: Path) -> Iterator[str]:
    """The literal texts of `reads = [...]` in the classes of a source."""
    for owner in ast.walk(parsed(str(path))):
        for node in owner.body if isinstance(owner, ast.ClassDef) else ():
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            value = getattr(node, "value", None)
            if value and any(isinstance(target, ast.Name) and target.id == DECLARED for target in targets):
                yield from _literal_texts(value, f"{path}, line {value.lineno}: `{DECLARED}` of {getattr(owner, 'name', '')}")


def _literal_texts(node: ast.AST, what: str) -> list[str]:
    try:
        texts = ast.literal_eval(node)
    except ValueError:
        texts = None
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ConfigError(
            f"{what} must be a list of paths, written out as texts, because it is read without running the file. "
            f'Write {DECLARED} = ["../weights", "/data/net.bin"].'
        )
    return list(texts)


def _values(config: Any) -> Iterator[str]:
    """Every text in a config that may be a path."""
    if isinstance(config, Mapping):
        for value in config.values():
            yield from _values(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _values(value)
    elif isinstance(config, str) and config.strip() and len(config) < _LONGEST and "\0" not in config:
        yield config


def _files_in(place: Path) -> tuple[Path, ...]:
    """The file itself, or the files in a folder, but for hidden ones, compiled code and run folders; sorted."""
    if place.is_file():
        return (place,)
    files, seen = list[Path](), set[str]()
    for folder, folders, names in os.walk(place, followlinks=True):
        is_new = (real := os.path.realpath(folder)) not in seen
        seen.add(real)
        if _RUN in names or not is_new:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in _NOT_READ and not name.startswith("."))
        files += [path for name in names if not name.startswith(".") and (path := Path(folder) / name).is_file()]
    return tuple(sorted(files))

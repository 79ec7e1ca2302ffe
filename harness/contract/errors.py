"""The errors a user sees. Each names the thing, what was expected, what was got, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_MOST_NAMES = 60  # in an error; a large run has ten thousand cells
_MOST_PROBLEMS = 20
_MOST_CHARACTERS = 4000  # of an exception's text


class PrsbenchError(Exception):
    """Base of every error the user can act on; the command line prints its text without a traceback."""


class ConfigError(PrsbenchError):
    """A grid, an option or a name that cannot be used as written."""


class DataError(PrsbenchError):
    """A file or a table of a data set that does not follow its layout."""


class ContractError(PrsbenchError):
    """A method or a data set that returned something its contract does not allow."""


class MissingPrerequisite(PrsbenchError):
    """A package or checkpoint is missing; the cell is skipped, with instructions in the message."""


class RunFolderError(PrsbenchError):
    """A run folder that cannot be used: locked by another driver, unwritable, or damaged."""


def reason_of(error: BaseException) -> str:
    """What an exception says, as text that fits into any file; the class is named unless the error is one of ours."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 (of a class that is not ours)
        text = "its text cannot be read"
    text = text if isinstance(error, PrsbenchError) else f"{type(error).__name__}: {text}"
    if isinstance(error, SystemExit):
        text += ". sys.exit ends a whole process: raise an error in its place"
    return storable(text[:_MOST_CHARACTERS])


def storable(text: str) -> str:
    """The text with lone surrogates, which no file can hold, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def first_line(text: str) -> str:
    """The first line of an error."""
    return text.strip().partition("\n")[0]


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a name that no catalog holds, with the nearest known name."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    name = name if len(name) <= 200 else f"{name[:200]}..."
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ConfigError(f"No {kind} is called '{name}'.{hint} Known: {', '.join(names[:_MOST_NAMES])}{more}")


def refuse(subject: object, problems: Sequence[str]) -> None:
    """Raise one DataError with the first 20 problems and the number of the rest; return if there are none."""
    if not problems:
        return
    lines = [f"  {problem}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"  and {len(problems) - _MOST_PROBLEMS} more")
    raise DataError("\n".join([f"{subject}: {len(problems)} problem{'s'[: len(problems) > 1]}", *lines]))

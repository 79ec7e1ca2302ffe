"""The prsbench command line. Each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from prsbench.harness.cli import checks, data_and_methods, first_steps, results, running
from prsbench.harness.cli.exit_codes import BROKEN_PIPE, EXIT_CODES, INTERRUPTED, USER_ERROR
from prsbench.harness.cli.opening import shortened
from prsbench.harness.contract.errors import ConfigError, PrsbenchError

GROUPS = {  # of `prsbench --help`, in the order in which one needs them; all other commands stand under "Further commands"
    "First steps": ("doctor", "init", "run", "list", "cache", "completion"),
    "Your data and your method": ("prepare", "data", "new-method", "test-method", "queries"),
    "Run a grid": ("plan", "config", "status", "logs", "retry", "merge", "tune", "ablate"),
    "Read the results": ("report", "view", "paper", "compare", "leaderboard"),
    "Check and pass on": ("verify", "audit", "records", "export", "export-scores"),
}
NUMBERS = {
    "workers": (1, 100_000),
    "sbatch": (1, 10_000),
    "limit": (1, 1_000_000_000),
    "minutes": (0.001, 100_000),
    "samples": (1, 1_000_000),
    "seed": (0, 2**32 - 1),
    "fail_below": (0, 1),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns one of EXIT_CODES; 130 and 141 are a shell's codes for Ctrl-C and for a closed output pipe."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a caller put another in its place, and None where it is closed
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8
    try:
        options = _parsed(sys.argv[1:] if arguments is None else arguments)
        code = options.command(options)
        _flush()  # raises BrokenPipeError here, where it is caught, and not at exit
        return code
    except PrsbenchError as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:  # as in `prsbench config schema | head`
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:
        try:
            _flush()
        except OSError:  # the output itself cannot be written
            _drop_output()
        if (problem := _problem_of(error)) is None:
            raise
        print(problem, file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\nStopped. Finished work is saved: the same command resumes the run.", file=sys.stderr)
        return INTERRUPTED


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, with what no command can take refused.

    Raises:
        ConfigError: characters that no file of a run can hold, a number out of range, or no working folder.
    """
    for argument in arguments:
        if any(character < " " and character not in "\n\t" or "\ud800" <= character < "\ue000" for character in argument):
            what = "holds control characters, or bytes that are not UTF-8. Rename what it names, or write it in another way"
            raise ConfigError(f"{shortened(ascii(argument))} {what}.")
    options, unknown = parser().parse_known_args(arguments)
    if unknown:  # argparse would print the usage of the whole program
        options.command_parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    for name, (least, most) in NUMBERS.items():
        given = getattr(options, name, None)
        if given is not None and not least <= given <= most:  # also if it is not a number
            raise ConfigError(f"--{name.replace('_', '-')}: expected {least:,} to {most:,}, got {shortened(str(given))}.")
    try:
        Path.cwd()
    except OSError:
        raise ConfigError("The working folder no longer exists. Change to another one.") from None
    return options


def _problem_of(error: OSError) -> str | None:
    """What the user can do about a file or folder that cannot be used; None if it is prsbench's own, or none is named."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
        return f"{error}. Make room or choose another place with --out. The same command resumes the run."
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    ours = (Path(__file__).parents[2] / room for room in ("harness", "methods", "metrics", "datasets", "results"))
    if not name or any(Path(name).is_relative_to(room) for room in ours):
        return None
    return f"{shortened(name)}: {error.strerror}. Correct the path or its permissions, or choose another one."


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _drop_output() -> None:
    """Send what is left to nowhere, else Python reports it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _GroupedParser(argparse.ArgumentParser):
    """A parser whose help lists its commands by GROUPS, and the exit codes."""

    def format_help(self) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        commands = next(action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        listed = {pseudo.dest: pseudo for pseudo in commands._get_subactions()}
        for title, names in {**GROUPS, "Further commands": tuple(listed)}.items():
            formatter.start_section(title)
            formatter.add_arguments([listed.pop(name) for name in names if name in listed])
            formatter.end_section()
        formatter.start_section("Options")
        formatter.add_arguments([action for action in self._actions if action is not commands])
        formatter.end_section()
        formatter.add_text(self.epilog)
        codes = "".join(f"  {code:<4}{meaning}\n" for code, meaning in EXIT_CODES.items())
        return f"{formatter.format_help()}\nExit codes:\n{codes}"


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    whole = _GroupedParser(
        prog="prsbench",
        description="Train, run and compare positional-reasoning segmenters, which give a mask and describe its place.",
        epilog="Start with `prsbench run smoke` (two minutes), then `prsbench run`. Every command has its own --help.",
    )
    whole.add_argument("--version", action="version", version=f"prsbench {version('prsbench')}")
    whole.set_defaults(parser=whole)
    commands = whole.add_subparsers(required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser)
    for group in (first_steps, data_and_methods, running, results, checks):
        group.add_commands(commands)
    return whole

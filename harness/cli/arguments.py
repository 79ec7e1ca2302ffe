"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
AddArguments = Callable[[argparse.ArgumentParser], None]


def add(
    commands: Commands, name: str, command: Callable[[argparse.Namespace], int], summary: str, *add_arguments: AddArguments
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(command=command, command_parser=parser)
    for add in add_arguments:
        add(parser)
    return parser


def add_group(commands: Commands, name: str, summary: str) -> Commands:
    return commands.add_parser(name, help=summary, description=summary).add_subparsers(required=True, metavar="WHAT")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def add_run_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder, such as runs/default")


def add_run_or_records(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, or a folder that `prsbench records` wrote")


def add_grid(parser: argparse.ArgumentParser) -> None:
    grid = parser.add_argument("grid", nargs="?", default="default", metavar="GRID")
    grid.help = "a packaged grid (`prsbench list grids`) or a YAML file (default: the packaged grid 'default')"
    parser.add_argument("--data", type=Path, metavar="DIR", help="images in the PRS-Med layout, for grids with source: prs_med")
    leave_out = parser.add_argument("--exclude", type=Path, metavar="FILE")
    leave_out.help = "leave out the pictures in this list of `prsbench data check --exclude`"
    limit = parser.add_argument("--limit", type=int, metavar="N")
    limit.help = "take only N pictures of --data, drawn evenly by modality, split and group"
    changes = parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="changes")
    changes.help = "change one key of the grid, as in seeds=[0,1] or data.0.train=20; may be repeated"


def add_grid_and_folder(parser: argparse.ArgumentParser) -> None:
    add_grid(parser)
    parser.add_argument("--out", metavar="DIR", help="the run folder, or a URL such as s3://... (default: runs/<grid's name>)")


def add_executor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor", choices=("ray", "serial"), default="ray", help="in parallel (default) or one by one; same numbers"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="parallel jobs (default: one per core)")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--plain", action="store_true", help="lines instead of bars, as where the output is no terminal")
    shown.add_argument("--quiet", action="store_true", help="no progress, only the tables at the end")
    parser.add_argument("--address", help="a running Ray cluster, such as auto (default: Ray on this machine)")


def add_trust_mtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust-mtime",
        choices=("yes", "no"),
        default="yes",
        help="no: hash every picture again, though its size, inode and times are the same",
    )

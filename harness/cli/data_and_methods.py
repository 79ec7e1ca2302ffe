"""Commands for one's own data and methods: prepare, data, new-method, test-method, queries."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from prsbench.harness.cli.arguments import Commands, add, add_grid_and_folder, add_group
from prsbench.harness.cli.exit_codes import OK, SOME_FAILED
from prsbench.harness.cli.opening import grid_and_folder, registry


def add_commands(commands: Commands) -> None:
    _add_prepare(commands)
    _add_data(commands)
    new = add(commands, "new-method", _new_method, "Write a working one-file method to start from.")
    new.add_argument("name", metavar="NAME", help="such as my_method: writes my_method.py to this folder")
    examine = add(commands, "test-method", _test_method, "Run the conformance suite on a method, with a few synthetic images.")
    examine.add_argument("name", metavar="NAME", help="a name from `prsbench list methods`, or file.py:ClassName")
    summary = "Write a grid's images and questions, to be answered in another environment and scored by a row saved:NAME."
    queries = add(commands, "queries", _queries, summary, add_grid_and_folder)
    queries.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    prompts = queries.add_argument("--prompts", action="store_true")
    prompts.help = "also write the true boxes or points, for the rows of this grid whose prompt source is an oracle box or point"


def _add_prepare(commands: Commands) -> None:
    summary = "Convert an unpacked public archive to the PRS-Med layout, which --data takes. A second run changes nothing."
    prepare = add(commands, "prepare", _prepare, summary)
    prepare.add_argument("source", metavar="SOURCE", help="which archive (`prsbench list datasets`)")
    prepare.add_argument("--from", type=Path, metavar="DIR", dest="from_folder", help="the archive: a folder, a zip or a tar")
    prepare.add_argument("--to", type=Path, required=True, metavar="DIR", dest="to_folder", help="root of the prepared data set")
    prepare.add_argument("--modality", help="for 'pairs' and 'volumes': modality of the images, such as lung_xray")
    prepare.add_argument("--target", help="for 'pairs' and 'volumes': what the masks outline, such as lungs")
    prepare.add_argument("--archive", help="for 'pairs' and 'volumes': name of the archive")
    help_ = "for 'pairs' and 'volumes': what a mask's name has after its image's, such as _m"
    prepare.add_argument("--mask-suffix", metavar="TEXT", help=help_)
    help_ = "for label masks: values that are the target, as numbers (1 2) or colours ('#ff0000')"
    prepare.add_argument("--foreground", nargs="+", metavar="VALUE", help=help_)
    prepare.add_argument(
        "--ignore", nargs="+", metavar="VALUE", help="for label masks: further values, which count as background"
    )
    help_ = "for volumes: values shown as black and white ('-1000 400' in HU, or '1%% 99%%' of a volume's values)"
    prepare.add_argument("--window", metavar="'LOW HIGH'", help=help_)
    prepare.add_argument(
        "--axis", choices=("axial", "coronal", "sagittal"), help="for volumes: plane of the slices (default axial)"
    )
    prepare.add_argument("--slices", choices=("all", "target"), help="for volumes: all (default), or those that show the target")
    prepare.add_argument("--group", metavar="REGEX", help="for 'pairs': its first group finds the case in a file name")
    prepare.add_argument("--seed", type=int, default=0, help="seed of the split into train, val and test (default 0)")
    help_ = "kinds of questions (`prsbench list families`; default: where, as in the official tables)"
    prepare.add_argument("--families", nargs="+", metavar="NAME", help=help_)
    prepare.add_argument("--check", action="store_true", help="then run `prsbench data check`: exit 1 if it finds a problem")


def _add_data(commands: Commands) -> None:
    kinds = add_group(commands, "data", "Check, show and describe a data set in the PRS-Med layout, prepared or official.")
    summary = "Look for what would make its numbers wrong: leaks, duplicates, broken files, odd masks. Exit 1 on a problem."
    check = add(kinds, "check", _data_check, summary)
    check.add_argument("data", type=Path, metavar="DIR", help="root of the data set; nothing in it is changed")
    check.add_argument("--to", type=Path, metavar="DIR", help="also write check.html, check.md and findings.csv there")
    check.add_argument("--exclude", type=Path, metavar="FILE", help="also write a list of pictures for `run --exclude`")
    check.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    summary = "Draw a contact sheet: a few pictures of each split with their masks, questions and answers."
    show = add(kinds, "show", _data_show, summary)
    show.add_argument("data", type=Path, metavar="DIR", help="root of the data set; nothing in it is changed")
    show.add_argument("--to", type=Path, default=Path("contact_sheet.png"), metavar="FILE", help="default: contact_sheet.png")
    show.add_argument("--pictures", type=int, default=6, metavar="N", help="of each split, spread evenly over it (default 6)")
    summary = "Write a data card and Croissant metadata: sources, licences, citations, counts, splits, known defects."
    card = add(kinds, "card", _data_card, summary)
    card.add_argument("data", type=Path, metavar="DIR", help="root of the data set")
    card.add_argument("--to", type=Path, metavar="DIR", help="where to write DATA_CARD.md and croissant.json (default: the root)")


def _prepare(options: argparse.Namespace) -> int:
    from prsbench.datasets.catalog import prepare
    from prsbench.datasets.data_card import write_data_card

    names = ("modality", "target", "archive", "group", "seed", "mask_suffix", "foreground", "ignore", "window", "axis", "slices",
             "families")  # fmt: skip
    print(prepare(options.source, options.from_folder, options.to_folder, **{name: getattr(options, name) for name in names}))
    write_data_card(options.to_folder, options.to_folder)
    if not options.check:
        return OK
    from prsbench.datasets.check.check import check_root

    print(checked := check_root(options.to_folder, -1))
    return SOME_FAILED if checked.problems else OK


def _data_check(options: argparse.Namespace) -> int:
    from prsbench.datasets.check.check import check_root, write_excluded
    from prsbench.datasets.check.page import write_pages

    say = partial(print, end="   \r", file=sys.stderr, flush=True) if sys.stderr.isatty() else (lambda _: None)
    checked = check_root(options.data, options.workers or -1, say)
    print(checked)
    for path in write_pages(checked, options.to) if options.to else ():
        print(path)
    if options.exclude:
        print(f"{options.exclude}: {write_excluded(checked, options.exclude)} pictures to leave out.")
    return SOME_FAILED if checked.problems else OK


def _data_show(options: argparse.Namespace) -> int:
    from prsbench.datasets.contact_sheet import write_contact_sheet

    n_shown = write_contact_sheet(options.data, options.to, options.pictures)
    print(f"{options.to}: {n_shown} pictures.")
    return OK


def _data_card(options: argparse.Namespace) -> int:
    from prsbench.datasets.data_card import write_data_card

    for path in write_data_card(options.data, options.to or options.data):
        print(path)
    return OK


def _new_method(options: argparse.Namespace) -> int:
    from prsbench.methods.authoring.skeleton import write_skeleton

    name = write_skeleton(options.name, Path())
    print(f"{name} is ready. Check it with `prsbench test-method {name}`, then name it in a grid.")
    return OK


def _test_method(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.worker.process import prepare_process

    prepare_process(threads=1)
    from prsbench.harness.engine.apart.process import Apart, ProcessEnded
    from prsbench.methods.authoring.conformance import report
    from prsbench.methods.catalog import METHODS

    if not METHODS[options.name].own_process:
        return OK if report(options.name, print) else SOME_FAILED
    sys.stdout.flush()
    try:
        return OK if Apart().call(report, options.name, print) else SOME_FAILED
    except ProcessEnded as error:
        print(f"FAILED         the check after the last line above: {error}")
        return SOME_FAILED


def _queries(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.queries import write_queries

    print(write_queries(*grid_and_folder(options), registry(), options.to, options.prompts, partial(print, flush=True)))
    return OK

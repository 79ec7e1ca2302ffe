"""The prsbench command line, the only module that knows all three catalogs. Each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.harness.contract.errors import ConfigError, PrsbenchError

if TYPE_CHECKING:
    from prsbench.harness.contract.results import CellResult
    from prsbench.harness.engine.driver.display import Display
    from prsbench.harness.engine.grid.schema import GridConfig
    from prsbench.harness.engine.inspect.state import CellState, Run
    from prsbench.harness.engine.plan.choices import Registry
    from prsbench.harness.engine.store.run_folder import RunFolder
    from prsbench.harness.report.exports.samples import Results
    from prsbench.harness.report.figures.pictures import Pictures

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    AddArguments = Callable[[argparse.ArgumentParser], None]


OK, SOME_FAILED, USER_ERROR, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
EXIT_CODES = {
    OK: "success",
    SOME_FAILED: "something is incomplete, failed, or differs; the output names it",
    USER_ERROR: "an error that you can correct: the message says how",
    INTERRUPTED: "stopped by Ctrl-C or SIGTERM; the same command resumes",
    BROKEN_PIPE: "the reader of the output has left, as in `| head`",
}
GROUPS = {  # of `prsbench --help`, in the order in which one needs them; all other commands stand under "Further commands"
    "First steps": ("doctor", "init", "run", "list", "cache", "completion"),
    "Your data and your method": ("prepare", "data", "new-method", "test-method", "queries"),
    "Run a grid": ("plan", "config", "status", "logs", "retry", "merge", "tune", "ablate"),
    "Read the results": ("report", "view", "paper", "compare", "leaderboard"),
    "Check and pass on": ("verify", "audit", "records", "export", "export-scores"),
}
LONGEST_PATH = 3000  # of a run folder; systems allow 4096 bytes for the paths of the files in it
EXPORTS = {
    "challenger": "CSVs for challengeR",
    "claims": "CSVs for Claims Reloaded",
    "model-card": "snippets with a model index",
    "dataset-card": "a snippet on the test data",
    "parquet": "samples.parquet",
    "wandb": "offline runs of Weights & Biases",
    "mlflow": "a file store of MLflow",
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
            raise ConfigError(f"{_shortened(ascii(argument))} {what}.")
    options = _parser().parse_args(arguments)
    for name, (least, most) in NUMBERS.items():
        given = getattr(options, name, None)
        if given is not None and not least <= given <= most:  # also if it is not a number
            raise ConfigError(f"--{name.replace('_', '-')}: expected {least:,} to {most:,}, got {_shortened(str(given))}.")
    try:
        Path.cwd()
    except OSError:
        raise ConfigError("The working folder no longer exists. Change to another one.") from None
    return options


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _problem_of(error: OSError) -> str | None:
    """What the user can do about a file or folder that cannot be used; None if it is prsbench's own, or none is named."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
        return f"{error}. Make room or choose another place with --out. The same command resumes the run."
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    ours = (Path(__file__).parents[1] / room for room in ("harness", "methods", "metrics", "datasets", "results"))
    if not name or any(Path(name).is_relative_to(room) for room in ours):
        return None
    return f"{_shortened(name)}: {error.strerror}. Correct the path or its permissions, or choose another one."


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


def _parser() -> argparse.ArgumentParser:
    parser = _GroupedParser(
        prog="prsbench",
        description="Train, run and compare positional-reasoning segmenters, which give a mask and describe its place.",
        epilog="Start with `prsbench run smoke` (two minutes), then `prsbench run`. Every command has its own --help.",
    )
    parser.add_argument("--version", action="version", version=f"prsbench {version('prsbench')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser)
    _add_first_steps(commands)
    _add_run(commands)
    _add_plan(commands)
    _add_ablate(commands)
    _add_tune(commands)
    summary = "Rewrite a run folder's tables, figures and report.html from its stored results."
    report = _add(commands, "report", _report, summary, _add_run_or_records)
    report.add_argument("--to", type=Path, metavar="DIR", help="where to write (default: the folder itself)")
    exclusive = report.add_mutually_exclusive_group()
    across = exclusive.add_argument("--across-prompts", action="store_true")
    across.help = "only print the main tables, with all prompt sources ranked together although their inputs differ"
    unexposed = exclusive.add_argument("--without-exposed", nargs="+", default=[], metavar="DATASET")
    unexposed.help = (
        "only print the main tables, ranked without rows whose pre-training saw one of these (CVC-ClinicDB, BUSI, ...)"
    )
    events = exclusive.add_argument("--tensorboard", type=Path, metavar="DIR")
    events.help = "only write the training losses, as TensorBoard events under DIR"
    summary = "Write a page on which every sample of a run can be seen, sorted and compared; it opens without a server."
    view = _add(commands, "view", _view, summary, _add_run_folder)
    view.add_argument("--to", type=Path, metavar="DIR", help="a new or empty folder, or an earlier viewer (default: RUN/viewer)")
    summary = "Show which cells of a run folder are complete, and why the others are not."
    _add(commands, "status", _status, summary, _add_run_folder, _add_json)
    summary = "Show the attempts at one cell or training of a run folder, and the end of its log."
    logs = _add(commands, "logs", _logs, summary, _add_run_folder)
    logs.add_argument("name", metavar="CELL", help="a folder name in RUN/cells or RUN/trainings, or its start")
    logs.add_argument("--all", action="store_true", help="show the complete log")
    _add_retry(commands)
    _add_merge(commands)
    summary = "Recompute a run's hashes, scores and tables (but not its figures) from its records; report every difference."
    _add(commands, "verify", _verify, summary, _add_run_folder)
    summary = "Write a run's numbers and texts as samples.csv.gz and cells.json, from which every table follows without the run."
    records = _add(commands, "records", _records, summary, _add_run_or_records)
    records.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder, or earlier records")
    _add_tables_and_exports(commands)
    _add_config(commands)
    _add_audit(commands)
    _add_prepare(commands)
    _add_data(commands)
    _add_export(commands)
    summary = "Write a grid's images and questions, to be answered in another environment and scored by a row saved:NAME."
    queries = _add(commands, "queries", _queries, summary, _add_grid_and_folder)
    queries.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    prompts = queries.add_argument("--prompts", action="store_true")
    prompts.help = "also write the true boxes or points, for the rows of this grid whose prompt source is an oracle box or point"
    examine = _add(commands, "test-method", _test_method, "Run the conformance suite on a method, with a few synthetic images.")
    examine.add_argument("name", metavar="NAME", help="a name from `prsbench list methods`, or file.py:ClassName")
    new = _add(commands, "new-method", _new_method, "Write a working one-file method to start from.")
    new.add_argument("name", metavar="NAME", help="such as my_method: writes my_method.py to this folder")
    lists = _add(commands, "list", _list, "List the methods, data sources, metrics or packaged grids.")
    lists.add_argument("what", choices=("methods", "datasets", "metrics", "grids"))
    _add_json(lists)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def _add_first_steps(commands: Commands) -> None:
    summary = (
        "Check this installation and machine: packages, weights, Ray, memory, disk, GPU; say what to do. Exit 1 on a problem."
    )
    _add(commands, "doctor", _doctor, summary, _add_json)
    summary = "Write a commented grid and a method to start from, which run as they are."
    init = _add(commands, "init", _init, summary)
    init.add_argument("folder", type=Path, metavar="DIR", help="where to write grid.yaml and my_method.py")
    cache = _add(commands, "cache", _cache, "Show what is cached in your home folder; --clear deletes it. It costs only time.")
    cache.add_argument("--clear", nargs="*", metavar="KIND", help="delete these kinds (hashes, sentences, ...), or all")
    _add_json(cache)
    completion = _add(commands, "completion", _completion, "Print a script that completes commands and options on Tab.")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), help='such as bash: eval "$(prsbench completion bash)"')


def _add(
    commands: Commands, name: str, command: Callable[[argparse.Namespace], int], summary: str, *add_arguments: AddArguments
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(command=command)
    for add in add_arguments:
        add(parser)
    return parser


def _add_group(commands: Commands, name: str, summary: str) -> Commands:
    return commands.add_parser(name, help=summary, description=summary).add_subparsers(required=True, metavar="WHAT")


def _add_run_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder, such as runs/default")


def _add_run_or_records(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, or a folder that `prsbench records` wrote")


def _add_grid(parser: argparse.ArgumentParser) -> None:
    grid = parser.add_argument("grid", nargs="?", default="default", metavar="GRID")
    grid.help = "a packaged grid (`prsbench list grids`) or a YAML file (default: the packaged grid 'default')"
    parser.add_argument("--data", type=Path, metavar="DIR", help="images in the PRS-Med layout, for grids with source: prs_med")
    leave_out = parser.add_argument("--exclude", type=Path, metavar="FILE")
    leave_out.help = "leave out the pictures in this list of `prsbench data check --exclude`"
    limit = parser.add_argument("--limit", type=int, metavar="N")
    limit.help = "take only N pictures of --data, drawn evenly by modality, split and group"
    changes = parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="changes")
    changes.help = "change one key of the grid, as in seeds=[0,1] or data.0.train=20; may be repeated"


def _add_grid_and_folder(parser: argparse.ArgumentParser) -> None:
    _add_grid(parser)
    parser.add_argument("--out", metavar="DIR", help="the run folder, or a URL such as s3://... (default: runs/<grid's name>)")


def _add_run(commands: Commands) -> None:
    summary = "Train and evaluate a grid, then write its tables. The same command resumes a stopped run."
    run = _add(commands, "run", _run, summary, _add_grid_and_folder)
    run.add_argument("--only", nargs="+", default=[], metavar="METHOD", help="run only these methods of the grid")
    shard = run.add_argument("--shard", metavar="I/N", help="do the I-th of N shares: for N drivers on one folder (--out), as in")
    shard.help = f"{shard.help} a SLURM array; `prsbench merge` then joins them and writes the tables"
    _add_executor(run)
    _add_trust_mtime(run)


def _add_merge(commands: Commands) -> None:
    summary = "Finish a run whose drivers each did a share (run --shard): join, measure and score, then write its tables."
    _add_executor(_add(commands, "merge", _merge, summary, _add_run_folder))


def _add_executor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor", choices=("ray", "serial"), default="ray", help="in parallel (default) or one by one; same numbers"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="parallel jobs (default: one per core)")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--plain", action="store_true", help="lines instead of bars, as where the output is no terminal")
    shown.add_argument("--quiet", action="store_true", help="no progress, only the tables at the end")
    parser.add_argument("--address", help="a running Ray cluster, such as auto (default: Ray on this machine)")


def _add_retry(commands: Commands) -> None:
    summary = "Run the failed and damaged cells of a run folder again, with the grid stored in it."
    retry = _add(commands, "retry", _retry, summary, _add_run_folder)
    # Nothing reads --failed: scripts that name the default still work.
    retry.add_argument("--failed", action="store_true", help="the default: every retry includes failed and damaged cells")
    retry.add_argument("--skipped", action="store_true", help="also retry skipped cells")
    retry.add_argument("--partial", action="store_true", help="also retry complete cells in which samples failed")
    _add_executor(retry)


def _add_tables_and_exports(commands: Commands) -> None:
    summary = "Write the papers' tables as CSV, Markdown and LaTeX, with a LaTeX document that shows them."
    paper = _add(commands, "paper", _paper, summary, _add_run_or_records)
    paper.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write")
    extras = paper.add_argument("--with", nargs="+", default=[], choices=("n", "failures", "intervals"), dest="extras")
    extras.help = "also show scored/listed samples, failed samples, 95 %% intervals"
    summary = "Compare two runs of the same rows on the same samples: second minus first, with 95 %% intervals."
    compare = _add(commands, "compare", _compare, summary)
    compare.add_argument("first", type=Path, metavar="A", help="a run folder, or a folder that `prsbench records` wrote")
    compare.add_argument("second", type=Path, metavar="B", help="the same; must hold the same samples")
    compare.add_argument("--fail-below", type=float, metavar="X", help="exit 1 if a mean of B is worse than A's by more than X")
    summary = (
        "List many runs on one page and in one CSV. Only rows of the same data, judge and prompt source are ranked together."
    )
    board = _add(commands, "leaderboard", _leaderboard, summary)
    board.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, which are verified, or records")
    board.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write")
    board.add_argument("--by", default="mdice_pranet", metavar="METRIC", help="what ranks them (default mdice_pranet)")
    summary = "Write a run's scores or descriptions in the format of another program."
    scores = _add(commands, "export-scores", _export_scores, summary, _add_run_or_records)
    scores.add_argument("--format", required=True, choices=tuple(EXPORTS), help="; ".join(map(": ".join, EXPORTS.items())))
    scores.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write")


def _add_config(commands: Commands) -> None:
    kinds = _add_group(commands, "config", "Print a grid as prsbench reads it, or the JSON Schema of grid files.")
    show = _add(kinds, "show", _show_config, "Print a grid as prsbench reads it, in YAML.", _add_grid)
    show.add_argument("--resolved", action="store_true", help="include every key of every method, also defaults")
    _add(kinds, "schema", _show_schema, "Print the JSON Schema of grid files, for editors.")


def _add_trust_mtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust-mtime",
        choices=("yes", "no"),
        default="yes",
        help="no: hash every picture again, though its size, inode and times are the same",
    )


def _add_plan(commands: Commands) -> None:
    summary = "Check a grid and its data; show which cells are new, cached, failed or stale and why, and estimate the time left."
    plan = _add(commands, "plan", _plan, summary, _add_grid_and_folder)
    plan.add_argument("--workers", type=int, metavar="N", help="parallel jobs (default: one per core)")
    plan.add_argument("--sbatch", type=int, metavar="N", help="print a SLURM script of N drivers instead, each with a share")
    _add_trust_mtime(plan)
    _add_json(plan)


def _add_ablate(commands: Commands) -> None:
    summary = (
        "Change a method's config one value at a time, or run a setting, on a grid's data with several seeds; report effects."
    )
    ablate = _add(commands, "ablate", _ablate, summary)
    ablate.add_argument("ablation", metavar="WHAT", help="a packaged ablation: text2centroid")
    _add_grid_and_folder(ablate)
    setting = ablate.add_argument("--setting", metavar="NAME")
    setting.help = "an experiment with a verdict (seen, refuted, open): answers, dose or points; without it, one change at a time"
    ablate.add_argument("--plan", action="store_true", help="only show the plan and the estimated time")
    _add_executor(ablate)


def _add_tune(commands: Commands) -> None:
    summary = "Try the same number of learning rates for every row trained here, for equal minutes, scored on the val split."
    tune = _add(commands, "tune", _tune, summary)
    _add_grid(tune)
    tune.add_argument("--out", metavar="DIR", help="the run folder (default: runs/<grid's name>-tuning)")
    tune.add_argument("--only", nargs="+", default=[], metavar="METHOD", help="tune only these methods of the grid")
    tune.add_argument("--minutes", type=float, default=3.0, metavar="M", help="training time of each try (default 3)")
    _add_executor(tune)


def _add_prepare(commands: Commands) -> None:
    summary = "Convert an unpacked public archive to the PRS-Med layout, which --data takes. A second run changes nothing."
    prepare = _add(commands, "prepare", _prepare, summary)
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
    prepare.add_argument("--check", action="store_true", help="then run `prsbench data check`: exit 1 if it finds a problem")


def _add_data(commands: Commands) -> None:
    kinds = _add_group(commands, "data", "Check and describe a data set in the PRS-Med layout, prepared or official.")
    summary = "Look for what would make its numbers wrong: leaks, duplicates, broken files, odd masks. Exit 1 on a problem."
    check = _add(kinds, "check", _data_check, summary)
    check.add_argument("data", type=Path, metavar="DIR", help="root of the data set; nothing in it is changed")
    check.add_argument("--to", type=Path, metavar="DIR", help="also write check.html, check.md and findings.csv there")
    check.add_argument("--exclude", type=Path, metavar="FILE", help="also write a list of pictures for `run --exclude`")
    check.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    summary = "Write a data card and Croissant metadata: sources, licences, citations, counts, splits, known defects."
    card = _add(kinds, "card", _data_card, summary)
    card.add_argument("data", type=Path, metavar="DIR", help="root of the data set")
    card.add_argument("--to", type=Path, metavar="DIR", help="where to write DATA_CARD.md and croissant.json (default: the root)")


def _add_audit(commands: Commands) -> None:
    audits = _add_group(commands, "audit", "Check what the scores of a run are worth.")
    summary = "Write RUN/audit/prscore.md: PRScore with other judges, weights and combinations, and its correlation with Dice."
    _add(audits, "prscore", _audit_prscore, summary, _add_run_folder)
    summary = "Predict again with the reference hidden. A method has a leak if one bit of a prediction changes."
    leaks = _add(audits, "leaks", _audit_leaks, summary)
    leaks.add_argument("method", metavar="METHOD", help="a method of the run")
    leaks.add_argument("--run", type=Path, default=Path("runs/default"), metavar="RUN", help="run folder (default: runs/default)")
    leaks.add_argument("--samples", type=int, default=8, metavar="N", help="samples per data set (default 8)")
    summary = "Let a language model judge whether answers name the right place; report its agreement with the rule parser."
    judge = _add(audits, "judge", _audit_judge, summary, _add_run_folder)
    judge.add_argument("--model", type=Path, required=True, metavar="DIR", help="local folder of a causal language model")


def _add_export(commands: Commands) -> None:
    summary = "Write a trained method of a run as a checkpoint folder, which a row such as cg_reasoner_checkpoint loads."
    export = _add(commands, "export", _export, summary)
    export.add_argument("method", metavar="METHOD", help="a method of the run, such as cg_reasoner")
    _add_run_folder(export)
    export.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    export.add_argument("--seed", type=int, metavar="N", help="seed of the training (default: the run's first)")


def _open(options: argparse.Namespace) -> Run:
    """The run in the folder RUN."""
    return _open_folder(options.run)


def _open_folder(folder: Path) -> Run:
    from prsbench.harness.engine.inspect.state import open_run

    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: this is not a folder. Name the folder that `run` wrote, as in runs/default.")
    if _is_records(folder):
        raise ConfigError(f"{folder}: these are a run's records, without its predictions. Name the folder that `run` wrote.")
    return open_run(folder)


def _doctor(options: argparse.Namespace) -> int:
    import json

    from prsbench.harness.engine.apart.process import Apart
    from prsbench.harness.engine.driver.ray_start import try_ray
    from prsbench.harness.engine.worker.process import try_gpus
    from prsbench.harness.installation import doctor
    from prsbench.methods.catalog import METHODS, PACKAGED_JUDGE, PARTS
    from prsbench.methods.parts.weights.packaged import locate

    entries = [*METHODS.values(), *PARTS.values(), PACKAGED_JUDGE]
    files = dict.fromkeys(file for entry in entries for file in entry.packaged)
    users = {file: tuple(entry.name for entry in entries if file in entry.packaged) for file in files}
    found = []
    for check in doctor.checks(doctor.Weights(users, locate), try_ray, partial(Apart().call, try_gpus, timeout_s=120)):
        found.append(check)
        if not options.json:
            print("\n".join(doctor.lines(check)), flush=True)
    if options.json:
        print(json.dumps(doctor.as_json(found), indent=1))
    return SOME_FAILED if any(check.state is doctor.State.PROBLEM for check in found) else OK


def _init(options: argparse.Namespace) -> int:
    import shlex

    from prsbench.methods.authoring.skeleton import write_project

    grid, method = write_project(options.folder)
    print(f"{grid} and {method} are ready. Next:\n  cd {shlex.quote(str(options.folder))}\n  prsbench run {grid.name}")
    return OK


def _cache(options: argparse.Namespace) -> int:
    import json

    from prsbench.harness.contract.errors import unknown_name
    from prsbench.harness.contract.files import cache_folder
    from prsbench.harness.installation.cache import cached, clear, size_text

    kinds = {kind.name: kind for kind in cached()}
    if options.clear is not None:
        for name in options.clear:
            if name not in kinds:
                raise unknown_name("kind in the cache", name, kinds)
        n_bytes = clear([kind for kind in kinds.values() if not options.clear or kind.name in options.clear])
        print(json.dumps({"deleted_bytes": n_bytes}) if options.json else f"Deleted {size_text(n_bytes)} from {cache_folder()}.")
        return OK
    if options.json:
        sizes = {name: {"bytes": kind.n_bytes, "files": list(map(str, kind.paths))} for name, kind in kinds.items()}
        print(json.dumps({"folder": str(cache_folder()), "kinds": sizes}, indent=1))
        return OK
    print(f"{cache_folder()}: {size_text(sum(kind.n_bytes for kind in kinds.values()))}")
    for kind in kinds.values():
        print(f"  {kind.name:10} {size_text(kind.n_bytes):>10}  {kind.title}, {len(kind.paths)} files or folders")
    return OK


def _completion(options: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(_parser(), options.shell))
    return OK


def _export(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.export import export

    print(export(_open(options), options.method, options.to, options.seed))
    return OK


def _queries(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.queries import write_queries

    print(write_queries(*_grid_and_folder(options), _registry(), options.to, options.prompts, partial(print, flush=True)))
    return OK


def _audit_judge(options: argparse.Namespace) -> int:
    run = _open(options)
    if not options.model.is_dir():
        raise ConfigError(f"{options.model}: no such folder. Name the folder of a causal language model with --model.")
    from prsbench.harness.audit.judge import audit_judge, line_of
    from prsbench.methods.parts.language.local_llm import LocalCausalLM

    for row in audit_judge(run, LocalCausalLM(options.model)):
        print(line_of(row))
    return OK


def _audit_leaks(options: argparse.Namespace) -> int:
    from prsbench.harness.audit import counterfactual, leaks, leaks_page

    run = _open(options)
    audits = leaks.audit_leaks(run, options.method, options.samples)
    effects = counterfactual.counterfactuals(run, options.method, options.samples)
    print(leaks_page.page(audits, effects), end="")
    for dataset, note in run.plan.disclosed.items():
        print(f"{dataset}: {note}. What a method learnt of them in training is no leak by these checks.")
    return OK if leaks_page.is_clean(audits) else SOME_FAILED


def _audit_prscore(options: argparse.Namespace) -> int:
    from prsbench.harness.audit.prscore import audit_prscore
    from prsbench.harness.audit.prscore_page import write_page
    from prsbench.harness.engine.inspect.results import results

    run = _open(options)
    rows = audit_prscore(run, _registry())
    notes = dict.fromkeys(note for cell in results(run) for note in cell.judge_notes)
    for path in write_page(rows, list(notes), options.run):
        print(path)
    return OK


def _run(options: argparse.Namespace) -> int:
    if options.shard:
        return _run_share(*_grid_and_folder(options), options)
    return _run_and_report(*_grid_and_folder(options), options, only=options.only)


def _run_share(grid: GridConfig, folder: RunFolder, options: argparse.Namespace) -> int:
    """Do one share of a grid. Its tables are written by `merge`, when all shares are done."""
    from prsbench.harness.engine.driver.run import run_grid
    from prsbench.harness.engine.driver.shares import numbers_of
    from prsbench.harness.engine.inspect.state import CellState, stored_cells

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    (say, display), share = _output(options), numbers_of(options.shard)
    run = run_grid(grid, _registry(), folder, say, options.executor, options.only, options.address, (), display, share=share)
    n_failed = sum(stored.state is CellState.FAILED for stored in stored_cells(run.plan.cells, run.setting))
    failures = f" {n_failed} cells of the run have failed so far: prsbench status {folder.path}." if n_failed else ""
    print(f"Share {options.shard} is done.{failures} After all shares: prsbench merge {folder.path}")
    return SOME_FAILED if n_failed else OK


def _merge(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.grid.loading import changed
    from prsbench.harness.engine.inspect.state import grid_of
    from prsbench.harness.engine.store.run_folder import RunFolder

    grid = changed(grid_of(options.run), _execution_changes(options))
    return _run_and_report(grid, RunFolder(options.run), options, only_finish=True)


def _retry(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.grid.loading import changed
    from prsbench.harness.engine.inspect.state import CellState, grid_of, move_damaged
    from prsbench.harness.engine.store.run_folder import RunFolder

    _open(options)
    grid, folder = changed(grid_of(options.run), _execution_changes(options)), RunFolder(options.run)
    with folder.driver_lock():
        for line in move_damaged(_open(options), options.partial):
            print(line)
    return _run_and_report(grid, folder, options, states={CellState.FAILED, *([CellState.SKIPPED] if options.skipped else [])})


def _run_and_report(
    grid: GridConfig,
    folder: RunFolder,
    options: argparse.Namespace,
    only: Collection[str] = (),
    states: Collection[CellState] = (),
    only_finish: bool = False,
) -> int:
    """Run a grid, write its report and print the main tables."""
    from prsbench.harness.contract.results import ResultStatus, digest_of
    from prsbench.harness.engine.driver.run import run_grid
    from prsbench.harness.engine.inspect.results import held_out, results, trainings_of
    from prsbench.harness.engine.inspect.state import RunStatus
    from prsbench.harness.report.writer import summary_text, write_report

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # schedulers send SIGTERM; treat it as Ctrl-C
    say, display = _output(options)
    run = run_grid(
        grid, _registry(), folder, say, options.executor, only, options.address, states, display, only_finish=only_finish
    )
    cells = results(run)
    write_report(cells, folder.path, partial(_pictures, run), trainings_of(run), held_out(run))
    folder.report_written()
    print(f"\n{summary_text(cells)}\nTables, figures and report.html are in {folder.path}")
    print(f"Digest of these results: {digest_of(cells)}")
    n_failed = sum(cell.summary.n_failed for cell in cells if cell.summary)
    if n_failed:
        print(f"{n_failed} samples failed. The tables count them; `prsbench retry --partial {folder.path}` predicts them again.")
    is_complete = run.status is RunStatus.COMPLETE and all(cell.status is not ResultStatus.FAILED for cell in cells)
    return OK if is_complete and not n_failed else SOME_FAILED


def _output(options: argparse.Namespace) -> tuple[Callable[[str], None], Display | None]:
    """Where the lines of a run go, and its live display: on a terminal, without --plain or --quiet."""
    if options.quiet:
        return lambda _: None, None
    if options.plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return partial(print, file=sys.stdout, flush=True), None  # bound now: the output of a node goes to its log
    from prsbench.harness.engine.driver.display import Display

    display = Display()
    return display.say, display


def _ablate(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.driver.executor import workers_here
    from prsbench.harness.engine.driver.forecast import estimate
    from prsbench.harness.engine.plan.ablation import ablation_grid
    from prsbench.harness.report.tables.verdict import RULE

    grid, folder = _grid_and_folder(options, partial(ablation_grid, options.ablation, _registry(), setting=options.setting))
    if options.setting:
        print(RULE)
    run = _planned(grid, folder, last=2)
    rows = ", ".join(dict.fromkeys(cell.method for cell in run.plan.cells))
    print(f"Rows: {rows}\nSeeds: {', '.join(map(str, grid.seeds))}\nRun folder: {folder.path}", flush=True)
    parent_run = Path("runs") / grid.name.partition(f"-{options.ablation}")[0]
    if parent_run.is_dir():
        print(estimate(run, workers_here(grid.execution), parent_run), flush=True)
    return OK if options.plan else _run_and_report(grid, folder, options)


def _tune(options: argparse.Namespace) -> int:
    from math import isfinite

    from prsbench.harness.engine.driver.tuning import tune
    from prsbench.harness.engine.grid.loading import load_grid
    from prsbench.harness.engine.inspect.tuning import tuning_text, write_tuning

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    grid = load_grid(options.grid, [*options.changes, *_execution_changes(options)], options.data, _selection(options))
    folder, (say, display) = _folder(options.out, f"{grid.name}-tuning"), _output(options)
    how = {"executor": options.executor, "address": options.address, "display": display}
    rows = tune(grid, _registry(), folder, say, options.minutes, options.only, **how)
    write_tuning(rows, folder.path / "tuning.csv")
    folder.report_written()
    print(f"\n{tuning_text(rows)}\nScored on the val split. All tries are in {folder.path / 'tuning.csv'}")
    return OK if all(isfinite(row.score) for row in rows) else SOME_FAILED


def _plan(options: argparse.Namespace) -> int:
    if options.sbatch:
        return _print_sbatch(options)
    run = _planned(*_grid_and_folder(options), as_json=options.json)
    is_whole = not run.plan.left_out and not any("problem" in cell.origin for cell in run.plan.cells)
    return OK if is_whole else SOME_FAILED


def _print_sbatch(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.driver.run import plan_run
    from prsbench.harness.engine.driver.shares import sbatch_script

    grid, folder = _grid_and_folder(options)
    run = plan_run(grid, _registry(), folder, partial(print, file=sys.stderr))
    data = ["--data", str(options.data.absolute())] if options.data else []
    changes = [argument for change in options.changes for argument in ("--set", change)]
    named = str(Path(options.grid).absolute()) if Path(options.grid).is_file() else options.grid
    command = ["prsbench", "run", named, *data, *changes, "--out", str(folder.path.absolute())]
    print(sbatch_script(run.plan, grid.name, command, folder.path, options.sbatch), end="")
    return OK


def _planned(grid: GridConfig, folder: RunFolder, last: int = 0, as_json: bool = False) -> Run:
    """Print the plan as JSON, or as text, or only the text's last lines: the counts and the forecast."""
    import json

    from prsbench.harness.engine.driver.executor import workers_here
    from prsbench.harness.engine.driver.forecast import Planned
    from prsbench.harness.engine.driver.run import plan_run

    run = plan_run(grid, _registry(), folder, partial(print, file=sys.stderr) if as_json else print)
    planned = Planned.of(run, workers_here(grid.execution))
    for line in [json.dumps(planned.to_json(), indent=1)] if as_json else list(planned.lines())[-last:]:
        print(line, flush=True)
    return run


def _logs(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.status import log_text

    print(log_text(_open(options), options.name, options.all))
    return OK


def _verify(options: argparse.Namespace) -> int:
    from prsbench.harness.contract.results import digest_of
    from prsbench.harness.engine.inspect.results import results

    run = _open(options)
    cells = results(run)
    problems = _problems(run, cells)
    print("\n".join(problems) or f"{options.run}: all hashes, scores and tables match the records.")
    print(f"Digest of these results: {digest_of(cells)}")
    return SOME_FAILED if problems else OK


def _problems(run: Run, cells: Sequence[CellResult]) -> list[str]:
    """What `verify` finds in a run's folder."""
    from prsbench.harness.engine.inspect.results import held_out
    from prsbench.harness.engine.inspect.verify import verify_run
    from prsbench.harness.report.writer import changed_tables

    folder, problems = run.setting.folder, list(verify_run(run))
    try:
        tables = changed_tables(cells, folder, held_out(run))
        more = f"{len(tables)} files in tables/ and cost/ differ from what is left. Mend the rest, then run `prsbench report`."
        return problems + ([f"{folder}: {more}"] if problems and tables else tables)
    except PrsbenchError as error:  # a damaged file, which the tables need
        return [*problems, f"{folder}: its tables are not compared: {error}"]


def _show_config(options: argparse.Namespace) -> int:
    import yaml
    from prsbench.harness.engine.grid.loading import load_grid
    from prsbench.harness.engine.plan.choices import resolved

    grid = load_grid(options.grid, options.changes, options.data, _selection(options))
    content = resolved(grid, _registry()) if options.resolved else grid.model_dump(mode="json", exclude_unset=True)
    print(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), end="")
    return OK


def _show_schema(_: argparse.Namespace) -> int:
    import json

    from prsbench.harness.engine.plan.choices import grid_schema

    print(json.dumps(grid_schema(_registry()), indent=1))
    return OK


def _report(options: argparse.Namespace) -> int:
    from prsbench.harness.report.tensorboard import write_events
    from prsbench.harness.report.writer import summary_text, write_report

    found = _results(options.run)
    if options.across_prompts:
        print(summary_text(found.cells, across_prompts=True))
        return OK
    if options.without_exposed:
        kept, lines = _unexposed(found.cells, options.without_exposed)
        print("\n".join([summary_text(kept), *lines]))
        return OK
    if options.tensorboard:
        for path in write_events(found.trainings, options.tensorboard):
            print(path)
        return OK
    from_records = _is_records(options.run)
    if from_records:
        print("From records alone: no example images and no threshold curves, which need the run folder.", file=sys.stderr)
    pictures = (lambda *_: None) if from_records else partial(_pictures, _open(options))
    for path in write_report(found.cells, options.to or options.run, pictures, found.trainings, found.held_out):
        print(path)
    return OK


def _unexposed(cells: Sequence[CellResult], datasets: Sequence[str]) -> tuple[list[CellResult], list[str]]:
    """The cells of rows that disclose no exposure to these data sets, and a line for each row that is left out."""
    from prsbench.methods.parts.weights.exposure import KNOWN, exposed_to

    if unknown := [name for name in datasets if name.casefold() not in {known.casefold() for known in KNOWN}]:
        raise ConfigError(f"--without-exposed {' '.join(unknown)}: expected some of {', '.join(KNOWN)}.")
    exposed = {cell.method: names for cell in cells if cell.labels and (names := exposed_to(cell.labels.notes, datasets))}
    lines = [f"Left out: {method}, whose pre-training saw images of {', '.join(names)}." for method, names in exposed.items()]
    return [cell for cell in cells if cell.method not in exposed], lines or ["No row discloses an exposure to them."]


def _records(options: argparse.Namespace) -> int:
    from prsbench.harness.report.exports.samples import write_results

    for path in write_results(_results(options.run), options.to):
        print(path)
    return OK


def _is_records(folder: Path) -> bool:
    from prsbench.harness.report.exports.samples import CELLS

    return (folder / CELLS).is_file() and not (folder / "run.json").exists()


def _results(folder: Path) -> Results:
    """The results in a run folder, or in a folder that `prsbench records` wrote."""
    from prsbench.harness.contract.results import digest_of
    from prsbench.harness.engine.inspect.results import facts_of, held_out, results, trainings_of
    from prsbench.harness.report.exports.samples import Results, read_results

    if _is_records(folder):
        return read_results(folder)
    run = _open_folder(folder)
    cells = results(run)
    return Results(cells, held_out(run), trainings_of(run), {"digest": digest_of(cells), **facts_of(run)})


def _paper(options: argparse.Namespace) -> int:
    from prsbench.harness.report.exports.paper import write_paper
    from prsbench.harness.report.tables.paper import Extra

    for path in write_paper(_results(options.run).cells, options.to, [Extra(name) for name in options.extras]):
        print(path)
    return OK


def _compare(options: argparse.Namespace) -> int:
    from math import inf

    from prsbench.harness.contract.results import digest_of
    from prsbench.harness.report.tables.formats import to_text
    from prsbench.harness.report.tables.run_comparison import compare_runs

    first, second = (_results(folder).cells for folder in (options.first, options.second))
    limit = options.fail_below
    table, regressions = compare_runs(first, second, inf if limit is None else limit)
    print(to_text(table))
    if digest_of(first) == digest_of(second):
        print("Both runs have the same digest: the same rows, records and scores.")
    print("\n".join(regressions) or "No row became worse." * (limit is not None))
    return SOME_FAILED if regressions and limit is not None else OK


def _leaderboard(options: argparse.Namespace) -> int:
    from prsbench.harness.contract.errors import unknown_name
    from prsbench.harness.report.exports.leaderboard import write_leaderboard
    from prsbench.harness.report.tables.leaderboard import RECORDS_ONLY, SHOWN, VERIFIED, Entrant

    if options.by not in SHOWN:
        raise unknown_name("metric of the leaderboard", options.by, SHOWN)
    entrants = []
    for folder in options.runs:
        found, check = _results(folder), RECORDS_ONLY
        if not _is_records(folder):
            problems = _problems(_open_folder(folder), found.cells)
            print("".join(f"{problem}\n" for problem in problems), end="", file=sys.stderr)
            check = f"verify found {len(problems)} problems" if problems else VERIFIED
        entrants.append(Entrant(str(folder), found.cells, found.about, check))
    for path in write_leaderboard(entrants, options.to, options.by):
        print(path)
    return OK


def _export_scores(options: argparse.Namespace) -> int:
    from prsbench.harness.report.exports.formats import write_export

    for line in write_export(options.format, _results(options.run), options.to):
        print(line)
    return OK


def _view(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.results import masks_of, results, samples_of
    from prsbench.harness.report.viewer.samples import Source
    from prsbench.harness.report.viewer.writer import write_viewer

    run = _open(options)
    source = Source(partial(samples_of, run), partial(masks_of, run))
    print(write_viewer(results(run), options.to or options.run / "viewer", source, options.run.resolve().name))
    if not options.to:
        print(f"`prsbench report {options.run}` makes the report's numbers links into it.")
    return OK


def _status(options: argparse.Namespace) -> int:
    import json

    from prsbench.harness.engine.inspect.status import status_json, status_lines

    run = _open(options)
    for line in [json.dumps(status_json(run), indent=1)] if options.json else status_lines(run):
        print(line)
    return OK


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


def _data_card(options: argparse.Namespace) -> int:
    from prsbench.datasets.data_card import write_data_card

    for path in write_data_card(options.data, options.to or options.data):
        print(path)
    return OK


def _prepare(options: argparse.Namespace) -> int:
    from prsbench.datasets.catalog import prepare
    from prsbench.datasets.data_card import write_data_card

    names = ("modality", "target", "archive", "group", "seed", "mask_suffix", "foreground", "ignore", "window", "axis", "slices")
    print(prepare(options.source, options.from_folder, options.to_folder, **{name: getattr(options, name) for name in names}))
    write_data_card(options.to_folder, options.to_folder)
    if not options.check:
        return OK
    from prsbench.datasets.check.check import check_root

    print(checked := check_root(options.to_folder, -1))
    return SOME_FAILED if checked.problems else OK


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


def _new_method(options: argparse.Namespace) -> int:
    from prsbench.methods.authoring.skeleton import write_skeleton

    name = write_skeleton(options.name, Path())
    print(f"{name} is ready. Check it with `prsbench test-method {name}`, then name it in a grid.")
    return OK


def _list(options: argparse.Namespace) -> int:
    known = _names(options.what)
    if options.json:
        import json

        print(json.dumps(dict(known), indent=1))
        return OK
    width = max(map(len, known))
    for name, summary in known.items():
        print(f"{name:{width}}  {summary}")
    return OK


def _names(what: str) -> Mapping[str, str]:
    """Names in one catalog, with their summaries."""
    if what == "methods":
        from prsbench.methods.catalog import METHODS

        return {name: entry.summary for name, entry in METHODS.items()}
    if what == "metrics":
        from prsbench.metrics.catalog import METRICS

        return {name: metric.title for name, metric in METRICS.items()}
    if what == "grids":
        from prsbench.harness.engine.grid.packaged import packaged_grids

        return packaged_grids()
    from prsbench.datasets.catalog import SOURCES

    return {name: source.title for name, source in SOURCES.items()}


def _registry() -> Registry:
    from prsbench.harness.engine.plan.choices import Registry
    from prsbench.methods.catalog import METHODS, PACKAGED_JUDGE, PARTS

    t2c = "prsbench.methods.text2centroid.model"
    return Registry(METHODS, PARTS, f"{t2c}:load_text_models", "text2centroid", PACKAGED_JUDGE, f"{t2c}:load_training_head")


def _grid_and_folder(
    options: argparse.Namespace, change: Callable[[GridConfig], GridConfig] = lambda grid: grid
) -> tuple[GridConfig, RunFolder]:
    from prsbench.harness.engine.grid.loading import load_grid

    grid = change(load_grid(options.grid, [*options.changes, *_execution_changes(options)], options.data, _selection(options)))
    return grid, _folder(options.out, grid.name)


def _selection(options: argparse.Namespace) -> dict[str, object]:
    """What `--exclude` and `--limit` set of a source prs_med."""
    selection = {"exclude": str(options.exclude.absolute()) if options.exclude else None, "limit": options.limit}
    return {key: value for key, value in selection.items() if value is not None}


def _folder(out: str | None, name: str) -> RunFolder:
    """The run folder that `--out` names, or the default one of a grid."""
    from prsbench.harness.engine.store.remote import RemoteRunFolder, is_url, mirror_folder
    from prsbench.harness.engine.store.run_folder import RunFolder

    if out and is_url(out):
        return RemoteRunFolder(out, mirror_folder(out))
    path = Path(out) if out else Path("runs") / name
    if len(os.fsencode(path.absolute())) > LONGEST_PATH:
        raise ConfigError(
            f"{_shortened(str(path))}: expected a path of at most {LONGEST_PATH:,} bytes. Choose another with --out."
        )
    return RunFolder(path)


def _execution_changes(options: argparse.Namespace) -> list[str]:
    workers = getattr(options, "workers", None)
    is_distrusted = getattr(options, "trust_mtime", "yes") == "no"
    changes = [] if workers is None else [f"execution.workers={workers}"]
    return changes + ["execution.trust_mtime=false"] * is_distrusted


def _pictures(run: Run, sample_id: str, dataset: str, methods: Sequence[str]) -> Pictures | None:
    """A sample and its prediction maps by these methods; None if the run's data no longer holds the sample."""
    from prsbench.harness.engine.inspect.results import sample_of
    from prsbench.harness.engine.store.prediction_maps import read_map
    from prsbench.harness.report.figures.pictures import Pictures, shrunk

    indexed = sample_of(run, dataset, sample_id)
    if indexed is None:
        return None
    index, sample = indexed
    maps = {}
    for cell in run.plan.cells:
        if cell.dataset == dataset and cell.method in methods and cell.method not in maps:  # the first seed
            probability = read_map(run.setting.run.cell(cell.folder), index)
            if probability is not None:
                maps[cell.method] = shrunk(probability)
    return Pictures(sample.query.image, sample.truth.mask, maps)


if __name__ == "__main__":  # python -m prsbench.harness.cli
    from prsbench import run_benchmark

    sys.exit(run_benchmark.main())

"""Commands that read the results of a run: report, view, paper, compare, leaderboard, records, export, export-scores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.harness.cli.arguments import Commands, add, add_run_folder, add_run_or_records
from prsbench.harness.cli.exit_codes import OK, SOME_FAILED
from prsbench.harness.cli.opening import is_records, opened, opened_folder, results_of
from prsbench.harness.contract.errors import ConfigError

if TYPE_CHECKING:
    from prsbench.harness.contract.results import CellResult
    from prsbench.harness.engine.inspect.state import Run
    from prsbench.harness.report.figures.pictures import Pictures

EXPORTS = {
    "challenger": "CSVs for challengeR",
    "claims": "CSVs for Claims Reloaded",
    "model-card": "snippets with a model index",
    "dataset-card": "a snippet on the test data",
    "parquet": "samples.parquet",
    "wandb": "offline runs of Weights & Biases",
    "mlflow": "a file store of MLflow",
}


def add_commands(commands: Commands) -> None:
    _add_report(commands)
    summary = "Write a page on which every sample of a run can be seen, sorted and compared; it opens without a server."
    view = add(commands, "view", _view, summary, add_run_folder)
    view.add_argument("--to", type=Path, metavar="DIR", help="a new or empty folder, or an earlier viewer (default: RUN/viewer)")
    _add_tables(commands)
    summary = "Write a run's numbers and texts as samples.csv.gz and cells.json, from which every table follows without the run."
    records = add(commands, "records", _records, summary, add_run_or_records)
    records.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder, or earlier records")
    _add_exports(commands)


def _add_report(commands: Commands) -> None:
    summary = "Rewrite a run folder's tables, figures and report.html from its stored results."
    report = add(commands, "report", _report, summary, add_run_or_records)
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


def _add_tables(commands: Commands) -> None:
    summary = "Write the papers' tables as CSV, Markdown and LaTeX, with a LaTeX document that shows them."
    paper = add(commands, "paper", _paper, summary, add_run_or_records)
    paper.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write")
    extras = paper.add_argument("--with", nargs="+", default=[], choices=("n", "failures", "intervals"), dest="extras")
    extras.help = "also show scored/listed samples, failed samples, 95 %% intervals"
    summary = "Compare two runs of the same rows on the same samples: second minus first, with 95 %% intervals."
    compare = add(commands, "compare", _compare, summary)
    compare.add_argument("first", type=Path, metavar="A", help="a run folder, or a folder that `prsbench records` wrote")
    compare.add_argument("second", type=Path, metavar="B", help="the same; must hold the same samples")
    compare.add_argument("--fail-below", type=float, metavar="X", help="exit 1 if a mean of B is worse than A's by more than X")
    summary = (
        "List many runs on one page and in one CSV. Only rows of the same data, judge and prompt source are ranked together."
    )
    board = add(commands, "leaderboard", _leaderboard, summary)
    board.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, which are verified, or records")
    board.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write")
    board.add_argument("--by", default="mdice_pranet", metavar="METRIC", help="what ranks them (default mdice_pranet)")


def _add_exports(commands: Commands) -> None:
    summary = "Write a run's scores or descriptions in the format of another program."
    scores = add(commands, "export-scores", _export_scores, summary, add_run_or_records)
    scores.add_argument("--format", required=True, choices=tuple(EXPORTS), help="; ".join(map(": ".join, EXPORTS.items())))
    scores.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write")
    summary = "Write a trained method of a run as a checkpoint folder, which a row such as cg_reasoner_checkpoint loads."
    export = add(commands, "export", _export, summary)
    export.add_argument("method", metavar="METHOD", help="a method of the run, such as cg_reasoner")
    add_run_folder(export)
    export.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    export.add_argument("--seed", type=int, metavar="N", help="seed of the training (default: the run's first)")


def _report(options: argparse.Namespace) -> int:
    from prsbench.harness.report.tensorboard import write_events
    from prsbench.harness.report.writer import summary_text, write_report

    found = results_of(options.run)
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
    from_records = is_records(options.run)
    if from_records:
        print("From records alone: no example images and no threshold curves, which need the run folder.", file=sys.stderr)
    pictures = (lambda *_: None) if from_records else partial(pictures_of, opened(options))
    for path in write_report(found.cells, options.to or options.run, pictures, found.trainings, found.held_out):
        print(path)
    return OK


def _unexposed(cells: Sequence[CellResult], datasets: Sequence[str]) -> tuple[list[CellResult], list[str]]:
    """The cells of rows that disclose no exposure to these data sets, and a line for each row that is left out."""
    from prsbench.methods.parts.weights.exposure import KNOWN

    if unknown := [name for name in datasets if name.casefold() not in {known.casefold() for known in KNOWN}]:
        raise ConfigError(f"--without-exposed {' '.join(unknown)}: expected some of {', '.join(KNOWN)}.")
    wanted, exposed = {name.casefold() for name in datasets}, dict[str, list[str]]()
    for cell in cells:
        if cell.labels and not cell.labels.seen and any("exposure to the test data: yes" in note for note in cell.labels.notes):
            raise ConfigError(f"{cell.method}: run by a version whose labels do not list what the weights saw. Run it again.")
        if cell.labels and (names := [seen.dataset for seen in cell.labels.seen if seen.dataset.casefold() in wanted]):
            exposed[cell.method] = names
    lines = [f"Left out: {method}, whose pre-training saw images of {', '.join(names)}." for method, names in exposed.items()]
    return [cell for cell in cells if cell.method not in exposed], lines or ["No row discloses an exposure to them."]


def pictures_of(run: Run, sample_id: str, dataset: str, methods: Sequence[str]) -> Pictures | None:
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


def _view(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.results import masks_of, results, samples_of
    from prsbench.harness.report.viewer.samples import Source
    from prsbench.harness.report.viewer.writer import write_viewer

    run = opened(options)
    source = Source(partial(samples_of, run), partial(masks_of, run))
    print(write_viewer(results(run), options.to or options.run / "viewer", source, options.run.resolve().name))
    if not options.to:
        print(f"`prsbench report {options.run}` makes the report's numbers links into it.")
    return OK


def _records(options: argparse.Namespace) -> int:
    from prsbench.harness.report.exports.samples import write_results

    for path in write_results(results_of(options.run), options.to):
        print(path)
    return OK


def _paper(options: argparse.Namespace) -> int:
    from prsbench.harness.report.exports.paper import write_paper
    from prsbench.harness.report.tables.paper import Extra

    for path in write_paper(results_of(options.run).cells, options.to, [Extra(name) for name in options.extras]):
        print(path)
    return OK


def _compare(options: argparse.Namespace) -> int:
    from math import inf

    from prsbench.harness.contract.results import digest_of
    from prsbench.harness.report.tables.formats import to_text
    from prsbench.harness.report.tables.run_comparison import compare_runs

    first, second = (results_of(folder).cells for folder in (options.first, options.second))
    limit = options.fail_below
    table, regressions = compare_runs(first, second, inf if limit is None else limit)
    print(to_text(table))
    if digest_of(first) == digest_of(second):
        print("Both runs have the same digest: the same rows, records and scores.")
    print("\n".join(regressions) or "No row became worse." * (limit is not None))
    return SOME_FAILED if regressions and limit is not None else OK


def _leaderboard(options: argparse.Namespace) -> int:
    from prsbench.harness.cli.checks import problems_of
    from prsbench.harness.contract.errors import unknown_name
    from prsbench.harness.report.exports.leaderboard import write_leaderboard
    from prsbench.harness.report.tables.leaderboard import RECORDS_ONLY, SHOWN, VERIFIED, Entrant

    if options.by not in SHOWN:
        raise unknown_name("metric of the leaderboard", options.by, SHOWN)
    entrants = []
    for folder in options.runs:
        found, check = results_of(folder), RECORDS_ONLY
        if not is_records(folder):
            problems = problems_of(opened_folder(folder), found.cells)
            print("".join(f"{problem}\n" for problem in problems), end="", file=sys.stderr)
            check = f"verify found {len(problems)} problems" if problems else VERIFIED
        entrants.append(Entrant(str(folder), found.cells, found.about, check))
    for path in write_leaderboard(entrants, options.to, options.by):
        print(path)
    return OK


def _export_scores(options: argparse.Namespace) -> int:
    from prsbench.harness.report.exports.formats import write_export

    for line in write_export(options.format, results_of(options.run), options.to):
        print(line)
    return OK


def _export(options: argparse.Namespace) -> int:
    from prsbench.harness.engine.inspect.export import export

    print(export(opened(options), options.method, options.to, options.seed))
    return OK

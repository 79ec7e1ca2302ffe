"""Commands that check a run: verify and the audits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.harness.cli.arguments import Commands, add, add_group, add_run_folder
from prsbench.harness.cli.exit_codes import OK, SOME_FAILED
from prsbench.harness.cli.opening import opened, registry
from prsbench.harness.contract.errors import ConfigError, PrsbenchError

if TYPE_CHECKING:
    from prsbench.harness.contract.results import CellResult
    from prsbench.harness.engine.inspect.state import Run


def add_commands(commands: Commands) -> None:
    summary = "Recompute a run's hashes, scores and tables (but not its figures) from its records; report every difference."
    add(commands, "verify", _verify, summary, add_run_folder)
    audits = add_group(commands, "audit", "Check what the scores of a run are worth.")
    summary = "Write RUN/audit/prscore.md: PRScore with other judges, weights and combinations, and its correlation with Dice."
    add(audits, "prscore", _audit_prscore, summary, add_run_folder)
    summary = "Predict again with the reference hidden. A method has a leak if one bit of a prediction changes."
    leaks = add(audits, "leaks", _audit_leaks, summary)
    leaks.add_argument("method", metavar="METHOD", help="a method of the run")
    leaks.add_argument("--run", type=Path, default=Path("runs/default"), metavar="RUN", help="run folder (default: runs/default)")
    leaks.add_argument("--samples", type=int, default=8, metavar="N", help="samples per data set (default 8)")
    summary = "Write RUN/audit/orientation.md: do answers follow the picture if test images are mirrored and rotated?"
    turned = add(audits, "orientation", _audit_orientation, summary, add_run_folder)
    turned.add_argument("--only", nargs="+", default=(), metavar="METHOD", help="methods of the run (default: all)")
    turned.add_argument("--samples", type=int, metavar="N", help="samples per data set, drawn at random (default: all)")
    summary = "Let a language model judge whether answers name the right place; report its agreement with the rule parser."
    judge = add(audits, "judge", _audit_judge, summary, add_run_folder)
    judge.add_argument("--model", type=Path, required=True, metavar="DIR", help="local folder of a causal language model")


def _verify(options: argparse.Namespace) -> int:
    from prsbench.harness.contract.results import digest_of
    from prsbench.harness.engine.inspect.results import results

    run = opened(options)
    cells = results(run)
    problems = problems_of(run, cells)
    print("\n".join(problems) or f"{options.run}: all hashes, scores and tables match the records.")
    print(f"Digest of these results: {digest_of(cells)}")
    return SOME_FAILED if problems else OK


def problems_of(run: Run, cells: Sequence[CellResult]) -> list[str]:
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


def _audit_prscore(options: argparse.Namespace) -> int:
    from prsbench.harness.audit.prscore import audit_prscore
    from prsbench.harness.audit.prscore_page import write_page
    from prsbench.harness.engine.inspect.results import results

    run = opened(options)
    rows = audit_prscore(run, registry())
    notes = dict.fromkeys(note for cell in results(run) for note in cell.judge_notes)
    for path in write_page(rows, list(notes), options.run):
        print(path)
    return OK


def _audit_leaks(options: argparse.Namespace) -> int:
    from prsbench.harness.audit import counterfactual, leaks, leaks_page

    run = opened(options)
    audits = leaks.audit_leaks(run, options.method, options.samples)
    effects = counterfactual.counterfactuals(run, options.method, options.samples)
    print(leaks_page.page(audits, effects), end="")
    for dataset, note in run.plan.disclosed.items():
        print(f"{dataset}: {note}. What a method learnt of them in training is no leak by these checks.")
    return OK if leaks_page.is_clean(audits) else SOME_FAILED


def _audit_orientation(options: argparse.Namespace) -> int:
    from prsbench.harness.audit.orientation import audit_orientation
    from prsbench.harness.audit.orientation_page import line_of, write_page

    cells = []
    for cell in audit_orientation(opened(options), options.only, options.samples):
        print(line_of(cell), flush=True)
        cells.append(cell)
    print(*write_page(cells, options.run), sep="\n")
    return OK if any(cell.effects for cell in cells) else SOME_FAILED


def _audit_judge(options: argparse.Namespace) -> int:
    run = opened(options)
    if not options.model.is_dir():
        raise ConfigError(f"{options.model}: no such folder. Name the folder of a causal language model with --model.")
    from prsbench.harness.audit.judge import audit_judge, line_of
    from prsbench.methods.parts.language.local_llm import LocalCausalLM

    for row in audit_judge(run, LocalCausalLM(options.model)):
        print(line_of(row))
    return OK

"""A language model's verdicts on a run's answers, compared with the rule parser's (Cohen's kappa)."""

from __future__ import annotations

from dataclasses import dataclass

from prsbench.harness.contract.results import ResultStatus, unchanged
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import Run
from prsbench.metrics.text.judge import LanguageModel, kappa, parser_verdict, verdicts


@dataclass(frozen=True)
class JudgedRow:
    """One method: samples, readable verdicts of the judge, each side's share of yes among its verdicts, and Cohen's kappa."""

    method: str
    data_kind: str
    n: int
    n_read: int
    yes_of_judge: float
    yes_of_parser: float
    kappa: float


def audit_judge(run: Run, model: LanguageModel) -> list[JudgedRow]:
    """Judge the answers of every method with a complete cell."""
    cells = [cell for cell in unchanged(results(run)) if cell.status == ResultStatus.COMPLETE]
    rows = []
    for method, kind in dict.fromkeys((cell.method, cell.data_kind.label) for cell in cells):
        records = [r for c in cells if (c.method, c.data_kind.label) == (method, kind) for r in c.read()[0]]
        judged, parsed = verdicts(records, model), [parser_verdict(record) for record in records]
        read = [verdict for verdict in judged if verdict is not None]
        known = [verdict for verdict in parsed if verdict is not None]
        rows.append(JudgedRow(method, kind, len(records), len(read), _share(read), _share(known), kappa(judged, parsed)))
    return rows


def line_of(row: JudgedRow) -> str:
    """One row as a line of text."""
    read = f"{row.n_read} of {row.n} read"
    shares = f"yes by the judge {row.yes_of_judge:.3f}, by the parser {row.yes_of_parser:.3f}"
    return f"{row.method} ({row.data_kind}): {read}, {shares}, kappa {row.kappa:.3f}"


def _share(verdicts_read: list[bool]) -> float:
    return sum(verdicts_read) / len(verdicts_read) if verdicts_read else float("nan")

"""Snippets for model cards and a dataset card, in Markdown with the YAML heads that Hugging Face's hub reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import CellResult, ResultStatus, unchanged
from prsbench.harness.report.statistics.rows import Row, rows_of, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.comparisons import METRICS_COMPARED
from prsbench.harness.report.tables.scores import number_or_status
from prsbench.harness.report.tables.table import marked
from prsbench.metrics.catalog import METRICS


def model_cards(cells: Sequence[CellResult], about: Mapping[str, Any]) -> dict[str, str]:
    """A snippet for each row that is neither floor nor ceiling, by data kind and row."""
    return {f"{row.data_kind}-{row.method}": _model_card(row, about) for row in rows_of(cells) if row.ranked_with}


def _model_card(row: Row, about: Mapping[str, Any]) -> str:
    datasets = list(dict.fromkeys(cell.dataset for cell in row.cells))
    scores = {(name, metric): summarise(_of_dataset(row, name), metric) for name in datasets for metric in METRICS_COMPARED}
    results = [
        {
            "task": {"type": "image-segmentation"},
            "dataset": {"name": f"{dataset} ({row.data_kind.label})", "type": dataset},
            "metrics": [
                {"type": metric, "name": marked(METRICS[metric].title, metric, row), "value": round(score.value, 4)}
                for (name, metric), score in scores.items()
                if name == dataset and score.is_complete  # no number with failed samples or a judge in doubt
            ],
        }
        for dataset in datasets
    ]
    known = [result for result in results if result["metrics"]]
    head = {"model-index": [{"name": row.method, "results": known}]}
    titles = [METRICS[metric].title for metric in METRICS_COMPARED]
    lines = [["data set", *titles, "scored / listed"], ["---"] * (len(titles) + 2)]
    for dataset in datasets:
        of_dataset = [scores[dataset, metric] for metric in METRICS_COMPARED]
        texts = [marked(number_or_status(s, False), m, row) for s, m in zip(of_dataset, METRICS_COMPARED, strict=True)]
        lines.append([dataset, *texts, f"{of_dataset[0].counts.n_scored}/{of_dataset[0].counts.n_manifest}"])
    facts = {
        "Told in the prompt": row.label("prompt_source"),
        "Weights": "; ".join([row.label("weights"), *row.notes]),
        "Answers": row.label("text_source"),
        "Images": row.data_kind.label,
        "Protocol": row.protocol,
        "Text judged by": "; ".join([*row.judges, *row.judge_notes]) or "-",
        "Seeds": ", ".join(sorted({str(cell.seed) for cell in row.cells})),
        "prsbench": f"{about.get('prsbench', 'unknown')}, commit {about.get('commit') or 'unknown'}",
        "Digest of the run's results": str(about.get("digest", "unknown")),
    }
    notes = [*footnotes.of_data([row]), *footnotes.of_validity([row]), footnotes.CONSTANT]
    return _card(head, f"Evaluation of {row.method}", facts, lines, notes)


def dataset_card(cells: Sequence[CellResult]) -> str:
    """One snippet for the data sets of the run: test samples, groups, questions, sizes, positions; "-" if unknown."""
    by_dataset: dict[str, CellResult] = {}
    cells = unchanged(cells)
    for cell in cells:
        if cell.dataset not in by_dataset or by_dataset[cell.dataset].status != ResultStatus.COMPLETE:
            by_dataset[cell.dataset] = cell
    head = [
        "data set",
        "modality",
        "kind",
        "test samples",
        "groups",
        "questions",
        "no mask",
        "sizes (px)",
        "most frequent positions",
    ]
    lines = [head, ["---"] * len(head), *(_dataset_line(cell) for cell in by_dataset.values())]
    kinds = sorted({str(cell.data_kind) for cell in cells})
    title = {"task_categories": ["image-segmentation", "visual-question-answering"], "tags": kinds}
    notes = [*footnotes.of_data(rows_of(cells)), *dict.fromkeys(f"{c.dataset}: {c.data_note}" for c in cells if c.data_note)]
    return _card(title, "Test data", {}, lines, notes)


def _dataset_line(cell: CellResult) -> list[str]:
    records: Sequence[Record] = cell.records
    start = [cell.dataset, cell.modality, str(cell.data_kind), str(cell.n_manifest)]
    if not records:
        return [*start, *["-"] * 5]
    positions = Counter(", ".join(record.position) for record in records).most_common(3)
    sizes = sorted({(record.height, record.width) for record in records})
    size = f"{sizes[0][0]} x {sizes[0][1]}" + (f" to {sizes[-1][0]} x {sizes[-1][1]}" if len(sizes) > 1 else "")
    counts = [len({record.group for record in records}), len({record.question for record in records})]
    empty = sum(record.position == ("no mask",) for record in records)
    return [*start, *map(str, [*counts, empty]), size, "; ".join(f"{name} ({n})" for name, n in positions)]


def _of_dataset(row: Row, name: str) -> Row:
    return replace(row, cells=tuple(cell for cell in row.cells if cell.dataset == name))


def _card(
    head: Mapping[str, Any], title: str, facts: Mapping[str, str], lines: Sequence[Sequence[str]], notes: Sequence[str]
) -> str:
    table = ["| " + " | ".join(_plain(text) for text in line) + " |" for line in lines]
    listed = [f"- {name}: {_plain(text)}" for name, text in facts.items()]
    front = yaml.safe_dump(dict(head), sort_keys=False, allow_unicode=True).rstrip()
    parts = [
        "---",
        front,
        "---",
        "",
        f"## {title}",
        "",
        *listed,
        *([""] if listed else []),
        *table,
        "",
        *(f"- {_plain(n)}" for n in notes),
    ]
    return "\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Text that stays in its cell and is no markup."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return " ".join(text.split())

"""The formats of `prsbench export-scores`, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.report.exports.cards import dataset_card, model_cards
from prsbench.harness.report.exports.parquet import write_parquet
from prsbench.harness.report.exports.samples import Results
from prsbench.harness.report.exports.score_files import challenger_files, claims_files, score_notes, slug
from prsbench.harness.report.exports.trackers import to_tracker

VERSION = "prsbench-export-1"  # of the text formats; the README says what it holds
NOTES = "README.md"
_TEXTS: Mapping[str, Callable[[Results], Mapping[str, str]]] = {
    "challenger": lambda found: _with_notes(found, challenger_files(found.cells)),
    "claims": lambda found: _with_notes(found, claims_files(found.cells)),
    "model-card": lambda found: {f"{slug(name)}.md": text for name, text in model_cards(found.cells, found.about).items()},
    "dataset-card": lambda found: {"dataset-card.md": dataset_card(found.cells)},
}
FORMATS = (*_TEXTS, "parquet", "wandb", "mlflow")


def write_export(name: str, found: Results, folder: Path) -> Sequence[str]:
    """Write a format of FORMATS under `folder`; returns the files, or the names of a tracker's runs.

    Raises:
        DataError: there is nothing to write.
        MissingPrerequisite: the format needs an extra that is not installed.
    """
    if name == "parquet":
        write_parquet(found.cells, folder / "samples.parquet")
        return [str(folder / "samples.parquet")]
    if name not in _TEXTS:
        return to_tracker(name, found, folder)
    files = _TEXTS[name](found)
    if not set(files) - {NOTES}:
        raise DataError(f"There is nothing to write as {name}: no ranked row has a score.")
    for file, text in files.items():
        write_atomically(folder / file, text.encode(errors="surrogatepass"), durable=False)
    return [str(folder / file) for file in files]


def _with_notes(found: Results, files: Mapping[str, str]) -> dict[str, str]:
    rows = [f"- {row}: {'; '.join(notes)}" for row, notes in score_notes(found.cells).items()]
    digest = found.about.get("digest", "unknown")
    head = [f"Format {VERSION}. Digest of the run's results: {digest}. Higher values are better in every file.", ""]
    return {**files, NOTES: "\n".join([*head, *rows, ""])}

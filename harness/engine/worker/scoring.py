"""Scoring a measured cell from its records alone. If metrics or text models change, only this is done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.records import Record
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.record_files import Scores
from prsbench.harness.engine.worker.process import resolve_device
from prsbench.harness.engine.worker.setting import Setting
from prsbench.metrics.score import score_each
from prsbench.metrics.text.parser_judge import ParserJudge
from prsbench.metrics.text.placed_texts import TextModels


def scoring_identity(setting: Setting) -> dict[str, str | None]:
    """What scores depend on besides the records. The digest is None until the text models are trained; shipped ones have none."""
    digest = setting.digest(setting.text_models_key)
    return {"scoring": setting.scoring_hash, "text_models": setting.text_models_key, "text_models_digest": digest}


def score_cell(cell: CellNode, setting: Setting) -> None:
    """Write the scores of a measured cell, unless they exist already."""
    folder = CellFolder(setting.run.cell(cell.folder))
    records = folder.records()
    identity = {**scoring_identity(setting), "records": folder.records_hash}
    if not folder.is_scored(identity):
        folder.write_scores(identity, text_models(setting), records, scores_of(records, setting))


def scores_of(records: Sequence[Record], setting: Setting) -> Sequence[Mapping[str, float]]:
    """The scores of these records, computed now."""
    return Scores(score_each(records, text_models(setting)))


def text_models(setting: Setting) -> TextModels:
    """The judge of this run, loaded once a process."""
    key = setting.text_models_key
    weights = setting.weights_folder(key) if key in setting.trainings else None
    return _text_models(setting.text_models_loader, weights, resolve_device(setting.device), setting.judge)


@lru_cache(maxsize=1)
def _text_models(loader: str, folder: Path | None, device: str, judge: str) -> TextModels:
    models: TextModels = resolve(loader)(folder, device)
    return ParserJudge(models) if judge == "parser" else models

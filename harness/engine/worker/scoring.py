"""Scoring a measured cell from its records alone. If metrics or text models change, only this is done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.records import Record
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.record_files import Scores
from prsbench.harness.engine.worker.process import resolve_device
from prsbench.harness.engine.worker.setting import Setting
from prsbench.metrics.score import score_each, without_judge
from prsbench.metrics.text.parser_judge import ParserJudge
from prsbench.metrics.text.placed_texts import TextModels

NO_JUDGE = (
    "No judge, so PRScore and all that needs the points of texts is not known: `judge: val` is trained on the val split, and no "
    "data set has one. Add one, or choose `judge: packaged`"
)


class NoJudge:
    """Stands in for a judge that could not be trained: `scores_of` gives NaN for all that depends on one."""

    name, checksum = "none", "none"
    notes: Sequence[str] = [NO_JUDGE]

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(sentences), 1), np.float32)

    def locate(self, sentences: Sequence[str]) -> NDArray[np.floating]:
        return np.zeros((len(sentences), 2))

    def is_cut(self, sentences: Sequence[str]) -> Sequence[bool]:
        return [False] * len(sentences)


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
        folder.write_scores(identity, judge_of(setting), records, scores_of(records, setting))


def scores_of(records: Sequence[Record], setting: Setting) -> Sequence[Mapping[str, float]]:
    """The scores of these records, computed now."""
    judge = judge_of(setting)
    scores = score_each(records, judge)
    return Scores(without_judge(scores) if isinstance(judge, NoJudge) else scores)


def text_models(setting: Setting) -> TextModels:
    """The judge of this run, loaded once a process.

    Raises:
        ConfigError: it has none.
    """
    judge = judge_of(setting)
    if isinstance(judge, NoJudge):
        raise ConfigError(f"{NO_JUDGE}.")
    return judge


def judge_of(setting: Setting) -> TextModels:
    """What judges texts in this run, loaded once a process; a `NoJudge` if it has none."""
    key = setting.text_models_key
    weights = setting.weights_folder(key) if key in setting.trainings else None
    return _text_models(setting.text_models_loader, weights, resolve_device(setting.device), setting.judge)


@lru_cache(maxsize=1)
def _text_models(loader: str, folder: Path | None, device: str, judge: str) -> TextModels:
    if judge == "val" and folder is None:
        return NoJudge()
    models: TextModels = resolve(loader)(folder, device)
    return ParserJudge(models) if judge == "parser" else models

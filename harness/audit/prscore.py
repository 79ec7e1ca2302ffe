"""PRScore audit: how the score depends on its formula, judge (Text2Centroid, T2C) and chance, and how it correlates with Dice.

Reads the records and text models of a run folder; needs neither the methods nor the images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import get_args

import numpy as np
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.results import CellResult, ResultStatus, unchanged
from prsbench.harness.contract.types import DataKind
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import Run
from prsbench.harness.engine.plan.choices import Registry
from prsbench.harness.engine.worker.process import resolve_device
from prsbench.harness.engine.worker.scoring import text_models
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.metrics.text.placed_texts import Locate, PlacedTexts, TextCollector, TextModels, is_placed
from prsbench.metrics.text.position import locate_by_rule
from prsbench.metrics.text.prscore import EQUAL, Combination, PartWeights

EVALUATION, OWN, RULE = "judge", "own T2C", "rule parser"
WEIGHTS: tuple[PartWeights, ...] = (EQUAL, (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 0, 0), (0, 1, 0), (0, 0, 1))


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compute PRScore."""

    t2c: str
    combination: Combination
    weights: PartWeights


@dataclass(frozen=True)
class AuditedRow:
    """One method on one data kind: its mean under each variant (mean over data sets), and per-sample rank correlations.

    n_unplaced counts references in which the rule parser finds no place, left out of its means. NaN: undefined, such as the own
    T2C of a run without a method that trains with one.
    """

    method: str
    data_kind: DataKind
    means: Mapping[Variant, float]
    spearman_dice: float
    spearman_position: float
    n: int
    n_unplaced: int
    chance: float  # the tables' chance level: this row's masks with the answers it gave to other samples

    @property
    def circularity_gap(self) -> float:
        """PRScore by the T2C that models were trained with, minus PRScore by the judge of the tables."""
        return self.mean(OWN) - self.mean(EVALUATION)

    def mean(self, t2c: str, combination: Combination = "both", weights: PartWeights = EQUAL) -> float:
        return self.means.get(Variant(t2c, combination, weights), nan)


def agreement_of_order(rows: Sequence[AuditedRow], first: Variant, second: Variant) -> tuple[float, int]:
    """Kendall's tau between the orders in which two variants put the rows (1: the same, -1: reversed), and how many rows moved
    to another rank; NaN and 0 for fewer than two rows with both numbers.
    """
    from scipy.stats import kendalltau, rankdata

    pairs = np.array([(row.means.get(first, nan), row.means.get(second, nan)) for row in rows]).reshape(-1, 2)
    a, b = pairs[np.isfinite(pairs).all(axis=1)].T
    if a.size < 2:
        return nan, 0
    return float(kendalltau(a, b).statistic), int((rankdata(a) != rankdata(b)).sum())


def variants(judges: Sequence[str]) -> Iterator[Variant]:
    """Every T2C with every combination, and with every weighting."""
    for t2c in judges:
        yield from (Variant(t2c, combination, EQUAL) for combination in get_args(Combination))
        yield from (Variant(t2c, "both", weights) for weights in WEIGHTS[1:])


def audit_prscore(run: Run, registry: Registry) -> list[AuditedRow]:
    """Every complete row of a run under every variant; the registry knows the T2C that methods are trained with.

    Raises:
        RunFolderError: the run has no complete cell.
    """
    cells = [cell for cell in unchanged(results(run)) if cell.status == ResultStatus.COMPLETE]
    if not cells:
        raise RunFolderError(f"{run.setting.folder}: no complete cell to audit. Run the grid first.")
    evaluation = text_models(run.setting)
    names = dict.fromkeys((cell.method, cell.data_kind) for cell in cells)
    own = {seed: _own_t2c(run, seed, registry) for seed in {cell.seed for cell in cells}}
    return [
        _audit_row(name, kind, [c for c in cells if (c.method, c.data_kind) == (name, kind)], evaluation, own)
        for name, kind in names
    ]


def _own_t2c(run: Run, seed: int, registry: Registry) -> TextModels | None:
    """The T2C that methods of this run were trained with: one of the train split, else the shipped one. None without either."""
    device = resolve_device(run.setting.device)
    for key, node in run.plan.trainings.items():
        if (node.name, node.split, node.seed) == (registry.text_part, "train", seed) and run.setting.digest(key):
            return resolve(registry.text_models)(run.setting.weights_folder(key), device)
    return resolve(registry.training_head)(None, device) if registry.training_head else None


def _audit_row(
    method: str, kind: DataKind, cells: Sequence[CellResult], evaluation: TextModels, own: Mapping[int, TextModels | None]
) -> AuditedRow:
    by_cell, columns, n_unplaced = [], [], 0
    for cell in cells:
        records, scores = cell.read()
        texts = _placed_texts(records, evaluation)
        judges: dict[str, Locate] = {EVALUATION: evaluation.locate, RULE: locate_by_rule}
        if (trained_with := own[cell.seed]) is not None:
            judges[OWN] = trained_with.locate
        by_cell.append(_means(texts, judges))
        n_unplaced += int(np.isnan(locate_by_rule([texts.sentences.texts[i] for i in texts.reference])).any(axis=1).sum())
        columns.append(_per_sample(records, scores))
    score, dice, position = np.concatenate(columns, axis=1)
    keys = dict.fromkeys(variant for means in by_cell for variant in means)
    means = {variant: mean_of_defined([cell_means.get(variant, nan) for cell_means in by_cell]) for variant in keys}
    correlations = _spearman(score, dice), _spearman(score, position)
    chance = mean_of_defined([mean_of_defined([scores["prscore_chance"] for scores in cell.scores]) for cell in cells])
    return AuditedRow(method, kind, means, *correlations, n=score.size, n_unplaced=n_unplaced, chance=chance)


def _placed_texts(records: Sequence[Record], models: TextModels) -> PlacedTexts:
    collector = TextCollector()
    for record in records:
        if record.status == SampleStatus.OK:
            collector.add(record)
    return collector.finish(models)


def _means(texts: PlacedTexts, judges: Mapping[str, Locate]) -> dict[Variant, float]:
    """The cell's mean under each variant."""
    placed = {name: replace(texts, sentences=texts.sentences.located_by(locate)) for name, locate in judges.items()}
    return {
        variant: mean_of_defined(
            placed[variant.t2c].score(combination=variant.combination, weights=variant.weights).prscore.tolist()
        )
        for variant in variants(list(judges))
    }


def _per_sample(records: Sequence[Record], scores: Sequence[Mapping[str, float]]) -> np.ndarray:
    """(3, N) PRScore, Dice and position accuracy of the samples that have a PRScore."""
    names = ("prscore", "dice@0.5", "position_accuracy")
    pairs = zip(records, scores, strict=True)
    values = [
        [score[name] for name in names] for record, score in pairs if record.status == SampleStatus.OK and is_placed(record)
    ]
    return np.array(values).reshape(-1, 3).T


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation over the samples where both are defined; NaN if one of them is constant."""
    from scipy.stats import rankdata

    both = np.isfinite(first) & np.isfinite(second)
    a, b = rankdata(first[both]), rankdata(second[both])
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return nan
    return float(np.corrcoef(a, b)[0, 1])

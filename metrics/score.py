"""Scoring: from a cell's records to one dict of metric values per sample, without the method or the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan, nan

import numpy as np
from prsbench.harness.contract.families import FAMILIES, OFFICIAL
from prsbench.harness.contract.position import NO_MASK
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.types import Point
from prsbench.metrics.catalog import METRICS
from prsbench.metrics.mask.scores import Thresholds, mask_scores, union_of
from prsbench.metrics.text.chance import corrected, levels
from prsbench.metrics.text.families import Value, absence_said, answer_correct, expected_value, place_correct
from prsbench.metrics.text.placed_texts import PlacedTexts, TextCollector, TextModels, has_text, is_placed
from prsbench.metrics.text.position import distance_word_correct, parse
from prsbench.metrics.text.validity import judge_auc, scatter
from prsbench.metrics.text.word_overlap import word_overlap

_Label = tuple[Value, bool]  # the zones that the answer should name, and whether the official label is near the centre


def score(records: Sequence[Record], text_models: TextModels) -> list[dict[str, float]]:
    """Metric values of each record, in order, under the names of `METRICS`; see `score_each`."""
    return list(score_each(records, text_models))


def score_each(records: Iterable[Record], text_models: TextModels) -> Iterator[dict[str, float]]:
    """Metric values of each record of one cell, one record at a time.

    NaN means not defined for this sample (see each metric's empty policy): exclude it from means and count it. Records that
    failed or were excluded have NaN in every metric. Metrics that need families of questions are left out unless a record is of
    another one than the official. Maxima over thresholds, cIoU and chance levels depend on all records of the cell, so `records`
    is iterated twice; only a few numbers per record are held in memory.

    Raises:
        ContractError: the text models returned another shape than (N, D) and (N, 2), or points that are not finite.
    """
    thresholds, collector = Thresholds(), TextCollector()
    expected: dict[str, Counter[Value]] = {}  # by family
    labels: list[_Label] = []
    n_counted, union_px, has_families = 0, 0, False
    for record in records:
        has_families |= record.family != OFFICIAL
        if record.status == SampleStatus.OK:
            thresholds.add(record)
            n_counted += 1
            union_px += union_of(record)
            collector.add(record)
            value = expected_value(record)
            if value and not _is_undefined(record):
                expected.setdefault(record.family, Counter())[value] += 1
            if is_placed(record):
                labels.append((value, record.near_centre))
    best, texts = thresholds.best(), collector.finish(text_models)
    placed = _placed_scores(texts, labels, text_models)
    constants = {family: _most_frequent(counts) for family, counts in expected.items()}
    names = [name for name, metric in METRICS.items() if has_families or not metric.needs_families]
    points = dict(zip(texts.sentences.texts, texts.sentences.points.tolist(), strict=True))
    cut = {text for text, is_cut in zip(points, text_models.is_cut(list(points)) if points else (), strict=True) if is_cut}
    for record in records:
        scores = dict.fromkeys(names, nan)
        if record.status == SampleStatus.OK:
            scores |= mask_scores(record, best) | _rule_scores(record, constants)
            scores["giou"] = scores["iou@0.5[empty=1]"]
            if record.counts and union_px:
                scores["ciou"] = n_counted * record.counts.tp / union_px
            if has_families:
                scores |= _answer_scores(record, constants)
            names_zones = FAMILIES[record.family].names_zones
            if has_text(record.answer) and names_zones:
                scores["text_x"], scores["text_y"] = points[record.answer]
            if (truth := record.truth_centroid) and has_text(record.answer) and names_zones:
                scores["centroid_error_of_text"] = _distance(points[record.answer], truth)
            if truth and has_text(record.reference_answer):
                scores |= word_overlap(record.answer, record.reference_answer)
            if truth and is_placed(record):
                scores["judge_error"] = _distance(points[record.reference_answer], truth)
                scores["text_cut"] = float(not cut.isdisjoint((record.answer, record.reference_answer)))
                scores |= next(placed)
        yield scores


def without_judge(scores: Iterable[dict[str, float]]) -> Iterator[dict[str, float]]:
    """These scores with NaN for everything that is computed with the text models."""
    for row in scores:
        yield {name: nan if METRICS[name].needs_text_models else value for name, value in row.items()}


_Constants = Mapping[str, Value]  # of each family the value that most of its answers should say


def _is_undefined(record: Record) -> bool:
    """Whether the position that the question asks for does not exist."""
    return record.position == (NO_MASK,) and FAMILIES[record.family].states_place


def _rule_scores(record: Record, constants: _Constants) -> dict[str, float]:
    scores = {
        "position_accuracy": place_correct(record.answer, record),
        "distance_word_accuracy": distance_word_correct(record.answer, record),
        "absence_accuracy": absence_said(record.answer, record),
    }
    if FAMILIES[record.family].states_place:
        said = parse(record.answer)
        scores["position_not_understood"] = float(not (said.understood or (record.family != OFFICIAL and said.places)))
        if not isnan(scores["position_accuracy"]):
            scores["position_constant"] = float(expected_value(record) == constants[record.family])
    return scores


def _answer_scores(record: Record, constants: _Constants) -> dict[str, float]:
    correct = answer_correct(record.answer, record)
    if isnan(correct):
        return {}
    return {"answer_accuracy": correct, "answer_constant": float(expected_value(record) == constants[record.family])}


def _distance(point: Sequence[float], centroid: Point) -> float:
    """From a text's point to the true centroid, in frame units."""
    return float(np.hypot(point[0] - centroid.x, point[1] - centroid.y))


def _most_frequent(counts: Mapping[Value, int]) -> Value:
    """The most frequent of these values: the constant answer with the highest accuracy."""
    return min(counts, key=lambda value: (-counts[value], sorted(value)))


def _placed_scores(texts: PlacedTexts, labels: Sequence[_Label], models: TextModels) -> Iterator[dict[str, float]]:
    """PRScore, its parts, its reference levels and its validity of each sample with a true mask and a reference, in order."""
    if not len(texts.answer):
        return
    scores, reference_levels = texts.score(), levels(texts, models)
    columns = {name: getattr(scores, name) for name in ("s_sem", "s_spatial", "s_vis", "prscore", "direction_undefined")}
    columns |= {f"prscore_{name}": getattr(reference_levels, name) for name in ("chance", "constant", "opposite", "ceiling")}
    columns["mean_point_error"] = scatter(texts.truth_centroid, [None] * len(labels))
    columns["label_mean_error"] = scatter(texts.truth_centroid, labels)
    columns["judge_auc"] = judge_auc(texts, [zones for zones, _ in labels])
    columns["prscore_corrected"] = corrected(scores.prscore, reference_levels.chance)
    for i in range(len(texts.answer)):
        yield {name: float(values[i]) for name, values in columns.items()}

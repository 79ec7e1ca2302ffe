"""Orientation audit: a run's methods predict again on mirrored and rotated test images. Does the answer follow the picture?

The mask turns with the image, its label is computed again, and the reference answer names the new place. Nothing is trained: each
row has the weights of the run. What it answered before is read from the run, so accuracy before is the tables' number.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.audit.leaks import cells_of, queries_of
from prsbench.harness.contract.errors import ConfigError, ContractError, DataError, PrsbenchError, RunFolderError, reason_of
from prsbench.harness.contract.position import points_phrase, position_of, position_phrase, zone_of_centroid, zone_of_point
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.types import (
    DataKind,
    Method,
    Prediction,
    ReferenceRow,
    Sample,
    Truth,
    Weights,
    check_prediction,
    check_predictions,
)
from prsbench.harness.engine.inspect.results import samples_of
from prsbench.harness.engine.inspect.state import CellState, Run, stored_cells
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.worker import loaded_methods
from prsbench.harness.engine.worker.process import prepare_process, resolve_device
from prsbench.harness.engine.worker.seeding import seed_everything, seed_from
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.mask.overlap import dice_at_half
from prsbench.metrics.text.position import official_zones, parse, position_correct

_PATIENT_SIDE = re.compile(
    r"\bpatient['\u2019]?s?['\u2019]?\s+(?:own\s+)?(?:left|right)\b"
    r"|\b(?:left|right)(?:[- ]hand)?(?:\s+side)?\s+of\s+the\s+patient\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One way to turn a picture: of an (H, W, ...) array, and of a point in the image frame (x right, y down)."""

    name: str
    array: Callable[[NDArray], NDArray]
    point: Callable[[int, int], tuple[int, int]]

    def zones(self, zones: Collection[str]) -> frozenset[str]:
        """Where these zones are in the turned picture; the centre stays.

        Example:
            >>> TURNS[2].name, sorted(TURNS[2].zones({"top left", "center"}))
            ('rotated by 90°', ['center', 'top right'])
        """
        return frozenset(zone if zone == "center" else zone_of_point(*self.point(*_signs(zone))) for zone in zones)

    @property
    def swaps_sides(self) -> bool:
        """Whether rows become columns."""
        return self.point(1, 0)[0] == 0


def _signs(quadrant: str) -> tuple[int, int]:
    return 1 if "right" in quadrant else -1, 1 if "bottom" in quadrant else -1


TURNS = (  # rotations are clockwise
    Turn("mirrored left-right", lambda a: a[:, ::-1], lambda x, y: (-x, y)),
    Turn("mirrored top-bottom", lambda a: a[::-1], lambda x, y: (x, -y)),
    Turn("rotated by 90°", lambda a: np.rot90(a, -1), lambda x, y: (-y, x)),
    Turn("rotated by 180°", lambda a: np.rot90(a, 2), lambda x, y: (-x, -y)),
    Turn("rotated by 270°", lambda a: np.rot90(a, 1), lambda x, y: (y, -x)),
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one turn does to the answers of one method on one data set: counts of samples, and shares from 0 to 1.

    n counts samples with a position accuracy; n_patient_side those of them left out of all that follows, because an answer or the
    reference names a side of the patient. n_moved counts the samples whose right place changes. Of these, the answer changed to
    the right place (right) or to a wrong one (wrong), is as before (stayed), or names no readable place (unread); the four
    add up to 1. n_named counts answers that name a place which the turn changes; of these, `turned` name the turned place,
    whether it is right or not. NaN: there is no such sample.
    """

    n: int
    n_patient_side: int
    accuracy_before: float
    accuracy_after: float
    dice_before: float
    dice_after: float
    n_moved: int
    right: float
    wrong: float
    stayed: float
    unread: float
    n_named: int
    turned: float


@dataclass(frozen=True, slots=True)
class TurnedCell:
    """The effects on one method and data set, one for each of TURNS; where it was not predicted again, none and the reason.

    n_other counts samples without a position accuracy, or whose question names a place, which would have to turn too.
    """

    method: str
    dataset: str
    data_kind: DataKind
    seed: int
    effects: tuple[Effect, ...] = ()
    n_other: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Answered:
    """One sample before and after a turn: zones and Dice of the answer, zones of the truth."""

    before: frozenset[str]
    after: frozenset[str]
    right_before: frozenset[str]
    right_after: frozenset[str]
    dice_before: float
    dice_after: float
    is_patient_side: bool


def audit_orientation(run: Run, methods: Collection[str] = (), n_samples: int | None = None) -> Iterator[TurnedCell]:
    """Audit every method of a run, or these, with its lowest seed, on each data set.

    Args:
        n_samples: samples of each data set, drawn at random, the same for all methods; None: all.

    Raises:
        ConfigError: the run has no such method, or n_samples is below 1.
    """
    if n_samples is not None and n_samples < 1:
        raise ConfigError(f"--samples must be 1 or more, got {n_samples}.")
    prepare_process(run.setting.threads)  # as in the run, whose answers these are compared with
    names = dict.fromkeys(methods or (cell.method for cell in run.plan.cells))
    cells_by_name = {name: cells_of(run, name) for name in names}
    setting = replace(run.setting, device=resolve_device(run.setting.device))
    for method, cells in cells_by_name.items():
        loaded_methods.evict_except(cells, setting)
        for stored in stored_cells(cells, setting):
            cell = stored.node
            result = TurnedCell(method, cell.dataset, DataKind(cell.data_kind), cell.seed)
            try:
                if stored.state is not CellState.CACHED:
                    raise RunFolderError(f"not complete in this run: {stored.error}")
                predictor = loaded_methods.method_of(cell, setting)
                if predictor.labels.weights == Weights.STATED:
                    raise PrsbenchError("its predictions were made elsewhere, and nothing here can make others")
                samples = samples_of(run, cell.dataset)
                if isinstance(samples, str):
                    raise DataError(samples)
                records = stored.folder.records()
                numbers = _drawn(len(records), cell, n_samples)
                asked = [number for number in numbers if _is_asked(records[number])]
                with redirect_stdout(sys.stderr):  # what a method prints
                    effects = effects_of(predictor, cell, samples, records, asked)
                yield replace(result, effects=effects, n_other=len(numbers) - len(asked))
            except Exception as error:  # noqa: BLE001 (a method may raise anything on a turned image; the others go on)
                yield replace(result, reason=reason_of(error))


def _drawn(count: int, cell: CellNode, n_samples: int | None) -> list[int]:
    if n_samples is None or n_samples >= count:
        return list(range(count))
    rng = np.random.default_rng(seed_from("orientation", cell.dataset))
    return sorted(rng.choice(count, n_samples, replace=False).tolist())


def _is_asked(record: Record) -> bool:
    """Whether the sample has a position accuracy, and a question that is as true of the turned image."""
    is_placed = record.status == SampleStatus.OK and isfinite(position_correct(record.answer, record))
    return is_placed and not parse(record.question).understood and not _PATIENT_SIDE.search(record.question)


def effects_of(
    method: Method | ReferenceRow, cell: CellNode, samples: Sequence[Sample], records: Sequence[Record], numbers: Sequence[int]
) -> tuple[Effect, ...]:
    """Predict these samples in each turn, in batches of the configured size; each image is decoded once."""
    answered: dict[str, list[_Answered]] = {turn.name: [] for turn in TURNS}
    answers = {record.sample_id: record.reference_answer for record in records} if isinstance(method, ReferenceRow) else {}
    size = cell.config["batch_size"]
    for start in range(0, len(numbers), size):
        batch = [(samples[number], records[number]) for number in numbers[start : start + size]]
        for turn in TURNS:
            turned = [turned_sample(sample, turn) for sample, _ in batch]
            predictions = _predict(method, cell, turned, answers)
            answered[turn.name] += [
                _answered(record, sample, prediction)
                for (_, record), sample, prediction in zip(batch, turned, predictions, strict=True)
            ]
    return tuple(_effect(turn, answered[turn.name]) for turn in TURNS)


def turned_sample(sample: Sample, turn: Turn) -> Sample:
    """The sample with its picture turned: the label of the turned mask, and a reference answer that states it.

    The answer gives points where the reference does; its other words are not kept. The question is the same.
    """
    query, truth = sample.query, sample.truth
    image, mask = (np.ascontiguousarray(turn.array(pixels)) for pixels in (query.image, truth.mask))
    position, near = position_of(mask, query.modality)
    words = points_phrase(mask) if parse(truth.answer).points else position_phrase(position, near)
    spacing = truth.spacing_mm
    if spacing and turn.swaps_sides:
        spacing = spacing[1], spacing[0]
    turned = Truth(mask, f"It is at {words}.", position, near, zone_of_centroid(mask), spacing)
    return replace(sample, query=replace(query, image=image), truth=turned)


def _predict(
    method: Method | ReferenceRow, cell: CellNode, samples: Sequence[Sample], answers: Mapping[str, str]
) -> list[Prediction]:
    seed_everything(seed_from(cell.seed, samples[0].sample_id))
    if isinstance(method, ReferenceRow):
        predictions = check_predictions(method.predict_from_truth(samples, answers), len(samples))
    else:
        predictions = check_predictions(method.predict(queries_of(samples, cell)), len(samples))
    for sample, prediction in zip(samples, predictions, strict=True):
        if isinstance(prediction, ContractError):  # found in the method's own process
            raise prediction
        check_prediction(sample.query, prediction)
    return predictions


def _answered(record: Record, turned: Sample, prediction: Prediction) -> _Answered:
    assert record.counts is not None, "a sample with a position accuracy has a mask and a map"
    mask, texts = turned.truth.mask, (record.answer, prediction.answer, record.reference_answer)
    after = replace(record, position=turned.truth.position, reference_answer=turned.truth.answer)
    return _Answered(
        parse(record.answer).zones,
        parse(prediction.answer).zones,
        official_zones(record),
        official_zones(after),
        dice_at_half(record.counts),
        dice_at_half(count_maps(grey_maps(prediction.probability), mask)),
        any(_PATIENT_SIDE.search(text) for text in texts),
    )


def _effect(turn: Turn, answered: Sequence[_Answered]) -> Effect:
    read = [a for a in answered if not a.is_patient_side]
    moved = [a for a in read if a.right_after != a.right_before]
    ends = Counter(_end(a) for a in moved)
    named = [a for a in read if turn.zones(a.before) != a.before]
    return Effect(
        n=len(answered),
        n_patient_side=len(answered) - len(read),
        accuracy_before=mean_of_defined(a.before == a.right_before for a in read),
        accuracy_after=mean_of_defined(a.after == a.right_after for a in read),
        dice_before=mean_of_defined(a.dice_before for a in read),
        dice_after=mean_of_defined(a.dice_after for a in read),
        n_moved=len(moved),
        **{end: ends[end] / len(moved) if moved else nan for end in ("right", "wrong", "stayed", "unread")},
        n_named=len(named),
        turned=mean_of_defined(a.after == turn.zones(a.before) for a in named),
    )


def _end(answered: _Answered) -> str:
    """How the answer of a sample ended whose right place changes, as in `Effect`."""
    if not answered.after:
        return "unread"
    if answered.after == answered.before:
        return "stayed"
    return "right" if answered.after == answered.right_after else "wrong"

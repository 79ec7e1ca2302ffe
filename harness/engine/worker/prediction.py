"""Prediction of one cell, batch by batch, then its seal. This module affects numbers, so its code is in every key.

A batch always holds the same samples and is seeded by the first of them, so a cell that was killed and resumed equals one that
was not. On a GPU the next batch is decoded and the last one stored while the model predicts: a kill costs up to two batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from prsbench.datasets.official_reader import FolderDataset
from prsbench.harness.contract.errors import ContractError, MissingPrerequisite, RunFolderError, reason_of
from prsbench.harness.contract.geometry import innermost_point, jittered_box, tight_box
from prsbench.harness.contract.records import SampleStatus
from prsbench.harness.contract.results import unchanged_id
from prsbench.harness.contract.types import (
    Method,
    Prediction,
    PromptSource,
    Query,
    ReferenceRow,
    Sample,
    check_prediction,
    check_predictions,
)
from prsbench.harness.engine.apart.process import ProcessEnded
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.journal import DELETE_CELL, PREDICTIONS, StoredPrediction, append_batch, open_for_resume
from prsbench.harness.engine.store.prediction_maps import append_maps, cut_back
from prsbench.harness.engine.store.run_folder import PROGRESS
from prsbench.harness.engine.store.shards import delete_shards, shard_path
from prsbench.harness.engine.worker.failures import NOT_OF_THE_METHOD, BadSamples, is_out_of_memory
from prsbench.harness.engine.worker.loaded_methods import BOXES, cost_of, method_of
from prsbench.harness.engine.worker.overlap import Overlap
from prsbench.harness.engine.worker.process import free_device_memory
from prsbench.harness.engine.worker.provenance import provenance_of_process
from prsbench.harness.engine.worker.seeding import seed_everything, seed_from
from prsbench.harness.engine.worker.setting import Setting, Ticks
from prsbench.metrics.mask.grey import GreyMaps, grey_maps

NO_BOX, NO_POINT = "no box: the truth is empty", "no point: the truth is empty"


@dataclass(frozen=True, slots=True)
class NoPrediction:
    """Why a sample has no prediction. status is as in StoredPrediction."""

    status: SampleStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """The outcome of a query, and the size of its batch, which can change last digits."""

    content: Prediction | NoPrediction
    batch_size: int


def evaluate(cell: CellNode, setting: Setting, dataset: FolderDataset, part: range | None = None) -> Iterator[int]:
    """Predict and seal a cell, pausing after each batch so that cells which share image features can take turns.

    Args:
        part: the samples of one shard, whole batches; it is sealed in a folder of its own. None: all samples.

    Yields:
        The number of samples in the batch, which on a GPU may not be on disk before the next one is predicted.

    Raises:
        MissingPrerequisite: the method cannot be loaded here.
        BadSamples: every sample failed; nothing is stored, so that the next run tries again.
    """
    path = setting.run.cell(cell.folder)
    folder = CellFolder(path if part is None else shard_path(path, part))
    numbers = range(cell.n_manifest) if part is None else part
    with folder.lock():
        weights = setting.digest(cell.training)
        if folder.is_sealed(weights):
            return
        method = method_of(cell, setting)
        folder.begin(asdict(cell), method.labels, weights, provenance_of_process(setting))
        samples = dataset.samples(cell.split)
        predictions = _resume(cell, folder.path, dataset, numbers)
        ticks = Ticks(folder.path / PROGRESS)
        left = numbers[len(predictions) :]
        with Overlap(setting.device, setting.threads) as overlap:
            stored: Callable[[], list[StoredPrediction]] = list
            for batch, outputs in _remaining(method, cell, samples, dataset.answers(cell.split), left, overlap):
                predictions += stored()
                stored = overlap.begin(partial(_store, folder.path, numbers[len(predictions)], batch, outputs, overlap))
                ticks(len(predictions) + len(batch), len(numbers), "samples")
                yield len(batch)
            predictions += stored()
        if part is None:
            refuse_all_failed(predictions, folder)
        if numbers.start == 0:
            folder.write_cost(cost_of(cell, setting))
        folder.seal(predictions, weights)


def refuse_all_failed(predictions: Sequence[StoredPrediction], folder: CellFolder) -> None:
    """Raise BadSamples, and delete what is stored of the cell, if samples failed and none succeeded."""
    failed = [prediction for prediction in predictions if prediction.status == SampleStatus.FAILED]
    if failed and not any(prediction.status == SampleStatus.OK for prediction in predictions):
        folder.discard()
        delete_shards(folder.path)
        raise BadSamples(f"every sample failed, the first with: {failed[0].error}")


def query_of(sample: Sample, cell: CellNode) -> Query | NoPrediction:
    """What the method sees of a sample: never the truth, and a box or a point only if that is the row's prompt source."""
    source, box, point = PromptSource(cell.config["prompt_source"]), None, None
    if source in BOXES:
        box = tight_box(sample.truth.mask)
        if box is None:
            return NoPrediction(SampleStatus.EXCLUDED, NO_BOX)
        if source == PromptSource.JITTERED_BOX:
            rng = np.random.default_rng(seed_from("box", cell.seed, unchanged_id(sample.sample_id, cell.dataset)))
            box = jittered_box(box, sample.truth.mask.shape, cell.config["box_jitter_fraction"], rng)
    if source == PromptSource.ORACLE_POINT:
        point = innermost_point(sample.truth.mask)
        if point is None:
            return NoPrediction(SampleStatus.EXCLUDED, NO_POINT)
    return replace(sample.query, box=box, point=point)


def _resume(cell: CellNode, folder: Path, dataset: FolderDataset, numbers: range) -> list[StoredPrediction]:
    path = folder / PREDICTIONS
    predictions = open_for_resume(path, StoredPrediction, cell.config["batch_size"], len(numbers))
    expected = dataset.sample_ids(cell.split)[numbers.start : numbers.stop]
    if [prediction.sample_id for prediction in predictions] != expected[: len(predictions)]:
        raise RunFolderError(f"{path}: its samples are not those of the data set. {DELETE_CELL}")
    cut_back(folder, [n for n, prediction in zip(numbers, predictions, strict=False) if prediction.status == SampleStatus.OK])
    return predictions


def _remaining(
    method: Method | ReferenceRow,
    cell: CellNode,
    samples: Sequence[Sample],
    answers: Mapping[str, str],
    numbers: range,
    overlap: Overlap,
) -> Iterator[tuple[list[Sample], list[Output]]]:
    """The samples and outputs of each remaining batch."""
    size = cell.config["batch_size"]
    batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]

    def decode(some: Sequence[int]) -> list[tuple[Sample, Query | NoPrediction]]:
        some_samples = [samples[number] for number in some]
        is_told = isinstance(method, ReferenceRow)
        return [(sample, sample.query if is_told else query_of(sample, cell)) for sample in some_samples]

    for decoded in overlap.decoded(decode, batches, lambda pair: pair[0].query.image.nbytes + pair[0].truth.mask.nbytes):
        batch = [sample for sample, _ in decoded]
        seed = seed_from(cell.seed, batch[0].sample_id)
        if isinstance(method, ReferenceRow):
            seed_everything(seed)
            predictions = check_predictions(method.predict_from_truth(batch, answers), len(batch))
            outputs = [Output(prediction, len(batch)) for prediction in predictions]
        else:
            outputs = _predict(method, [query for _, query in decoded], seed)
        yield batch, outputs


def _store(
    folder: Path, start: int, batch: Sequence[Sample], outputs: Sequence[Output], overlap: Overlap
) -> list[StoredPrediction]:
    """Store a batch, of which `start` is the first sample's number in the cell; maps are on disk before the lines are."""
    stored = list(overlap.map(_stored, batch, outputs))
    append_maps(folder, {number: maps for number, (_, maps) in enumerate(stored, start) if maps}, overlap.map)
    lines = [line for line, _ in stored]
    append_batch(folder / PREDICTIONS, lines)
    return lines


def _predict(method: Method, queries: Sequence[Query | NoPrediction], seed: int) -> list[Output]:
    """One output per query, in order."""
    to_predict = [query for query in queries if isinstance(query, Query)]
    outputs = iter(_predict_with_fallback(method, to_predict, seed) if to_predict else ())
    return [next(outputs) if isinstance(query, Query) else Output(query, 0) for query in queries]


def _predict_with_fallback(method: Method, queries: Sequence[Query], seed: int) -> list[Output]:
    """One output per query. A batch that runs out of memory is halved; after other errors queries are retried one by one."""
    try:
        return [Output(prediction, len(queries)) for prediction in _ask(method, queries, seed)]
    except (MissingPrerequisite, ProcessEnded, *NOT_OF_THE_METHOD):
        raise
    except BaseException as error:  # noqa: BLE001 - a method may raise anything; the samples it fails on are recorded
        if len(queries) == 1:
            return [Output(NoPrediction(SampleStatus.FAILED, reason_of(error)), 1)]
        size = len(queries) // 2 if is_out_of_memory(error) else 1
    free_device_memory()  # after the except block, in which the exception keeps the batch's tensors alive
    batches = [queries[start : start + size] for start in range(0, len(queries), size)]
    return [output for batch in batches for output in _predict_with_fallback(method, batch, seed)]


def _ask(method: Method, queries: Sequence[Query], seed: int) -> list[Prediction]:
    seed_everything(seed)
    return check_predictions(method.predict(queries), len(queries))


def _stored(sample: Sample, output: Output) -> tuple[StoredPrediction, GreyMaps | None]:
    """What is stored of an output: its line, and its maps if it is a valid prediction."""
    content = output.content
    if not isinstance(content, NoPrediction):
        try:
            if isinstance(content, ContractError):  # found in the method's own process
                raise content
            check_prediction(sample.query, content)
        except Exception as error:  # noqa: BLE001 - the method may have returned anything in place of an array
            content = NoPrediction(SampleStatus.FAILED, reason_of(error))
    if isinstance(content, NoPrediction):
        return StoredPrediction(sample.sample_id, content.status, content.reason, "", 0.0, output.batch_size), None
    line = StoredPrediction(sample.sample_id, SampleStatus.OK, "", content.answer, float(content.seconds), output.batch_size)
    return line, grey_maps(content.probability)

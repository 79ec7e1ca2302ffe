"""One cell: predict batch by batch, keep each prediction, seal. This module decides numbers, so its bytes are in every key.

A batch is always the same group of samples, whenever it runs, and is seeded by its first sample: a cell that was killed and
resumed equals one that was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from prsbench.datasets.prs_med import FolderDataset
from prsbench.harness.contract.errors import ContractError, MissingPrerequisite, PrsbenchError, RunFolderError
from prsbench.harness.contract.geometry import innermost_point, jittered_box, tight_box
from prsbench.harness.contract.types import Box, Method, Prediction, PromptSource, Query, ReferenceRow, Sample, check_prediction
from prsbench.harness.engine import cell_folder
from prsbench.harness.engine.failures import BadSamples, is_out_of_memory
from prsbench.harness.engine.grid import CellNode
from prsbench.harness.engine.journal import PREDICTIONS, append_batch, open_for_resume
from prsbench.harness.engine.kept import KeptPrediction
from prsbench.harness.engine.ledger import PROGRESS, digest_of, node_lock
from prsbench.harness.engine.loaded import BOXES, cost_of, method_of
from prsbench.harness.engine.maps import append_maps, cut_back
from prsbench.harness.engine.process import Setting, Ticks, free_device_memory
from prsbench.harness.engine.provenance import provenance_of_process
from prsbench.harness.engine.seeding import seed_everything, seed_from
from prsbench.metrics.grey import GreyMaps, grey_maps

NO_BOX, NO_POINT = "no box: the truth is empty", "no point: the truth is empty"


@dataclass(frozen=True, slots=True)
class NoPrediction:
    """Why a sample has none. status as in KeptPrediction."""

    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """What came back for a query, and how many queries the method was given at once: that can move last digits."""

    content: Prediction | NoPrediction
    batch_size: int


def evaluate(cell: CellNode, setting: Setting, dataset: FolderDataset) -> Iterator[int]:
    """Evaluate a cell, pausing after each batch so that cells which share image features can take turns.

    Yields:
        The samples of the batch.

    Raises:
        MissingPrerequisite: the method cannot be loaded here.
        BadSamples: every sample failed; nothing is kept, so that the next run tries again.
    """
    folder = setting.run.cell(cell.folder)
    with node_lock(folder):
        weights = digest_of(setting.training_folder(cell.training)) if cell.training else None
        if cell_folder.is_sealed(folder, weights):
            return
        method = method_of(cell, setting)
        cell_folder.begin(folder, cell, method.labels, weights, provenance_of_process(setting))
        samples = dataset.samples(cell.split)
        kept = _resume(cell, setting, dataset)
        ticks = Ticks(folder / PROGRESS)
        for batch in _remaining(method, cell, samples, len(kept), setting):
            append_batch(folder / PREDICTIONS, batch)
            kept += batch
            ticks(len(kept), len(samples), "samples")
            yield len(batch)
        _refuse_total_failure(cell, setting, kept)
        cell_folder.write_cost(folder, cost_of(cell, setting))
        cell_folder.seal(folder, kept, weights)


def query_of(sample: Sample, cell: CellNode) -> Query | NoPrediction:
    """What the method sees of a sample: never the truth, and a box or a point only if its row is labelled so."""
    source, box, point = PromptSource(cell.config["prompt_source"]), None, None
    if source in BOXES:
        box = tight_box(sample.truth.mask)
        if box is None:
            return NoPrediction("excluded", NO_BOX)
        if source == PromptSource.JITTERED_BOX:
            box = _jittered(box, sample, cell)
    if source == PromptSource.ORACLE_POINT:
        point = innermost_point(sample.truth.mask)
        if point is None:
            return NoPrediction("excluded", NO_POINT)
    query = sample.query
    return Query(query.sample_id, query.image, query.question, query.modality, box, point)


def _jittered(box: Box, sample: Sample, cell: CellNode) -> Box:
    rng = np.random.default_rng(seed_from("box", cell.seed, sample.sample_id))
    return jittered_box(box, sample.truth.mask.shape, cell.config["box_jitter_fraction"], rng)


def _resume(cell: CellNode, setting: Setting, dataset: FolderDataset) -> list[KeptPrediction]:
    path = setting.run.cell(cell.folder) / PREDICTIONS
    kept = open_for_resume(path, KeptPrediction, cell.config["batch_size"], cell.n_manifest)
    expected = [row.sample_id for row in dataset.manifest(cell.split)]
    if [each.sample_id for each in kept] != expected[: len(kept)]:
        raise RunFolderError(f"{path}: its samples are not those of the data set. Delete its folder; the cell is computed again.")
    cut_back(path.parent, [index for index, each in enumerate(kept) if each.status == "ok"])
    return kept


def _remaining(
    method: Any, cell: CellNode, samples: Sequence[Sample], done: int, setting: Setting
) -> Iterator[list[KeptPrediction]]:
    """Each batch that is still to do; a sample's maps are on the disk before its line is."""
    if done == len(samples):
        return
    size = cell.config["batch_size"]
    if isinstance(method, ReferenceRow):
        seed_everything(seed_from(cell.seed, "all samples"))
        given = method.predict_from_truth(samples)
        if len(given) != len(samples):
            raise ContractError(f"{cell.method}: expected {len(samples)} predictions, got {len(given)}.")
    for start in range(done, len(samples), size):
        batch = list(samples[start : start + size])
        if isinstance(method, ReferenceRow):
            outputs = [Output(each, len(batch)) for each in given[start : start + size]]
        else:
            outputs = _predict(method, [query_of(sample, cell) for sample in batch], seed_from(cell.seed, batch[0].sample_id))
        kept = [_kept(sample, output) for sample, output in zip(batch, outputs, strict=True)]
        maps = {index: maps for index, (_, maps) in enumerate(kept, start) if maps}
        append_maps(setting.run.cell(cell.folder), maps)
        yield [line for line, _ in kept]


def _predict(method: Method, queries: Sequence[Query | NoPrediction], seed: int) -> list[Output]:
    """One output a query, in order."""
    asked = [query for query in queries if isinstance(query, Query)]
    answers = iter(_ask_as_one_can(method, asked, seed) if asked else ())
    return [next(answers) if isinstance(query, Query) else Output(query, 0) for query in queries]


def _ask_as_one_can(method: Method, queries: Sequence[Query], seed: int) -> list[Output]:
    """One output a query. A batch that is too much for the memory is halved; one that breaks otherwise is asked one by one."""
    try:
        return [Output(prediction, len(queries)) for prediction in _ask(method, queries, seed)]
    except MissingPrerequisite:
        raise
    except Exception as error:
        if len(queries) == 1:
            return [Output(NoPrediction("failed", _reason(error)), 1)]
        size = len(queries) // 2 if is_out_of_memory(error) else 1
    free_device_memory()  # after the except block, which keeps what the batch held alive
    parts = [queries[start : start + size] for start in range(0, len(queries), size)]
    return [output for part in parts for output in _ask_as_one_can(method, part, seed)]


def _ask(method: Method, queries: Sequence[Query], seed: int) -> list[Prediction]:
    seed_everything(seed)
    predictions = method.predict(queries)
    if len(predictions) != len(queries):
        raise ContractError(f"predict must return one prediction a query: expected {len(queries)}, got {len(predictions)}.")
    return predictions


def _kept(sample: Sample, given: Output) -> tuple[KeptPrediction, GreyMaps | None]:
    """What is kept of an output: its line, and the maps if it has one that can be measured."""
    output = given.content
    if not isinstance(output, Prediction | NoPrediction):
        output = NoPrediction("failed", f"expected a Prediction, got {type(output).__name__}. Correct the method's adapter.")
    if isinstance(output, Prediction):
        try:
            check_prediction(sample.query, output)
            if not isfinite(output.seconds):
                raise ContractError(f"Sample '{sample.sample_id}': seconds must be finite, got {output.seconds}.")
        except Exception as error:  # whatever was returned in place of an array
            output = NoPrediction("failed", _reason(error))
    if isinstance(output, NoPrediction):
        return KeptPrediction(sample.sample_id, output.status, output.reason, "", 0.0, given.batch_size), None
    line = KeptPrediction(sample.sample_id, "ok", "", output.answer, float(output.seconds), given.batch_size)
    return line, grey_maps(output.probability)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, PrsbenchError) else f"{type(error).__name__}: {error}"


def _refuse_total_failure(cell: CellNode, setting: Setting, kept: Sequence[KeptPrediction]) -> None:
    failed = [each for each in kept if each.status == "failed"]
    if failed and not any(each.status == "ok" for each in kept):
        cell_folder.discard(setting.run.cell(cell.folder))
        raise BadSamples(f"every sample failed, the first with: {failed[0].error}")

"""Measuring a sealed cell: from its predictions to records with counts and measures of each map. No method is loaded.

New cells take the same path, so a cell that is measured again equals one that is predicted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice, starmap
from pathlib import Path

from prsbench.datasets.official_reader import FolderDataset
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.types import Sample
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.journal import DELETE_CELL, RECORDS, StoredPrediction, append_batch, open_for_resume
from prsbench.harness.engine.store.prediction_maps import MAPS, each_map
from prsbench.harness.engine.store.run_folder import PROGRESS
from prsbench.harness.engine.worker.setting import Setting, Ticks
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import GreyMaps
from prsbench.metrics.mask.map_measures import measure_maps

CHUNK = 16  # samples per write


def measure_cell(cell: CellNode, setting: Setting, dataset: FolderDataset) -> Iterator[int]:
    """Write the records of a sealed cell, unless they exist already, pausing after each write.

    Yields:
        0 each time: no sample was predicted.

    Raises:
        RunFolderError: the predictions are not the ones that were sealed, or not those of this data.
    """
    folder = CellFolder(setting.run.cell(cell.folder))
    records = folder.path / RECORDS
    with folder.lock():
        if folder.is_measured(setting.measuring_hash):
            return
        identity = folder.measuring_identity(setting.measuring_hash)
        predictions, samples = folder.predictions(), dataset.samples(cell.split)
        if [prediction.sample_id for prediction in predictions] != dataset.sample_ids(cell.split):
            raise RunFolderError(f"{folder.path}: its samples are not those of the data set. {DELETE_CELL}")
        folder.begin_measuring(identity)
        done = _measured_before(records, len(predictions))
        maps, ticks = islice(_maps_of(predictions, folder.path), done, None), Ticks(folder.path / PROGRESS)
        for start in range(done, len(predictions), CHUNK):
            batch = slice(start, start + CHUNK)
            arguments = zip(samples[batch], predictions[batch], maps, strict=False)
            append_batch(records, list(starmap(_record, arguments)))
            ticks(min(batch.stop, len(predictions)), len(predictions), "samples measured")
            yield 0
        folder.finish_measuring(identity)


def _measured_before(path: Path, total: int) -> int:
    """The number of records from an interrupted attempt; damaged records are made again like missing ones."""
    try:
        return len(open_for_resume(path, Record, CHUNK, total))
    except RunFolderError:
        path.unlink()
        return 0


def _maps_of(predictions: Sequence[StoredPrediction], folder: Path) -> Iterator[GreyMaps | None]:
    """The maps of each prediction; None where there is none to measure."""
    stored = each_map(folder)
    for number, prediction in enumerate(predictions):
        stored_number, maps = next(stored, (None, None)) if prediction.status == SampleStatus.OK else (number, None)
        if stored_number != number:
            raise RunFolderError(f"{folder / MAPS}: no map of sample {number} ('{prediction.sample_id}'). {DELETE_CELL}")
        yield maps


def _record(sample: Sample, prediction: StoredPrediction, maps: GreyMaps | None) -> Record:
    query, truth = sample.query, sample.truth
    return Record(
        **asdict(prediction),
        group=sample.group,
        modality=query.modality,
        data_kind=sample.data_kind,
        question=query.question,
        reference_answer=truth.answer,
        height=query.image.shape[0],
        width=query.image.shape[1],
        position=truth.position,
        near_centre=truth.near_centre,
        position_of_centroid=truth.position_of_centroid,
        truth_centroid=centroid(truth.mask),
        predicted_centroid=centroid(maps.mask) if maps else None,
        counts=count_maps(maps, truth.mask) if maps else None,
        measures=measure_maps(maps, truth.mask, truth.spacing_mm) if maps else None,
        family=truth.family,
    )

"""From a sealed cell's predictions to its records: what is counted and measured of each map. No method is loaded here.

Fresh cells come this way too, so a cell that is measured again equals one that was predicted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from prsbench.datasets.prs_med import FolderDataset
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import Sample
from prsbench.harness.engine import cell_folder
from prsbench.harness.engine.grid import CellNode
from prsbench.harness.engine.journal import RECORDS, append_batch, open_for_resume
from prsbench.harness.engine.kept import KeptPrediction
from prsbench.harness.engine.ledger import PROGRESS, node_lock
from prsbench.harness.engine.maps import CURE, MAPS, each_map
from prsbench.harness.engine.process import Setting, Ticks
from prsbench.metrics.counts import count_kept
from prsbench.metrics.grey import GreyMaps
from prsbench.metrics.map_measures import measure_kept

AT_ONCE = 16  # samples to a write


def measure_cell(cell: CellNode, setting: Setting, dataset: FolderDataset) -> Iterator[int]:
    """Make the records of a sealed cell, unless they are there already, pausing after each write.

    Yields:
        0 each time: no sample was predicted.

    Raises:
        RunFolderError: the predictions are not the ones that were sealed, or not those of this data.
    """
    folder = setting.run.cell(cell.folder)
    with node_lock(folder):
        if cell_folder.is_measured(folder, setting.measuring):
            return
        identity = cell_folder.measuring_identity(folder, setting.measuring)
        kept, samples = cell_folder.sealed_predictions(folder), dataset.samples(cell.split)
        if [each.sample_id for each in kept] != [row.sample_id for row in dataset.manifest(cell.split)]:
            raise RunFolderError(f"{folder}: its samples are not those of the data set. {CURE}")
        cell_folder.begin_measuring(folder, identity)
        done = _measured_before(folder / RECORDS, len(kept))
        maps, ticks = islice(_maps_of(kept, folder), done, None), Ticks(folder / PROGRESS)
        for start in range(done, len(kept), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            append_batch(folder / RECORDS, [_record(*each) for each in zip(samples[part], kept[part], maps, strict=False)])
            ticks(min(part.stop, len(kept)), len(kept), "samples measured")
            yield 0
        cell_folder.finish_measuring(folder, identity)


def _measured_before(path: Path, total: int) -> int:
    """How many records an attempt that was stopped has left; damaged ones are made again like missing ones."""
    try:
        return len(open_for_resume(path, Record, AT_ONCE, total))
    except RunFolderError:
        path.unlink()
        return 0


def _maps_of(kept: Sequence[KeptPrediction], folder: Path) -> Iterator[GreyMaps | None]:
    """The maps of each prediction; None where there is none to measure."""
    found = each_map(folder)
    for number, each in enumerate(kept):
        at, maps = next(found, (None, None)) if each.status == "ok" else (number, None)
        if at != number:
            raise RunFolderError(f"{folder / MAPS}: no map of sample {number} ('{each.sample_id}'). {CURE}")
        yield maps


def _record(sample: Sample, kept: KeptPrediction, maps: GreyMaps | None) -> Record:
    query, truth = sample.query, sample.truth
    return Record(
        sample_id=kept.sample_id,
        group=sample.group,
        modality=query.modality,
        data_kind=sample.data_kind,
        status=kept.status,
        error=kept.error,
        question=query.question,
        reference_answer=truth.answer,
        answer=kept.answer,
        height=query.image.shape[0],
        width=query.image.shape[1],
        position=truth.position,
        near_centre=truth.near_centre,
        position_of_centroid=truth.position_of_centroid,
        truth_centroid=centroid(truth.mask),
        predicted_centroid=centroid(maps.mask) if maps else None,
        counts=count_kept(maps, truth.mask) if maps else None,
        seconds=kept.seconds,
        batch_size=kept.batch_size,
        measures=measure_kept(maps, truth.mask, truth.spacing_mm) if maps else None,
    )

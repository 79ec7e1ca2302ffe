"""Shards of a cell: ranges of whole batches, each predicted and sealed in a folder inside the cell's, joined before its seal.

A shard's folder holds the files of a cell for its samples alone; its maps have the samples' numbers in the cell. Therefore the
joined files are those of a cell that was never cut, byte for byte but for times.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.engine.store.cell_folder import CELL, CellFolder
from prsbench.harness.engine.store.journal import DELETE_CELL, PREDICTIONS, StoredPrediction
from prsbench.harness.engine.store.prediction_maps import MAPS
from prsbench.harness.engine.store.run_folder import LOG

SHARDS = "shards"


def shard_path(cell: Path, part: range) -> Path:
    """The folder of the shard with these samples."""
    return cell / SHARDS / f"{part.start:07}-{part.stop:07}"


def shards_in(cell: Path) -> list[range]:
    """The samples of every shard that was begun, in order; empty for a cell that is not cut, or joined."""
    names = [re.fullmatch(r"(\d+)-(\d+)", path.name) for path in (cell / SHARDS).glob("*")]
    return sorted((range(int(name[1]), int(name[2])) for name in names if name), key=lambda part: part.start)


def cut(n: int, batch_size: int, count: int, begun: Iterable[range] = ()) -> list[range]:
    """The samples 0 to n - 1 in shards of whole batches, in order.

    Args:
        count: of shards over which all batches are spread evenly; no more than there are batches.
        begun: the shards that exist; they stay, and only what lies between them is cut.
    """
    n_batches, parts, start = -(-n // batch_size), list[range](), 0
    for kept in [*begun, range(n, n)]:
        first, last = -(-start // batch_size), -(-kept.start // batch_size)
        pieces = min(last - first, max(1, round(count * (last - first) / n_batches))) if n_batches else 0
        borders = [first + (last - first) * i // pieces for i in range(pieces + 1)] if pieces else []
        parts += [range(a * batch_size, min(b * batch_size, n)) for a, b in zip(borders, borders[1:], strict=False)]
        parts += [kept] if kept else []
        start = kept.stop
    return parts


def predictions_of_shards(cell: CellFolder, n: int, weights: str | None) -> list[StoredPrediction]:
    """The predictions of all shards, after a check of every file against the seals.

    Raises:
        RunFolderError: samples are missing or predicted twice, or a shard is not what was sealed, or with other weights.
    """
    parts = shards_in(cell.path)
    expected = [0, *(part.stop for part in parts)]
    if [*(part.start for part in parts), n] != expected:
        held = ", ".join(f"{part.start} to {part.stop - 1}" for part in parts) or "none"
        raise RunFolderError(f"{cell.path}: its shards hold the samples {held}, not each of 0 to {n - 1} once. {DELETE_CELL}")
    shards = [CellFolder(shard_path(cell.path, part)) for part in parts]
    for shard in shards:
        if not shard.is_sealed(weights):
            raise RunFolderError(f"{shard.path}: this shard is not predicted yet. Run the grid again.")
        if _identity(shard) != _identity(shards[0]):
            raise RunFolderError(f"{shard.path} and {shards[0].path} have other labels or weights. {DELETE_CELL}")
    return [prediction for shard in shards for prediction in shard.predictions()]


def join(cell: CellFolder, node: Mapping[str, Any], weights: str | None, predictions: Sequence[StoredPrediction]) -> None:
    """Write the cell's files from its shards' and seal it, then delete the shards. A join that is killed begins again.

    Args:
        predictions: what `predictions_of_shards` returned.
    """
    shards = [CellFolder(shard_path(cell.path, part)) for part in shards_in(cell.path)]
    labels, stored = shards[0].labels, [shard.read(CELL)["provenance"] for shard in shards]
    if labels is None:
        raise RunFolderError(f"{shards[0].path / CELL}: no such file. {DELETE_CELL}")
    machines = {key: [one.get(key) for one in stored] for key in ("gpu", "hardware") if any(o != stored[0] for o in stored)}
    cell.begin(node, labels, weights, {**stored[0], "shards": {"n": len(shards), **machines}})
    for name in (PREDICTIONS, MAPS):
        _concatenate([shard.path / name for shard in shards], cell.path / name)
    cell.write_cost(shards[0].cost)
    cell.seal(predictions, weights)
    with (cell.path / LOG).open("ab") as log:
        for shard in shards:
            log.write((shard.path / LOG).read_bytes() if (shard.path / LOG).exists() else b"")
    delete_shards(cell.path)


def delete_shards(cell: Path) -> None:
    """Delete all shards of a cell, if there are any."""
    shutil.rmtree(cell / SHARDS, ignore_errors=True)


def _identity(shard: CellFolder) -> dict[str, Any]:
    stored = shard.read(CELL)
    return {name: stored[name] for name in ("node", "labels", "weights")} if stored else {}


def _concatenate(sources: Sequence[Path], target: Path) -> None:
    """The files one after another in a new one. Missing ones are left out; no file if all are."""
    target.unlink(missing_ok=True)
    if found := [source for source in sources if source.exists()]:
        write_atomically(target, _bytes_of(found))


def _bytes_of(files: Sequence[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as stream:
            while data := stream.read(2**22):
                yield data

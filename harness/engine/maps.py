"""maps.bin: the probability maps of a cell, one checked frame behind another, so that a cell is a few files and not thousands.

A map is kept as 16-bit grey. Whether a pixel is >= 0.5 survives exactly (65535 is odd); the stretched 8-bit map may differ by a
level, which is why the counts that are scored are made of the float map and kept in the record.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.engine.durable import append_durably

MAPS = "maps.bin"
LEVELS = 65535  # 16-bit grey
CURE = "Delete its folder; the cell is computed again."
_FRAME = struct.Struct("<4sIII")  # magic, number of the sample in its cell, bytes of the PNG that follows, their crc32
_MAGIC = b"map1"


def append_maps(folder: Path, maps: Mapping[int, NDArray[np.float32]]) -> None:
    """Add the maps of one batch, by number of the sample: one write, on the disk before this returns."""
    if maps:
        append_durably(folder / MAPS, b"".join(_frame(index, probability) for index, probability in maps.items()))


def read_map(folder: Path, index: int) -> NDArray[np.float32] | None:
    """The map of the index-th sample, (H, W) float32 in [0, 1], or None if it has none.

    Raises:
        RunFolderError: its bytes are not the ones that were written.
    """
    path = folder / MAPS
    if not path.exists():
        return None
    with path.open("rb") as stream:
        for number, offset, size, crc in _frames(path):
            if number != index:
                continue
            stream.seek(offset)
            data = stream.read(size)
            if zlib.crc32(data) != crc:
                raise RunFolderError(f"{path}: the map of sample {index} is damaged. {CURE}")
            with Image.open(BytesIO(data)) as image:
                return (np.asarray(image, dtype=np.float64) / LEVELS).astype(np.float32)
    return None


def cut_back(folder: Path, expected: Sequence[int]) -> None:
    """Leave exactly the maps of these samples, the ones with a record; what a kill left behind them is cut off.

    Raises:
        RunFolderError: one of them is not there, though maps are on the disk before their records.
    """
    path, kept, end = folder / MAPS, [], 0
    for number, offset, size, _ in _frames(path) if path.exists() else ():
        if len(kept) == len(expected):
            break
        kept.append(number)
        end = offset + size
    if kept != list(expected):
        raise RunFolderError(f"{path}: expected the maps of {len(expected)} samples, got {len(kept)}. {CURE}")
    if path.exists() and path.stat().st_size != end:
        with path.open("r+b") as stream:
            stream.truncate(end)
            os.fsync(stream.fileno())


def _frame(index: int, probability: NDArray[np.float32]) -> bytes:
    levels = np.rint(probability.astype(np.float64) * LEVELS).astype(np.uint16)
    out = BytesIO()
    Image.fromarray(levels).save(out, format="PNG", compress_level=3)
    data = out.getvalue()
    return _FRAME.pack(_MAGIC, index, len(data), zlib.crc32(data)) + data


def _frames(path: Path) -> Iterator[tuple[int, int, int, int]]:
    """(number, offset of the PNG, its bytes, its crc32) of each whole frame up to the first that is torn."""
    end = path.stat().st_size
    with path.open("rb") as stream:
        offset = 0
        while len(head := stream.read(_FRAME.size)) == _FRAME.size:
            magic, number, size, crc = _FRAME.unpack(head)
            offset += _FRAME.size
            if magic != _MAGIC or offset + size > end:
                return
            yield number, offset, size, crc
            offset += size
            stream.seek(offset)

"""maps.bin: the prediction maps of a cell as checksummed frames in one file, so that a cell is a few files, not thousands.

A frame holds the two 8-bit maps on which a prediction is measured, as PNG. The float map is not stored: everything is measured on
these two, at once or later, and they are smaller than 16 bits of it (a lossless float map would be ten times as large).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import append_durably, truncate_durably
from prsbench.harness.engine.store.journal import DELETE_CELL
from prsbench.metrics.mask.grey import GreyMap, GreyMaps

MAPS = "maps.bin"
# magic, number of the sample in its cell, bytes of the raw map's PNG, of the stretched one's (0: the same), crc32 of both
_FRAME = struct.Struct("<4sIIII")
_MAGIC = b"map2"


def append_maps(folder: Path, maps: Mapping[int, GreyMaps], map_: Callable[..., Iterable[bytes]] = map) -> None:
    """Append the maps of one batch, by number of the sample: one write, on disk before this returns.

    map_: `map`, or one that encodes several at once.
    """
    if maps:
        append_durably(folder / MAPS, b"".join(map_(_frame, maps, maps.values())))


def each_map(folder: Path) -> Iterator[tuple[int, GreyMaps]]:
    """(number of the sample, its maps) of every sample that has maps, in order.

    Raises:
        RunFolderError: the bytes of a map are not the ones that were written.
    """
    path = folder / MAPS
    if path.exists():
        with path.open("rb") as stream:
            for frame in _frames(path):
                yield frame.number, _read(stream, frame, path)


def read_map(folder: Path, index: int) -> NDArray[np.float32] | None:
    """Probability of the index-th sample, (H, W) float32 in [0, 1], to 8 bits (the side of 0.5 is exact); None if it has no map.

    Raises:
        RunFolderError: the bytes of the map are not the ones that were written.
    """
    path = folder / MAPS
    frame = next((frame for frame in _frames(path) if frame.number == index), None) if path.exists() else None
    if frame is None:
        return None
    with path.open("rb") as stream:
        return np.divide(_read(stream, frame, path).raw, 255, dtype=np.float32)


def cut_back(folder: Path, expected: Sequence[int]) -> None:
    """Keep only the maps of these samples, the ones with a prediction; cut off what a kill left after them.

    Raises:
        RunFolderError: a map is missing, although maps are on disk before their predictions.
    """
    path, numbers, end = folder / MAPS, list[int](), 0
    for frame in _frames(path) if path.exists() else ():
        if len(numbers) == len(expected):
            break
        numbers.append(frame.number)
        end = frame.end
    if numbers != list(expected):
        raise RunFolderError(f"{path}: expected the maps of {len(expected)} samples, got {len(numbers)}. {DELETE_CELL}")
    truncate_durably(path, end)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A complete frame in the file; offset is that of its first PNG."""

    offset: int
    number: int
    raw_bytes: int
    stretched_bytes: int
    crc: int

    @property
    def end(self) -> int:
        return self.offset + self.raw_bytes + self.stretched_bytes


def _frames(path: Path) -> Iterator[_Frame]:
    """Each complete frame up to the first that is torn."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        while len(head := stream.read(_FRAME.size)) == _FRAME.size:
            magic, *facts = _FRAME.unpack(head)
            frame = _Frame(stream.tell(), *facts)
            if magic != _MAGIC or frame.end > size:
                return
            yield frame
            stream.seek(frame.end)


def _frame(index: int, maps: GreyMaps) -> bytes:
    raw = _png(maps.raw)
    stretched = b"" if np.array_equal(maps.raw, maps.stretched) else _png(maps.stretched)
    return _FRAME.pack(_MAGIC, index, len(raw), len(stretched), zlib.crc32(raw + stretched)) + raw + stretched


def _read(stream: BinaryIO, frame: _Frame, path: Path) -> GreyMaps:
    stream.seek(frame.offset)
    data = stream.read(frame.end - frame.offset)
    if zlib.crc32(data) != frame.crc:
        raise RunFolderError(f"{path}: the map of sample {frame.number} is damaged. {DELETE_CELL}")
    raw, stretched = data[: frame.raw_bytes], data[frame.raw_bytes :]
    return GreyMaps(_grey(raw), _grey(stretched or raw))


def _png(grey: GreyMap) -> bytes:
    out = BytesIO()
    Image.fromarray(grey).save(out, format="PNG", compress_level=3)
    return out.getvalue()


def _grey(png: bytes) -> GreyMap:
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image)

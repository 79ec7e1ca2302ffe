"""CVC-ClinicDB (Bernal et al. 2015): 612 colonoscopy frames, 384 x 288, from 29 video sequences.

`PNG/Original/<n>.png` and `PNG/Ground Truth/<n>.png` (or the same under `TIF`). Neighbouring frames show the same polyp a moment
later, so the group is the sequence; the archive comes with a list of the sequences' frames, repeated here. (At the 16 boundaries
whose two frames could be compared, the scene changes: median correlation 0.54, against 0.85 within sequences.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folder, paired, pictures_of, subfolder
from prsbench.harness.contract.errors import DataError

FIRST_FRAMES = (
    1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298,
    318, 343, 364, 384, 409, 429, 448, 467, 479, 504, 529, 547, 572, 592,
)  # fmt: skip
LAST_FRAME = 612


def find(root: Path) -> Iterator[Item]:
    """Every frame that has an image or a mask."""
    expected = "PNG/Original/<n>.png and PNG/Ground Truth/<n>.png"
    folder = find_folder(root, expected, lambda f: all(subfolder(f, kind).is_dir() for kind in ("Original", "Ground Truth")))
    originals, truths = subfolder(folder, "Original"), subfolder(folder, "Ground Truth")
    images, masks = pictures_of(originals), pictures_of(truths)
    for stem in sorted(images.keys() | masks.keys()):
        image, mask = images.get(stem, originals / f"{stem}.png"), masks.get(stem, truths / f"{stem}.png")
        yield paired(stem, sequence_of(stem), image, [mask])


def sequence_of(frame: str) -> str:
    """The sequence of a frame number, as "sequence-01" to "sequence-29"."""
    if not frame.isdecimal() or not 1 <= int(frame) <= LAST_FRAME:
        raise DataError(f"CVC-ClinicDB frame '{frame}': expected a number from 1 to {LAST_FRAME}. Remove foreign files.")
    return f"sequence-{bisect_right(FIRST_FRAMES, int(frame)):02d}"

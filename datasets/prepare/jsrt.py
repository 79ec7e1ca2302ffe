"""JSRT (Shiraishi et al. 2000) with SCR's lung masks (van Ginneken et al. 2006): 247 chest X-rays, read at 1024 x 1024.

Images are raw: 2048 x 2048 big-endian numbers of 16 bits without a header, 0 to 4095, light for dense tissue only when inverted.
They are averaged over 2 x 2 pixels to the masks' size, inverted, and shown with the whole range as grey levels. Masks are GIF,
one file for each lung; their union is the mask. (JSRT's image format: public code that reads it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source
from prsbench.harness.contract.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 2048
BRIGHTEST = 4095


def load(image_path: Path, mask_paths: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Image (1024, 1024, 3) and mask (1024, 1024)."""
    import numpy as np
    from PIL import Image

    if image_path.stat().st_size != 2 * SIDE * SIDE:
        raise DataError(f"{image_path}: expected {2 * SIDE * SIDE} bytes, got {image_path.stat().st_size}. Download it again.")
    raw = np.fromfile(image_path, ">u2").reshape(SIDE // 2, 2, SIDE // 2, 2)
    if raw.max() > BRIGHTEST:
        raise DataError(f"{image_path}: expected values up to {BRIGHTEST}, got {raw.max()}. Download it again.")
    grey = np.round(255 - raw.mean(axis=(1, 3)) * (255 / BRIGHTEST)).astype(np.uint8)
    mask = np.zeros(grey.shape, bool)
    for path in mask_paths:
        try:
            with path.open("rb") as stream, Image.open(stream, formats=("GIF",)) as picture:
                one = np.asarray(picture.convert("L")) > 127
        except Exception as error:  # a broken file can make a decoder raise almost anything
            raise DataError(f"{path}: expected a mask in GIF, got '{error}'. Restore the file from its archive.") from error
        if one.shape != mask.shape:
            raise DataError(f"{path}: expected 1024 x 1024 pixels, got {one.shape[1]} x {one.shape[0]}. Restore the file.")
        mask |= one
    return np.repeat(grey[..., None], 3, axis=2), mask


SOURCE = Source(
    title="JSRT chest X-rays with SCR's masks, All247images/ and scr/",
    modality="lung_xray",
    layouts=(
        Layout(
            r"<stem:JPC(LN|NN)\d+>.IMG",
            (r"left lung/<stem:JPC(LN|NN)\d+>.gif", r"right lung/<stem:JPC(LN|NN)\d+>.gif"),
            load=f"{__name__}:load",
        ),
    ),
    case="image, one of each patient",
    images=247,
    cases=247,
    licence=UNCONFIRMED,
    citation="Shiraishi et al.: Development of a digital image database for chest radiographs with and without a lung nodule. "
    "American Journal of Roentgenology 174, 2000. Masks: van Ginneken, Stegmann, Loog: Segmentation of anatomical structures in "
    "chest radiographs using supervised methods. Medical Image Analysis 10, 2006.",
    url="http://db.jsrt.or.jp/eng.php",
    defects=("The images are raw numbers, larger than the masks: they are averaged to the masks' size.",),
)

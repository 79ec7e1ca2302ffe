"""Read images as 8-bit RGB and masks as bool. Other depths are refused, because the file does not hold the right grey window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import DataError

EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MASK_THRESHOLD = 127  # grey levels above it are foreground; masks saved as JPEG or resized have grey edges


def read_image(path: Path) -> NDArray[np.uint8]:
    """One picture as (H, W, 3) uint8; grey and palette pictures become RGB.

    Raises:
        DataError: the file is missing, unreadable, not 8 bits per channel, partly transparent, or has several frames.
    """
    return np.array(_decoded(path, "RGB"))


def read_mask(path: Path) -> NDArray[np.bool_]:
    """One mask as (H, W) bool: grey level > 127. An all-zero file is an empty mask.

    Raises:
        DataError: as read_image, and for a mask with non-zero values but none above 127 (coded {0, 1}, as labels, or in dark
            colours), which would be scored as empty.
    """
    grey = np.asarray(_decoded(path, "L"))
    top = int(grey.max())
    if top == 1:
        raise DataError(
            f"{path}: expected a mask of values 0 and 255, got 0 and 1, which scores 0.004 under the official protocol. "
            "Multiply by 255."
        )
    if 1 < top <= MASK_THRESHOLD:
        raise DataError(
            f"{path}: expected a mask with foreground above {MASK_THRESHOLD}, got values up to {top}: it would be read as "
            "empty. Save the foreground as 255."
        )
    return grey > MASK_THRESHOLD


def check_same_size(image_path: Path, image: NDArray[np.uint8], mask_path: Path, mask: NDArray[np.bool_]) -> None:
    """Raise DataError unless the mask has its image's height and width."""
    if mask.shape != image.shape[:2]:
        raise DataError(
            f"{mask_path}: expected the size of its image {image_path.name}, {_size(image)}, got {_size(mask)}. "
            "Resize the mask with nearest neighbour, or find the mask that belongs to this image."
        )


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    """Write an RGB picture, or a bool mask as 0 and 255, without loss."""
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    Image.fromarray(pixels).save(path, format="PNG")


def _decoded(path: Path, mode: str) -> Image.Image:
    if not path.is_file():
        raise DataError(f"{path}: expected a picture, found no such file. Restore it, or remove its row.")
    try:
        with Image.open(path) as picture:
            _refuse_unclear(path, picture)
            return picture.convert(mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: expected a readable picture, got '{error}'. Restore the file from its archive.") from error


def _refuse_unclear(path: Path, picture: Image.Image) -> None:
    if picture.mode not in EIGHT_BIT_MODES:
        raise DataError(
            f"{path}: expected 8 bits per channel, got mode {picture.mode}. Choose a grey window and save it as 8 bits."
        )
    if (frames := getattr(picture, "n_frames", 1)) > 1:
        raise DataError(f"{path}: expected one picture, got {frames} frames. Save each frame as a separate file.")
    if picture.has_transparency_data and np.asarray(picture.convert("RGBA"))[..., 3].min() < 255:
        raise DataError(f"{path}: expected an opaque picture, got transparent pixels. Flatten it onto its background.")


def _size(pixels: NDArray[np.uint8] | NDArray[np.bool_]) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} (width x height)"

"""Read images as 8-bit RGB and masks as bool. A file is judged by its content: what cannot be read without a guess is refused.

Only PNG, JPEG, BMP, TIFF and WebP are opened, whatever the suffix says; none of their decoders starts another program.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from prsbench.harness.contract.errors import ConfigError, DataError
from scipy import ndimage

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
BITS_PER_SAMPLE = 258  # the TIFF tag
MASK_THRESHOLD = 127  # grey levels above it are foreground; masks saved as JPEG or resized have grey edges
DARKEST = 47  # levels up to it are black: noise of JPEG, and traces in the masks of CVC-ClinicDB
CHROMA = 64  # a pixel whose channels differ by more has a colour; noise differs by less
FEW_COLOURS = 16  # a mask of no more was never saved as JPEG, so that its levels are exact
SAME_LEVEL = {True: 24, False: 64}  # how far levels of one area may lie apart in an exact mask, and in one with noise


def read_image(path: Path) -> NDArray[np.uint8]:
    """One picture as (H, W, 3) uint8, turned as its EXIF tag says; grey, palette and CMYK pictures become RGB.

    Raises:
        DataError: the file is missing, no regular file, of another format, unreadable, not 8 bits per channel, partly
            transparent, or has several frames.
    """
    return np.array(_decoded(path).convert("RGB"))


def read_mask(path: Path) -> NDArray[np.bool_]:
    """One mask as (H, W) bool, turned as its EXIF tag says. An all-zero file is an empty mask.

    Foreground is grey level > 127, or, in a mask of black and one colour, what is brighter than half that colour.

    Raises:
        DataError: as read_image; and for a mask with areas of several grey levels or colours (labels, say), or with non-zero
            values but none above 127 (coded {0, 1}, or dark), which would be scored as empty.
    """
    picture = _decoded(path)
    rgb = np.asarray(picture.convert("RGB"))
    if picture.mode == "P" and np.ptp(np.asarray(picture)) and not np.ptp(rgb, axis=(0, 1)).any():
        raise DataError(f"{path}: expected a mask, got palette entries of one colour. Save it as grey levels 0 and 255.")
    if picture.mode not in ("1", "L") and np.ptp(rgb, axis=2).max() > CHROMA:
        return _coloured_foreground(path, rgb)
    grey = np.asarray(picture.convert("L"))
    _refuse_labels(path, grey)
    return grey > MASK_THRESHOLD


@dataclass(frozen=True)
class Labels:
    """What the values of label masks mean: foreground values are the target, 0 (black) and the values of ignore are not.

    Values are levels or palette indices ("1", "255"), or all are colours ("#ff0000"). The one foreground value ">0.5" means all
    values above: for masks with fractions.

    Raises:
        ConfigError: no foreground, a value that is none of these, several kinds, or one that is foreground and ignored.
    """

    foreground: Sequence[str]
    ignore: Sequence[str] = ()
    seen: Counter[int] = field(default_factory=Counter, init=False, repr=False, compare=False)  # pixels of each value read so far

    def __post_init__(self) -> None:
        values = [*self.foreground, *self.ignore]
        colours = [re.fullmatch(r"#[0-9a-fA-F]{6}", value) is not None for value in values]
        numbers = [re.fullmatch(r"[0-9]{1,5}", value) is not None for value in values]
        if not self.foreground or not (all(colours) or all(numbers) or self._limit is not None):
            raise ConfigError(
                f"--foreground {' '.join(self.foreground)} --ignore {' '.join(self.ignore)}: expected foreground values, all as "
                "whole numbers (1 2), all as colours ('#ff0000'), or one '>0.5' alone. Correct them."
            )
        ignored = set(map(_code, self.ignore))
        if both := [value for value in self.foreground if self._limit is None and _code(value) in ignored]:
            raise ConfigError(f"Values {', '.join(both)} are given to --foreground and to --ignore. Choose one.")

    @property
    def unseen(self) -> list[str]:
        """The foreground values that no mask read so far has."""
        return [value for value in self.foreground if self._limit is None and not self.seen[_code(value)]]

    @property
    def ignored_share(self) -> float:
        """The share of all pixels read so far that have an ignored value; 0 before the first."""
        return sum(self.seen[_code(value)] for value in self.ignore) / max(1, self.seen.total())

    def read(self, path: Path) -> NDArray[np.bool_]:
        """One label mask as (H, W) bool, turned as its EXIF tag says; up to 16 bits.

        Raises:
            DataError: as read_image; a JPEG, which changes values; colours where numbers are stated; or a value without meaning.
        """
        picture = _decoded(path, (*EIGHT_BIT_MODES, "I;16"))
        if self._limit is None and _format_of(path) == "JPEG":
            raise DataError(f"{path}: expected labels as they were drawn, got a JPEG, which changes values. Save them as PNG.")
        if self.foreground[0].startswith("#"):
            return self.of(np.asarray(picture.convert("RGB")).astype(np.int64) @ (1 << 16, 1 << 8, 1), path)
        if picture.mode in ("1", "LA", "PA", "RGB", "RGBA", "CMYK"):
            rgb = np.asarray(picture.convert("RGB"))
            if np.ptp(rgb, axis=2).any():
                raise DataError(
                    f"{path}: expected labels as grey levels or palette indices, got colours. State them as '#rrggbb'."
                )
            return self.of(rgb[..., 0], path)
        return self.of(np.asarray(picture), path)

    def of(self, values: NDArray[Any], name: object) -> NDArray[np.bool_]:
        """Which of the values are foreground, in their shape; DataError, with the name, if a value has no stated meaning."""
        if self._limit is not None:
            return values > self._limit
        levels, pixels = np.unique(values, return_counts=True)
        if (levels != np.round(levels)).any():
            raise DataError(f"{name}: expected whole numbers, got fractions. Say above which value the target begins ('>0.5').")
        counts = dict(zip(levels.tolist(), pixels.tolist(), strict=True))
        known = {0, *map(_code, (*self.foreground, *self.ignore))}
        if odd := [value for value in counts if value not in known]:
            shown = ", ".join(f"{self._written(value)} ({counts[value]} px)" for value in odd[:5]) + ", ..." * (len(odd) > 5)
            raise DataError(
                f"{name}: expected the values 0, {', '.join((*self.foreground, *self.ignore))}, got also {shown}. Add each to "
                "--foreground if it is the target, or else to --ignore."
            )
        self.seen.update(counts)
        return np.isin(values, [_code(value) for value in self.foreground])

    @property
    def _limit(self) -> float | None:
        only = re.fullmatch(r">([0-9]{1,5}(?:\.[0-9]+)?)", self.foreground[0]) if self.foreground and not self.ignore else None
        return float(only[1]) if only and len(self.foreground) == 1 else None

    def _written(self, value: int) -> str:
        return f"#{value:06x}" if self.foreground[0].startswith("#") else str(value)


def _code(value: str) -> int:
    return int(value[1:], 16) if value.startswith("#") else int(value)


def pixel_hash(image: NDArray[np.uint8]) -> str | None:
    """sha256, in hex, of the size and pixels of an image (H, W, 3): equal for files that show the same, in whatever format.

    None for a picture of one colour, as at the ends of a scan: that two patients share it shows nothing.
    """
    if (image == image[:1, :1]).all():
        return None
    return sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def check_same_size(image_path: Path, image: NDArray[np.uint8], mask_path: Path, mask: NDArray[np.bool_]) -> None:
    """Raise DataError unless the mask has its image's height and width."""
    if mask.shape != image.shape[:2]:
        advice = "Resize the mask with nearest neighbour, or find the mask that belongs to this image."
        if mask.shape == image.shape[1::-1]:
            advice = "One of them is turned: both are read as their EXIF tags say. Turn the mask as the image is shown."
        raise DataError(
            f"{mask_path}: expected the size of its image {image_path.name}, {_size(image)}, got {_size(mask)}. {advice}"
        )


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    """Write an RGB picture, or a bool mask as 0 and 255, without loss."""
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    Image.fromarray(pixels).save(path, format="PNG")


def _format_of(path: Path) -> str | None:
    with Image.open(path, formats=FORMATS) as picture:
        return picture.format


def _decoded(path: Path, modes: Collection[str] = EIGHT_BIT_MODES) -> Image.Image:
    if not path.is_file():  # a folder, a device or a pipe is never opened
        found = "something that is no regular file" if path.exists() else "no such file"
        raise DataError(f"{path}: expected a picture, found {found}. Restore it, or remove its row.")
    try:
        # From a stream: given a path, Pillow maps an uncompressed TIFF that is turned with its sides exchanged.
        with path.open("rb") as stream, Image.open(stream, formats=FORMATS) as picture:
            _refuse_unclear(path, picture, modes)
            return ImageOps.exif_transpose(picture)
    except DataError:
        raise
    except Image.UnidentifiedImageError as error:
        raise DataError(
            f"{path}: expected a readable picture (PNG, JPEG, BMP, TIFF or WebP), got another or a broken one. "
            "Restore the file from its archive, or save it as PNG."
        ) from error
    except Exception as error:  # a broken file can make a decoder raise almost anything
        raise DataError(f"{path}: expected a readable picture, got '{error}'. Restore the file from its archive.") from error


def _refuse_unclear(path: Path, picture: Image.Image, modes: Collection[str]) -> None:
    deepest = 8 if picture.mode in EIGHT_BIT_MODES or picture.mode not in modes else 16
    if (bits := _bits_per_channel(picture)) > deepest:
        raise DataError(f"{path}: expected 8 bits per channel, got {bits}. Choose a grey window and save it as 8 bits.")
    if picture.mode not in modes:
        raise DataError(
            f"{path}: expected 8 bits per channel in grey, RGB, CMYK or a palette, got mode {picture.mode}. Choose a grey window "
            "and save it as 8 bits."
        )
    if (frames := getattr(picture, "n_frames", 1)) > 1:
        raise DataError(
            f"{path}: expected one picture, got {frames} frames. Save each as a separate file, or prepare them with the "
            "source 'volumes'."
        )
    if picture.has_transparency_data and np.asarray(picture.convert("RGBA"))[..., 3].min() < 255:
        raise DataError(f"{path}: expected an opaque picture, got transparent pixels. Flatten it onto its background.")


def _bits_per_channel(picture: Image.Image) -> int:
    """As in the file; Pillow drops the low bytes of 16-bit colour without a word."""
    if picture.format == "TIFF":
        return int(np.max(picture.getexif().get(BITS_PER_SAMPLE, 1)))  # one number or one of each channel
    tiles = str(getattr(picture, "tile", ()))  # with the raw mode of a PNG, such as "RGB;16B"
    return 16 if picture.format == "PNG" and ";16" in tiles else 8


def _refuse_labels(path: Path, grey: NDArray[np.uint8]) -> None:
    """Raise DataError unless a grey mask is one level on black, apart from grey edges and noise."""
    levels = np.unique(grey)
    if levels[-1] == 1:
        raise DataError(
            f"{path}: expected a mask of values 0 and 255, got 0 and 1, which scores 0.004 under the official protocol. "
            "Multiply by 255."
        )
    if 1 < levels[-1] <= MASK_THRESHOLD:
        raise DataError(
            f"{path}: expected a mask with foreground above {MASK_THRESHOLD}, got values up to {levels[-1]}: it would be read as "
            "empty. Save the foreground as 255."
        )
    if len(levels) == 1 or (len(levels) == 2 and levels[0] <= MASK_THRESHOLD):
        return
    exact = len(levels) <= FEW_COLOURS
    flat = _flat(grey, exact)
    inside = grey[flat].astype(int)
    if not inside.size:
        return
    ground = inside.min()  # of the background; an area of it that is itself above 127 is not one
    lit = inside[inside > (DARKEST if ground <= DARKEST else ground + SAME_LEVEL[exact] if ground <= MASK_THRESHOLD else -1)]
    odd = int(((lit <= MASK_THRESHOLD) | (lit + SAME_LEVEL[exact] < levels[-1])).sum())  # not of the brightest area
    several = odd > 0 if exact else odd > max(9, lit.size / 20)
    if several or (exact and _has_dark_label(grey, flat, levels)):
        _refuse_levels(path, "grey levels", inside[inside > (0 if exact else DARKEST)])


def _has_dark_label(grey: NDArray[np.uint8], flat: NDArray[np.bool_], levels: NDArray[np.uint8]) -> bool:
    """Whether areas of levels 1 to 47 are labels (2 in a mask of 0, 2 and 255): large, or apart from the foreground.

    Not in a mask with levels between them and the foreground's, as of edges and of the noise of JPEG.
    """
    if levels[-2] > DARKEST:
        return False
    lesion = grey > MASK_THRESHOLD
    dark, _ = ndimage.label((grey > 0) & (grey <= DARKEST), np.ones((3, 3)))
    sizes = np.bincount(dark.ravel())
    areas = np.setdiff1d(dark[flat], 0)
    touching = dark[ndimage.binary_dilation(lesion, np.ones((3, 3), bool))]
    apart = np.setdiff1d(areas, touching)
    return bool(4 * sizes[areas].sum() > lesion.sum() or 20 * sizes[apart].sum() > lesion.sum())


def _coloured_foreground(path: Path, rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The mask of a picture in black and one colour; DataError for anything else."""
    value = rgb.max(axis=2)
    exact = len(np.unique(rgb.reshape(-1, 3), axis=0)) <= FEW_COLOURS
    lit = value > DARKEST
    inside = rgb[_flat(rgb, exact) & lit]
    if not inside.size:  # tiny lesions
        inside = rgb[lit]
    colour = np.median(inside, axis=0)
    if lit.all() or np.ptp(inside, axis=0).max() > SAME_LEVEL[exact] or np.ptp(colour) <= CHROMA:
        _refuse_levels(path, "colours", rgb[value > 0] if np.ptp(colour) <= CHROMA else inside)
    return value > colour.max() / 2


def _flat(pixels: NDArray[np.uint8], exact: bool) -> NDArray[np.bool_]:
    """(H, W): pixels inside an area of one level: of equal neighbours, or, in a mask with noise, of similar ones further out.

    Pixels of an edge, which lie between two areas, are not.
    """
    size, tolerance = (3, 0) if exact else (5, 24)
    window = (size, size, 1)[: pixels.ndim]
    ranges = ndimage.maximum_filter(pixels, window, mode="nearest") - ndimage.minimum_filter(pixels, window, mode="nearest")
    return (ranges if pixels.ndim == 2 else ranges.max(axis=2)) <= tolerance


def _refuse_levels(path: Path, kind: str, pixels: NDArray[np.integer]) -> None:
    counts = Counter(map(tuple, pixels.tolist()) if pixels.ndim == 2 else pixels.tolist()).most_common()
    shown = ", ".join(f"{level} ({count} px)" for level, count in counts[:4]) + ", ..." * (len(counts) > 4)
    raise DataError(
        f"{path}: expected one grey level or colour on black, got areas of several {kind}: {shown}. "
        "Save what the target is as 255 and all else as 0."
    )


def _size(pixels: NDArray[np.uint8] | NDArray[np.bool_]) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} (width x height)"

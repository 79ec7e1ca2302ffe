"""Masks and probability maps from files: PNG, NPY or NIfTI slices, as (H, W) float32 in [0, 1].

- PNG: 8 bits, grey (or colour with equal channels). NPY, NIfTI: bool, whole numbers, or floating-point probabilities from 0 to 1.
- Whole numbers are masks of 0 and 1, masks of 0 and 255, or maps of 8 bits (255 is probability 1). The largest number in the
  files tells which; where a single file leaves that open, it is an error, and the key `white` decides.
- NIfTI needs nibabel and the key `nifti_axes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import DataError, MissingPrerequisite, PrsbenchError
from prsbench.methods.saved_predictions.table import SUFFIXES, suffix_of

_NIFTI = (".nii", ".nii.gz")


class SavedMaps:
    """The map files of one row, which share one scale.

    Raises:
        MissingPrerequisite: a file is NIfTI, and nibabel or the order of its axes is missing.
    """

    def __init__(self, files: Iterable[Path], row: str, white: int | None = None, nifti_axes: str | None = None):
        self._files, self._given_white, self._nifti_axes = list(files), white, nifti_axes
        first = next((path for path in self._files if suffix_of(path).lower() in _NIFTI), None)
        if first and not find_spec("nibabel"):
            raise MissingPrerequisite(f"{row}: skipped, {first} needs nibabel. pip install nibabel, or save the slices as NPY.")
        if first and nifti_axes is None:
            what = "x_y if SimpleITK or a scanner's software wrote them, y_x if nibabel was given arrays of rows and columns"
            raise MissingPrerequisite(f"{row}: skipped, {first} does not say which axis runs down. Set nifti_axes: {what}.")

    def read(self, path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """One file as a map of this height and width.

        Raises:
            DataError: the file is missing, unreadable, of another size, or holds other values.
        """
        values = self._values(path, shape)
        if values.dtype.kind == "b":
            return values.astype(np.float32)
        low, high = (values.min(), values.max()) if values.size else (0, 0)
        if values.dtype.kind == "f":
            if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 1:
                raise DataError(
                    f"{path}: expected probabilities from 0 to 1, got {low:.4g} to {high:.4g}. Apply a sigmoid first."
                )
            return values.astype(np.float32)
        white = self._given_white or (255 if high > 1 else 1)
        if low < 0 or high > white:
            raise DataError(f"{path}: expected whole numbers from 0 to {white}, got {low} to {high}. Save 0 and 255, or floats.")
        if high == 1 and self._given_white is None and self._brightest is not None:
            raise DataError(
                f"{path}: expected one scale, got at most 1 here and more than 1 in {self._brightest.name}. "
                "Set white: 255 if this is a faint map, or save masks as 0 and 255."
            )
        return (values / white).astype(np.float32)

    @cached_property
    def _brightest(self) -> Path | None:
        """The first file with a whole number above 1; None if all are masks of 0 and 1."""
        for path in self._files:
            try:
                values = self._values(path, None)
            except PrsbenchError:  # its own sample says so
                continue
            if values.dtype.kind in "iu" and values.size and values.max() > 1:
                return path
        return None

    def _values(self, path: Path, shape: tuple[int, ...] | None) -> NDArray[Any]:
        """(H, W) as stored; the size is compared before pixels are decoded."""
        suffix = suffix_of(path).lower()
        if not path.is_file():
            raise DataError(f"{path}: expected a mask, found no such file. Write it, or correct the table.")
        try:
            if suffix == ".png":
                return _png(path, shape)
            if suffix == ".npy":
                return _array(path, np.load(path, mmap_mode="r", allow_pickle=False), shape)
            if suffix in _NIFTI:
                import nibabel

                values = np.asanyarray(nibabel.load(path).dataobj)
                return _array(path, values.squeeze().T if self._nifti_axes == "x_y" else values, shape)
        except PrsbenchError:
            raise
        except Exception as error:  # a broken file can make a decoder raise almost anything
            raise DataError(f"{path}: expected a readable {suffix} file, got '{error}'. Write it again.") from error
        raise DataError(f"{path}: expected a file of {', '.join(SUFFIXES)}. Save it as one of them.")


def _png(path: Path, shape: tuple[int, ...] | None) -> NDArray[Any]:
    with path.open("rb") as stream, Image.open(stream, formats=("PNG",)) as picture:
        _check_size(path, (picture.height, picture.width), shape)
        if picture.mode.startswith(("I", "F")):
            values = np.array(picture)  # 16 bits
        else:
            rgba = np.asarray(picture.convert("RGBA"))
            if np.ptp(rgba[..., :3], axis=2).any() or (rgba[..., 3] < 255).any():
                raise DataError(f"{path}: expected grey levels, got colours or transparent pixels. Save one grey channel.")
            values = rgba[..., 0]
        return values


def _array(path: Path, values: NDArray[Any], shape: tuple[int, ...] | None) -> NDArray[Any]:
    if values.ndim > 2:  # such as (1, H, W)
        values = values.squeeze()
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        got = f"{values.shape} of {values.dtype}"
        raise DataError(f"{path}: expected numbers of one slice (H, W), got {got}. Save one map a file.")
    _check_size(path, values.shape, shape)
    return np.asarray(values)


def _check_size(path: Path, size: tuple[int, ...], shape: tuple[int, ...] | None) -> None:
    if shape is not None and size != shape:
        advice = "It looks transposed." if size == shape[::-1] else "Resize it to the image's size where it was predicted."
        wanted, got = (f"{height} x {width}" for height, width in (shape, size))
        raise DataError(f"{path}: expected the image's height and width {wanted}, got {got}. {advice}")

"""Volumes as slices: NIfTI, NRRD, MetaImage, DICOM series and stacks of TIFF pages, with their mask volumes; extra `volumes`.

`images/<case>.nii.gz` with `masks/<case>.nii.gz`, or both kinds in one folder with the mask's name marked (`<case>-msk`,
`<case>_seg`). A DICOM series is a folder of its files in the volume's place: `images/<case>/*.dcm`. A mask may be of another
format than its image, but must lie on the same grid. (ITK, which reads the files, takes what is no number in a NIfTI as 0.)

Volumes are turned to the patient's axes, then cut: an axial slice shows the patient's right on the left and the front on top, a
coronal slice the right on the left and the head on top, a sagittal slice the front on the left and the head on top. Slices
are numbered from feet, front or right. A slice keeps its pixel spacing in mm, unless the file knows none (TIFF). The group is
the volume.
"""

from __future__ import annotations

import locale
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.official_writer import Item
from prsbench.datasets.pictures import Labels
from prsbench.datasets.prepare.archive import find_folder, subfolder, visible
from prsbench.datasets.prepare.pairs import KINDS, mark_of_masks
from prsbench.harness.contract.errors import ConfigError, DataError, MissingPrerequisite

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".tif", ".tiff")
AXES = {"axial": 0, "coronal": 1, "sagittal": 2}  # of an array (feet to head, front to back, right to left)
PERCENT = re.compile(r"^([\d.]+)%[ ,]+([\d.]+)%$")
SAME_PLACE = 0.01  # mm, and the same in directions: how far two grids may differ that are one
TIFF = (".tif", ".tiff")


def find(
    root: Path, window: str | None = None, axis: str | None = None, slices: str | None = None, mask_suffix: str | None = None,
    labels: Labels | None = None, folders: tuple[str, str] = KINDS,
) -> Iterator[Item]:  # fmt: skip
    """Every slice of every volume that has an image or a mask.

    Args:
        window: two values, shown as black and white ("-1000 400" in HU for CT), or two percentiles of each volume ("1% 99%").
        axis: "axial" (default), "coronal" or "sagittal".
        slices: "all" (default), or "target" for those whose mask is not empty.
        mask_suffix: what a mask's name has after its image's, where it is none of the usual ones.
        labels: what the mask's values mean; without it, they are 0 and one other value.
        folders: names of the folders of images and masks.

    Raises:
        ConfigError: no window, or one that cannot be read.
        DataError: no volumes, a volume without its mask or on another grid.
    """
    plane = AXES[axis or "axial"]
    reader = _Reader(_window(window), plane, labels)
    for case, image, mask in _pairs(root, mask_suffix, folders):
        target, spacing = reader.target(image, mask), reader.volume(image).spacing(plane)
        for number in range(target.shape[plane]):
            if slices != "target" or np.take(target, number, plane).any():
                load = partial(reader.slice, image, mask, number)
                yield Item(f"{case}_{'zyx'[plane]}{number:03d}", case, load, None, _files(image) + _files(mask), spacing)


def _pairs(root: Path, mask_suffix: str | None, names: tuple[str, str]) -> Iterator[tuple[str, Path, Path]]:
    mark = mark_of_masks(mask_suffix)
    expected = f"{names[0]}/<case>.nii.gz and {names[1]}/<case>.nii.gz, or <case>.nii.gz and <case>_mask.nii.gz"
    folder = find_folder(root, expected, lambda f: all(subfolder(f, name).is_dir() for name in names) or bool(_volumes(f)))
    if all(subfolder(folder, name).is_dir() for name in names):
        images, masks = (_volumes(subfolder(folder, name)) for name in names)
    else:
        both = _volumes(folder)
        masks = {name: path for name, path in both.items() if mark.search(name)}
        images = {name: path for name, path in both.items() if name not in masks}
    bare = {name if name in images else mark.sub("", name): name for name in masks}
    if lonely := sorted(images.keys() ^ bare.keys()):
        raise DataError(
            f"{folder}: expected an image and a mask of each volume, got one of {', '.join(lonely[:10])}. Restore the other, "
            "remove it, or state --mask-suffix."
        )
    for case in sorted(images):
        yield case, images[case], masks[bare[case]]


def _volumes(folder: Path) -> dict[str, Path]:
    """The volumes in a folder by name without suffix: files, and folders of DICOM files."""
    found: dict[str, Path] = {}
    for path in visible(folder):
        suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
        is_series = path.is_dir() and any(file.suffix.lower() in (".dcm", ".ima") for file in visible(path))
        if (suffix and path.is_file()) or is_series:
            name = path.name if is_series else path.name[: -len(suffix or "")]
            if name in found:
                raise DataError(
                    f"{folder}: expected one volume called {name}, got {found[name].name} and {path.name}. Remove one."
                )
            found[name] = path
    return found


def _window(text: str | None) -> tuple[float, float, bool]:
    numbers = PERCENT.match(text or "") or re.match(r"^(-?[\d.]+)[ ,]+(-?[\d.]+)$", text or "")
    try:
        low, high = map(float, numbers.groups() if numbers else ())
    except ValueError:
        low = high = 0.0
    is_percent = bool(text and "%" in text)
    if low >= high or (is_percent and high > 100):
        raise ConfigError(
            f"--window {text or '(not given)'}: expected two rising values, as '-1000 400' (HU) for CT, or percentiles, as in "
            "'1% 99%' for MRI."
        )
    return low, high, is_percent


class _Reader:
    """Cuts slices out of volumes; holds the last image and mask."""

    def __init__(self, window: tuple[float, float, bool], plane: int, labels: Labels | None) -> None:
        self.window, self.plane, self.labels = window, plane, labels
        self.volume = lru_cache(maxsize=2)(_read)
        self.target = lru_cache(maxsize=1)(self._target)
        self.levels = lru_cache(maxsize=1)(self._levels)

    def slice(self, image: Path, mask: Path, number: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Image (H, W, 3) and mask (H, W) of one slice."""
        low, high = self.levels(image)
        values, target = (np.take(array, number, self.plane) for array in (self.volume(image).values, self.target(image, mask)))
        if not np.isfinite(values).all():
            raise DataError(f"{image}: expected finite values, got some that are not. Replace them.")
        grey = np.round(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        if self.plane:  # the head on top
            grey, target = grey[::-1], target[::-1]
        return np.repeat(grey[..., None], 3, axis=2), np.ascontiguousarray(target)

    def _levels(self, image: Path) -> tuple[float, float]:
        """The values shown as black and white."""
        low, high, is_percent = self.window
        if is_percent:
            low, high = np.percentile(self.volume(image).values, (low, high)).tolist()
            high = max(high, low + 1e-9)  # a volume of one value is black
        return low, high

    def _target(self, image: Path, mask: Path) -> NDArray[np.bool_]:
        """The mask (feet to head, front to back, right to left), checked to lie on the image's grid."""
        one, other = self.volume(image), self.volume(mask)
        if one.values.shape != other.values.shape:
            raise DataError(
                f"{mask}: expected the image's shape {one.values.shape}, got {other.values.shape}. Find the mask of this image."
            )
        if one.grid and other.grid and np.abs(np.subtract(one.grid, other.grid)).max() > SAME_PLACE:
            raise DataError(
                f"{mask}: expected the spacing, origin and direction of its image, {np.round(one.grid, 3).tolist()}, got "
                f"{np.round(other.grid, 3).tolist()}. Resample it to the image's grid with nearest neighbour."
            )
        if self.labels is not None:
            return self.labels.of(other.values, mask)
        levels = np.unique(other.values)
        if (levels != np.round(levels)).any():
            raise DataError(
                f"{mask}: expected whole numbers, got fractions from {levels[0]:g} to {levels[-1]:g}. Say above "
                "which value the target begins, such as --foreground '>0.5'."
            )
        if len(levels) > 2 or levels[0] != 0:
            raise DataError(
                f"{mask}: expected 0 and one other value, got {levels[:8].tolist()}. Say what they mean (--foreground, --ignore)."
            )
        return other.values > 0


@dataclass(frozen=True, slots=True)
class _Volume:
    """values (feet to head, front to back, right to left); grid: spacing, origin and direction in mm, () where not known."""

    values: NDArray[Any]
    grid: tuple[float, ...]

    def spacing(self, plane: int) -> tuple[float, float] | None:
        """Height and width in mm of a pixel of slices along an axis of the array."""
        height, width = np.delete(self.grid[2::-1], plane).tolist() if self.grid else (0, 0)
        return (height, width) if self.grid else None


def _read(path: Path) -> _Volume:
    """The volume, turned to the patient's axes."""
    try:
        import SimpleITK as sitk
    except ImportError as error:
        raise MissingPrerequisite(f"{path} needs SimpleITK: pip install 'prsbench[volumes]'.") from error

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    before = locale.setlocale(locale.LC_ALL)
    try:
        if path.is_dir():
            series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(path))
            if len(series) != 1:
                raise DataError(f"{path}: expected one DICOM series, got {len(series)}. Put each into a folder of its own.")
            names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path), series[0])
            if len(names) != len(_files(path)):
                raise DataError(
                    f"{path}: expected DICOM slices alone, {len(names)} of {len(_files(path))} files are. Remove the others."
                )
            volume = sitk.ReadImage(names)
        else:
            volume = sitk.ReadImage(str(path))
        if volume.GetDimension() == 2:
            volume = sitk.JoinSeries(volume)
        channels = volume.GetNumberOfComponentsPerPixel()
        if volume.GetDimension() != 3 or channels != 1:
            raise DataError(
                f"{path}: expected a grey volume of three dimensions, got {volume.GetSize()} with {channels} channels. Save one "
                "channel or point in time."
            )
        if path.suffix.lower() in TIFF:  # pages in their order; a TIFF's resolution is that of a printer
            return _Volume(sitk.GetArrayFromImage(volume), ())
        volume = sitk.DICOMOrient(volume, "LPS")
        grid = (*volume.GetSpacing(), *volume.GetOrigin(), *volume.GetDirection())
        return _Volume(sitk.GetArrayFromImage(volume), grid)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"{path}: cannot be read as a volume ({reason}). Restore the file from its archive.") from error
    finally:
        locale.setlocale(locale.LC_ALL, before)  # GDCM sets the C locale, after which Python would read text as ASCII


def _files(volume: Path) -> tuple[Path, ...]:
    return tuple(visible(volume)) if volume.is_dir() else (volume,)

"""What is found in one image and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.datasets.check.views import Thumb, thumbnail
from prsbench.datasets.official_reader import FolderDataset
from prsbench.datasets.pictures import FORMATS, check_same_size, pixel_hash, read_image, read_mask
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.families import OFFICIAL
from prsbench.harness.contract.position import position_of, zone_of_centroid
from scipy import ndimage

_COPY = 0.99  # correlation of an image with its mask


@dataclass(frozen=True, slots=True)
class Named:
    """Where a picture is and what the table says of it; both paths are relative to base."""

    base: Path
    dataset: str
    modality: str
    image: str
    mask: str
    split: str
    group: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the files hold. size is (height, width); foreground is a share of the picture; specks are the components besides the
    lesions, which hold at least 8 % of the foreground each. The hashes are of pixels, None for one colour or no foreground."""

    size: tuple[int, int]
    encodings: tuple[str, str]  # of image and mask, such as "PNG RGB"
    foreground: float
    pixels: int  # of the foreground
    lesions: int
    specks: int
    position: tuple[str, ...]  # official label
    near_centre: bool
    zone: str  # of the centroid
    image_hash: str | None
    mask_hash: str | None
    is_copy: bool  # the image is a copy of its mask


def named_in(dataset: FolderDataset) -> list[Named]:
    """Every picture of a data set that has an image, in the order of its table."""
    first: dict[Path, tuple[Path, str, str, list[str]]] = {}
    for row in dataset.rows:
        if row.image is not None:
            answers = first.setdefault(row.mask, (row.image, row.split, row.group, []))[3]
            answers += [row.answer] if row.family == OFFICIAL else []  # others need not name the official label
    return [
        Named(
            dataset.base,
            dataset.name,
            dataset.modality,
            image.relative_to(dataset.base).as_posix(),
            mask.relative_to(dataset.base).as_posix(),
            split,
            group,
            tuple(answers),
        )
        for mask, (image, split, group, answers) in first.items()
    ]


def examine(named: Sequence[Named]) -> list[tuple[Facts, Thumb] | str]:
    """Facts and a thumbnail of each picture, or why it cannot be used."""
    return [_examine(one) for one in named]


def _examine(named: Named) -> tuple[Facts, Thumb] | str:
    image_path, mask_path = named.base / named.image, named.base / named.mask
    try:
        image, mask = read_image(image_path), read_mask(mask_path)
        check_same_size(image_path, image, mask_path, mask)
    except DataError as error:
        return str(error)
    thumb = thumbnail(image)
    sizes = _component_sizes(mask)
    lesions = int((sizes >= 0.08 * sizes.sum()).sum())
    position, near = position_of(mask, named.modality)
    return Facts(
        size=mask.shape,
        encodings=(_encoding(image_path), _encoding(mask_path)),
        foreground=float(mask.mean()),
        pixels=int(mask.sum()),
        lesions=lesions,
        specks=len(sizes) - lesions,
        position=position,
        near_centre=near,
        zone=zone_of_centroid(mask),
        image_hash=pixel_hash(image),
        mask_hash=sha256(str(mask.shape).encode() + np.packbits(mask).tobytes()).hexdigest() if mask.any() else None,
        is_copy=_is_copy(thumb, mask),
    ), thumb


def _component_sizes(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return np.zeros(0, np.intp)
    box = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    labels, _ = ndimage.label(box, structure=np.ones((3, 3), bool))
    return np.bincount(labels.ravel())[1:]


def _encoding(path: Path) -> str:
    with Image.open(path, formats=FORMATS) as picture:
        return f"{picture.format} {picture.mode}"


def _is_copy(thumb: Thumb, mask: NDArray[np.bool_]) -> bool:
    small = thumbnail(mask.astype(np.uint8) * 255)
    if not (np.ptp(small) and np.ptp(thumb)):
        return False
    return float(np.corrcoef(small.ravel(), thumb.ravel())[0, 1]) > _COPY

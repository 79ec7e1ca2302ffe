"""Changes of test pictures, for evaluation with the weights that were trained on pictures as they are: the corruptions.

A corruption leaves the mask, the questions and the answers as they are. Its amounts are shares of the picture's shorter side or
of the range of its levels, so that they mean the same at every size. Its random numbers follow from the picture's pixels: all
questions about a picture see the same one, whatever the order, and its severities differ in amount alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import unknown_name
from prsbench.harness.contract.results import CHANGE_MARK

Pixels = NDArray[np.uint8]  # (H, W, 3)
Mask = NDArray[np.bool_]  # (H, W)
SEVERITIES = (1, 2, 3)
FINEST = 256  # noise has at most so many grains along the shorter side of a picture
OCCLUDERS = 4


class Change(Protocol):
    """A pure function of image and mask, which it does not write to."""

    @property
    def name(self) -> str: ...

    def __call__(self, image: Pixels, mask: Mask) -> tuple[Pixels, Mask]: ...


@dataclass(frozen=True, slots=True)
class Corruption:
    """One kind of corruption at one severity (1 to 3)."""

    kind: str
    severity: int

    @property
    def name(self) -> str:
        """As in data sets' names and in grids: "blur2"."""
        return f"{self.kind}{self.severity}"

    @property
    def amount(self) -> float:
        return _KINDS[self.kind][1][self.severity - 1]

    def __str__(self) -> str:
        """What it does, with its amount."""
        return _KINDS[self.kind][2].format(self.amount)

    def __call__(self, image: Pixels, mask: Mask) -> tuple[Pixels, Mask]:
        digest = sha256(f"{self.kind} {image.shape}".encode() + np.ascontiguousarray(image).tobytes()).digest()
        return _KINDS[self.kind][0](image, mask, self.amount, np.random.default_rng(list(digest))), mask


def corruptions_named(names: Sequence[str]) -> tuple[Corruption, ...]:
    """The corruptions with these names: "blur2", or "blur" for all severities; none twice, in the order of the names.

    Raises:
        ConfigError: no corruption has such a name.
    """
    known = {corruption.name: [corruption] for kind in _KINDS for corruption in _of_kind(kind)}
    known |= {kind: _of_kind(kind) for kind in _KINDS}
    if unknown := [name for name in names if name not in known]:
        raise unknown_name("corruption", unknown[0], known)
    return tuple(dict.fromkeys(corruption for name in names for corruption in known[name]))


def changed_id(sample_id: str, change: Change | None) -> str:
    """The id of a sample under a change: another one, so that what was stored for the unchanged picture cannot pass for it."""
    return f"{change.name}{CHANGE_MARK}{sample_id}" if change else sample_id


def _of_kind(kind: str) -> list[Corruption]:
    return [Corruption(kind, severity) for severity in SEVERITIES]


def _blur(image: Pixels, mask: Mask, sigma: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    from scipy import ndimage

    sigma_px = sigma * min(image.shape[:2])
    return _levels(ndimage.gaussian_filter(image.astype(np.float64), (sigma_px, sigma_px, 0), mode="nearest"))


def _noise(image: Pixels, mask: Mask, deviation: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    height, width = image.shape[:2]
    grain_px = max(1.0, min(height, width) / FINEST)
    is_grey = (image == image[..., :1]).all()
    grains = rng.standard_normal((int(np.ceil(height / grain_px)), int(np.ceil(width / grain_px)), 1 if is_grey else 3))
    rows, cols = ((np.arange(n) / grain_px).astype(int) for n in (height, width))
    return _levels(image + 255 * deviation * grains[rows][:, cols])


def _contrast(image: Pixels, mask: Mask, left: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    return _levels(image.mean() + left * (image - image.mean()))


def _jpeg(image: Pixels, mask: Mask, quality: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=int(quality))
    with Image.open(stream) as compressed:
        return np.asarray(compressed)


def _occlusion(image: Pixels, mask: Mask, side: float, rng: np.random.Generator) -> Pixels:
    """Grey squares where no pixel of the mask is: a hidden lesion could not be found by anybody. Fewer where there is no room."""
    hidden, side_px = image.copy(), max(1, round(side * min(image.shape[:2])))
    counts = np.pad(mask, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = counts[side_px:, side_px:] - counts[:-side_px, side_px:] - counts[side_px:, :-side_px] + counts[:-side_px, :-side_px]
    corners = np.argwhere(inside == 0)
    for place in rng.random(OCCLUDERS) if len(corners) else ():
        row, col = corners[int(place * len(corners))]
        hidden[row : row + side_px, col : col + side_px] = 128
    return hidden


def _levels(values: NDArray[np.float64]) -> Pixels:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


_Corrupt = Callable[[Pixels, Mask, float, np.random.Generator], Pixels]
_KINDS: dict[str, tuple[_Corrupt, tuple[float, float, float], str]] = {
    "blur": (_blur, (0.005, 0.01, 0.02), "Gaussian blur, sigma {:.1%} of the shorter side"),
    "noise": (_noise, (0.04, 0.08, 0.16), f"Gaussian noise, sd {{:.0%}} of the levels, {FINEST} grains a side at most"),
    "contrast": (_contrast, (0.6, 0.4, 0.2), "levels drawn towards their mean, {:.0%} of the contrast left"),
    "jpeg": (_jpeg, (30, 15, 7), "JPEG, quality {:.0f}"),
    "occlusion": (
        _occlusion,
        (0.1, 0.15, 0.2),
        f"{OCCLUDERS} grey squares, side {{:.0%}} of the shorter side, that cover no pixel of the mask",
    ),
}

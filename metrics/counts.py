"""From a probability map and its truth to the pixel counts all overlap metrics are made of: the one pass over pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.geometry import tight_box
from prsbench.harness.contract.records import Counts, Histogram

GREY_LEVELS = 256
_WORTH_PILLOW_PX = 65_536
_BANDS = 4
STRETCH_EPSILON = 1e-8  # PRS-Med infer_full.py; it also turns a constant map into all 0


def count(probability: NDArray[np.float32], truth: NDArray[np.bool_]) -> Counts:
    """Counts of one prediction against its truth.

    Args:
        probability: (H, W) float32 in [0, 1], unstretched.
        truth: (H, W) bool; may be empty.

    Raises:
        ContractError: shapes differ, or truth is not bool (a {0, 255} mask would be read as indices).
    """
    if truth.dtype != np.bool_:
        raise ContractError(f"truth must be bool, got {truth.dtype}. Binarise the mask when it is read.")
    if probability.shape != truth.shape:
        raise ContractError(f"probability must have the truth's shape {truth.shape}, got {probability.shape}.")
    predicted = probability >= 0.5
    tp, n_predicted, n_true = (int(np.count_nonzero(mask)) for mask in (predicted & truth, predicted, truth))
    stretched_inside, stretched_outside = histograms(stretched_grey_map(probability), truth)
    raw_inside, raw_outside = histograms(grey_map(probability), truth)
    return Counts(
        tp=tp,
        fp=n_predicted - tp,
        fn=n_true - tp,
        tn=truth.size - n_predicted - n_true + tp,
        stretched_inside=stretched_inside,
        stretched_outside=stretched_outside,
        raw_inside=raw_inside,
        raw_outside=raw_outside,
    )


def grey_map(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The map as 8-bit grey levels, rounded half to even (as OpenCV writes a float image)."""
    return _rounded(probability * 255)


def stretched_grey_map(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The map as PRS-Med saves it for scoring: each image stretched to its own minimum and maximum, then 8-bit.

    A constant map, whatever its value, becomes all 0.
    """
    low, high = probability.min(), probability.max()
    stretched = probability - low
    stretched /= high - low + STRETCH_EPSILON
    stretched *= 255
    return _rounded(stretched)


def _rounded(levels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Overwrites its argument: on large maps new memory costs more than arithmetic."""
    return np.rint(levels, out=levels).astype(np.uint8)


def histograms(grey: NDArray[np.uint8], truth: NDArray[np.bool_]) -> tuple[Histogram, Histogram]:
    """Pixels per grey level (inside, outside) the truth, of an (H, W) 8-bit map."""
    box = tight_box(truth)
    window = (slice(box.top, box.bottom), slice(box.left, box.right)) if box else (slice(0), slice(0))
    inside = per_level(grey[window][truth[window]])
    return inside, per_level(grey) - inside


def per_level(grey: NDArray[np.uint8]) -> Histogram:
    """(256,) pixels per grey level, of an 8-bit array of any shape.

    A large one is given to Pillow as if it had four bands: neighbours then count into four tables and do not wait for each other,
    two to three times as fast as `bincount`.
    """
    flat = np.ravel(grey)
    if flat.size < _WORTH_PILLOW_PX:
        return np.bincount(flat, minlength=GREY_LEVELS)
    whole = flat.size // _BANDS * _BANDS
    picture = Image.frombuffer("RGBA", (whole // _BANDS, 1), flat[:whole], "raw", "RGBA", 0, 1)
    tables = np.array(picture.histogram(), np.int64).reshape(_BANDS, GREY_LEVELS)
    return tables.sum(axis=0) + np.bincount(flat[whole:], minlength=GREY_LEVELS)

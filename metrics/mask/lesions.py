"""Lesion-wise detection: which lesions of an image were found, missed or falsely predicted, whatever their size.

Lesions are 8-connected components. True and predicted lesions are matched one to one so that the sum of their IoU is largest.
The IoU from which a lesion counts as found is applied later, to the record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.geometry import tight_box
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array

FOUND_IOU = 0.1  # from this IoU on a lesion counts as found (Metrics Reloaded, for small structures)
_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True, slots=True)
class LesionMatch:
    """ious holds, for each true lesion in raster order, its IoU with the matched predicted lesion, 0.0 if there is none."""

    ious: tuple[float, ...]
    n_predicted: int


def match_lesions(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> LesionMatch:
    """Match the lesions of one image. Without true lesions ious is empty and every predicted lesion is false.

    Args:
        predicted, truth: (H, W) bool.
    """
    box = tight_box(predicted | truth)
    if box is None:
        return LesionMatch((), 0)
    predicted, truth = (mask[box.top : box.bottom, box.left : box.right] for mask in (predicted, truth))
    (true_label, n_true), (predicted_label, n_predicted) = (ndimage.label(mask, _NEIGHBOURS) for mask in (truth, predicted))
    both = truth & predicted
    if not both.any():
        return LesionMatch((0.0,) * n_true, n_predicted)
    area_true, area_predicted = np.bincount(true_label.ravel())[1:], np.bincount(predicted_label.ravel())[1:]
    places = (true_label[both] - 1, predicted_label[both] - 1)
    touching, columns = np.unique(places[1], return_inverse=True)  # predicted lesions that overlap a true one
    ones = np.ones(places[0].size, np.int64)
    overlap = coo_array((ones, (places[0], columns)), shape=(n_true, touching.size)).toarray()
    iou = overlap / (area_true[:, None] + area_predicted[touching] - overlap)
    matched = np.zeros(n_true)
    rows, cols = linear_sum_assignment(iou, maximize=True)
    matched[rows] = iou[rows, cols]
    return LesionMatch(tuple(matched.tolist()), n_predicted)


def n_found(ious: tuple[float, ...], found_iou: float = FOUND_IOU) -> int:
    """Number of true lesions with an IoU of at least `found_iou`; the others are missed, other predicted lesions are false."""
    return sum(iou >= found_iou for iou in ious)

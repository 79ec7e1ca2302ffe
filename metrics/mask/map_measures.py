"""Measures of a map that pixel counts cannot give (S-measure, weighted F, HD95, NSD, lesions), stored in its record."""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.records import MapMeasures
from prsbench.metrics.mask.boundary import TOLERANCE_MM, outline_agreement
from prsbench.metrics.mask.grey import GreyMaps
from prsbench.metrics.mask.lesions import match_lesions
from prsbench.metrics.mask.s_measure import s_measure
from prsbench.metrics.mask.weighted_f import Surroundings, weighted_f


def measure_maps(maps: GreyMaps, truth: NDArray[np.bool_], spacing_mm: tuple[float, float] | None = None) -> MapMeasures:
    """Measures of one prediction's 8-bit maps against its truth; see each module for its empty cases.

    Args:
        truth: (H, W) bool; may be empty.
        spacing_mm: height and width of a pixel, if known.
    """
    predicted, raw, stretched = maps.mask, maps.raw, maps.stretched
    around = Surroundings.of(truth, (raw > 0) | (stretched > 0)) if truth.any() else None
    hd95_px, nsd_2px = outline_agreement(predicted, truth)
    in_mm = outline_agreement(predicted, truth, TOLERANCE_MM, spacing_mm) if spacing_mm else (nan, nan)
    lesions = match_lesions(predicted, truth)
    return MapMeasures(
        s_measure_pranet=s_measure(stretched, truth, as_official=True),
        s_measure_raw=s_measure(raw, truth),
        weighted_f_pranet=weighted_f(stretched, truth, around),
        weighted_f_raw=weighted_f(raw, truth, around),
        hd95_px=hd95_px,
        nsd_2px=nsd_2px,
        lesion_ious=lesions.ious,
        n_predicted_lesions=lesions.n_predicted,
        hd95_mm=in_mm[0],
        nsd_2mm=in_mm[1],
    )

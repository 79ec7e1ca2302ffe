"""What counts cannot give: measures of one map, taken once while the map is at hand, and kept in its record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.records import MapMeasures
from prsbench.metrics.boundary import outline_agreement
from prsbench.metrics.grey import GreyMaps, grey_maps
from prsbench.metrics.lesions import match_lesions
from prsbench.metrics.structure import s_measure
from prsbench.metrics.weighted_f import weighted_f


def measure(probability: NDArray[np.float32], truth: NDArray[np.bool_]) -> MapMeasures:
    """Measures of one prediction against its truth; see each module for its empty cases.

    Args:
        probability: (H, W) float32 in [0, 1], unstretched.
        truth: (H, W) bool; may be empty.
    """
    return measure_kept(grey_maps(probability), truth)


def measure_kept(maps: GreyMaps, truth: NDArray[np.bool_]) -> MapMeasures:
    """`measure`, from what is kept of the map."""
    predicted, raw, stretched = maps.mask, maps.raw, maps.stretched
    raw_f = weighted_f(raw, truth)
    hd95_px, nsd_2px = outline_agreement(predicted, truth)
    lesions = match_lesions(predicted, truth)
    return MapMeasures(
        s_measure_pranet=s_measure(stretched, truth, as_published=True),
        s_measure_raw=s_measure(raw, truth),
        weighted_f_pranet=raw_f if np.array_equal(raw, stretched) else weighted_f(stretched, truth),
        weighted_f_raw=raw_f,
        hd95_px=hd95_px,
        nsd_2px=nsd_2px,
        lesion_ious=lesions.ious,
        n_predicted_lesions=lesions.n_predicted,
    )

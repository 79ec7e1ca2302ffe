"""PRScore formula: PRScore = (S_sem + S_spatial + S_vis) / 3 (CG-Reasoner), each part in [0, 1].

S_sem      Does the answer mean what the reference means? `normalised_cosine` of their sentence embeddings.
S_spatial  Do both name the same place? `place_consistency` of the points that Text2Centroid gives for answer and reference.
S_vis      Does the sentence agree with the mask? `place_consistency` of the answer's point and the predicted mask's centroid.

The paper does not say how direction and distance combine in S_spatial and S_vis; the default "both" is their mean. PRScore never
sees the true mask: read it together with its reference levels (`chance.py`) and the position accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.contract.geometry import MAX_DISTANCE

Values = NDArray[np.float64]  # (N,)
Points = NDArray[np.floating]  # (N, 2) x, y in the image frame
Combination = Literal["both", "direction", "distance"]
PartWeights = tuple[float, float, float]  # of S_sem, S_spatial and S_vis

EQUAL: PartWeights = (1, 1, 1)  # CG-Reasoner

CENTRE_RADIUS = 0.05  # frame units; closer to the centre, direction is noise (not in the paper; ours)


@dataclass(frozen=True, slots=True)
class PRScores:
    """Per-sample parts and their mean, each (N,) in [0, 1]; direction_undefined (N,) bool: scored by distance alone."""

    s_sem: Values
    s_spatial: Values
    s_vis: Values
    prscore: Values
    direction_undefined: NDArray[np.bool_]


def prscore(
    s_sem: Values,
    answer_point: Points,
    reference_point: Points,
    predicted_centroid: Points,
    has_text: NDArray[np.bool_],
    combination: Combination = "both",
    weights: PartWeights = EQUAL,
) -> PRScores:
    """Score N samples.

    Args:
        s_sem: (N,) normalised cosine of the sentence embeddings of answer and reference.
        answer_point, reference_point: (N, 2) points that a Text2Centroid gives for each sentence. Where they are NaN (no
            place found) in an answer, S_spatial and S_vis are 0; where they are NaN in a reference, the score is NaN.
        predicted_centroid: (N, 2), NaN where the predicted mask is empty; S_vis is 0 there.
        has_text: (N,) bool; all three parts are 0 where the answer has no text.
        combination: how S_spatial and S_vis are computed. Where direction is undefined, it is always distance alone.
        weights: of the three parts, divided by their sum.

    Raises:
        ConfigError: an unknown combination, or weights that are negative or all 0.
    """
    if min(weights) < 0 or sum(weights) <= 0:
        raise ConfigError(f"PRScore weights must not be negative and not all be 0, got {weights}.")
    has_place, has_mask = _is_known(answer_point), _is_known(predicted_centroid)
    answer_point = np.where(has_place[:, None], answer_point, 0.0)
    mask_point = np.where(has_mask[:, None], predicted_centroid, 0.0)
    s_spatial, spatial_undefined = place_consistency(answer_point, reference_point, combination)
    s_vis, vis_undefined = place_consistency(answer_point, mask_point, combination)
    s_sem, s_spatial = np.where(has_text, s_sem, 0.0), np.where(has_text & has_place, s_spatial, 0.0)
    s_vis = np.where(has_text & has_place & has_mask, s_vis, 0.0)
    s_spatial = np.where(_is_known(reference_point), s_spatial, np.nan)
    return PRScores(
        s_sem=s_sem,
        s_spatial=s_spatial,
        s_vis=s_vis,
        prscore=(weights[0] * s_sem + weights[1] * s_spatial + weights[2] * s_vis) / sum(weights),
        direction_undefined=has_text & has_place & (spatial_undefined | (vis_undefined & has_mask)),
    )


def _is_known(points: Points) -> NDArray[np.bool_]:
    return np.isfinite(points[:, 0]) & np.isfinite(points[:, 1])


def place_consistency(first: Points, second: Points, combination: Combination) -> tuple[Values, NDArray[np.bool_]]:
    """Agreement of two points in [0, 1] (N,), and where their direction is undefined (N,) bool.

    Direction is the normalised cosine of the two vectors from the image's centre; distance is 1 for the same point and
    0 for opposite corners.
    """
    distance = 1 - np.linalg.norm(first - second, axis=-1) / MAX_DISTANCE
    radius = np.minimum(np.linalg.norm(first, axis=-1), np.linalg.norm(second, axis=-1))
    undefined = radius < CENTRE_RADIUS
    direction = np.where(undefined, distance, normalised_cosine(first, second))
    by_name = {"both": (direction + distance) / 2, "direction": direction, "distance": distance}
    if combination not in by_name:
        raise unknown_name("combination of direction and distance", combination, by_name)
    return by_name[combination], undefined


def normalised_cosine(first: NDArray[np.floating], second: NDArray[np.floating]) -> Values:
    """(cos + 1) / 2 of each pair: 1 same direction, 0.5 orthogonal, 0 opposite. A zero vector is orthogonal to everything."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    length = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    cosine = (first * second).sum(axis=-1) / np.where(length > 0, length, 1.0)
    normalised: Values = (np.clip(cosine, -1, 1) + 1) / 2
    return normalised

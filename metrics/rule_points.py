"""Text2Centroid without a learned model: the point of the zones that the rule parser reads from a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.position import ParsedPosition, parse

_SIGNS = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "center": (0, 0)}
_REACH = {True: 0.2, False: 0.6, None: 0.5}  # frame units along each axis, by the distance word: near, far, none. Ours


def locate_by_rule(sentences: Sequence[str]) -> NDArray[np.float64]:
    """(N, 2) points in the image frame; several zones give their mean, no readable zone gives NaN."""
    return np.array([_point(parse(sentence)) for sentence in sentences]).reshape(-1, 2)


def _point(parsed: ParsedPosition) -> tuple[float, float]:
    if not parsed.zones:
        return np.nan, np.nan
    directions = [np.sum([_SIGNS[word] for word in zone.split()], axis=0) for zone in sorted(parsed.zones)]
    x, y = _REACH[parsed.near] * np.mean(directions, axis=0)
    return float(x), float(y)

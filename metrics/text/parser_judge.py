"""The `parser` judge: text models whose points are what the rule parser reads, instead of what a network reads."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.text.placed_texts import TextModels
from prsbench.metrics.text.position import locate_by_rule

VERSION = 1  # increased when any sentence gets another point


class ParserJudge:
    """Sentence embeddings of other text models, with points by `locate_by_rule`.

    A sentence that names no place the parser understands gets the image's centre, the mean of all places: it is judged like a
    constant answer, and in a reference it does not make the sample's score NaN.
    """

    def __init__(self, models: TextModels):
        self.embed, self.is_cut = models.embed, models.is_cut
        self.name = f"parser {VERSION}, mean points of random masks"
        self.checksum = sha256(f"{models.checksum}/parser {VERSION}".encode()).hexdigest()
        self.notes = models.notes

    def locate(self, sentences: Sequence[str]) -> NDArray[np.float64]:
        """(N, 2) points in the image frame, none of them NaN."""
        return np.nan_to_num(locate_by_rule(sentences), nan=0.0)

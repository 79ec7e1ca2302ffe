"""What augmentation does to words."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

import numpy as np

Axis = Literal["left-right", "top-bottom"]
_PAIRS: dict[Axis, tuple[tuple[str, str], ...]] = {
    "left-right": (("left", "right"),),
    "top-bottom": (("top", "bottom"), ("upper", "lower"), ("superior", "inferior")),
}


def mirror_words(sentence: str, axis: Axis = "left-right") -> str:
    """The sentence about the mirrored image: the words for its two sides change places.

    Example:
        >>> mirror_words("Left lung, near the upper right border")
        'Right lung, near the upper left border'
        >>> mirror_words("Left lung, near the upper right border", "top-bottom")
        'Left lung, near the lower right border'
    """
    swap, pattern = _swap(axis)
    return pattern.sub(lambda match: swap[match[0]], sentence)


@cache
def _swap(axis: Axis) -> tuple[dict[str, str], re.Pattern[str]]:
    both_ways = [pair for one, other in _PAIRS[axis] for pair in ((one, other), (other, one))]
    swap = dict(both_ways) | {one.capitalize(): other.capitalize() for one, other in both_ways}
    return swap, re.compile(rf"\b({'|'.join(swap)})\b")


def drop_words(question: str, share: float, chance: np.random.Generator) -> str:
    """Every second question, at random, without about `share` of its words; the others as they are.

    Training questions have few forms: a model that reads whole sentences by heart fails on another wording.
    """
    if chance.random() < 0.5:
        return question
    return " ".join(word for word in question.split(" ") if chance.random() >= share)

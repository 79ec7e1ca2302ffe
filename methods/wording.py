"""What augmentation does to words."""

from __future__ import annotations

import random
import re

import numpy as np

_SWAP = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}


def mirror_words(sentence: str) -> str:
    """The sentence about the mirrored image: left and right change places.

    Example:
        >>> mirror_words("Left lung, near the upper right border")
        'Right lung, near the upper left border'
    """
    return re.sub(r"\b([Ll]eft|[Rr]ight)\b", lambda match: _SWAP[match[0]], sentence)


def drop_words(question: str, share: float, chance: random.Random | np.random.Generator) -> str:
    """Every second question, at random, without about `share` of its words; the others as they are.

    Training questions have few forms: a model that reads whole sentences by heart fails on another wording.
    """
    if chance.random() < 0.5:
        return question
    return " ".join(word for word in question.split(" ") if chance.random() >= share)

"""What flipping an image does to the words about it."""

from __future__ import annotations

import re


def mirror_words(sentence: str) -> str:
    """The sentence about the mirrored image: left and right change places.

    Example:
        >>> mirror_words("Left lung, near the right border")
        'Right lung, near the left border'
    """
    swap = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return re.sub(r"\b([Ll]eft|[Rr]ight)\b", lambda m: swap[m[0]], sentence)

"""What mirroring an image does to the words about it."""

from __future__ import annotations

import re

_SWAP = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}


def mirror_words(sentence: str) -> str:
    """The sentence about the mirrored image: left and right change places.

    Example:
        >>> mirror_words("Left lung, near the upper right border")
        'Right lung, near the upper left border'
    """
    return re.sub(r"\b([Ll]eft|[Rr]ight)\b", lambda match: _SWAP[match[0]], sentence)

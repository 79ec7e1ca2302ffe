"""The opposite of a sentence: every place word is replaced by its opposite, all other words stay."""

from __future__ import annotations

import re

from prsbench.metrics.text.position import parse

_VERTICAL = {
    "top": "bottom",
    "upper": "lower",
    "superior": "inferior",
    "above": "below",
    "uppermost": "lowermost",
    "topmost": "bottommost",
}
_HORIZONTAL = {"left": "right", "leftmost": "rightmost"}
_DISTANCE = {"near": "far from", "close to": "far from"}
_CENTRE = re.compile(r"\b(?:center|centre|middle)\b", re.IGNORECASE)
_CORNER = "top left"  # replaces the centre, which has no opposite


def opposite(sentence: str) -> str:
    """The sentence with top and bottom, left and right, near and far exchanged; the new words are in lower case.

    If that leaves the zones as they are ("top left and bottom right"), top and bottom are not exchanged. The centre becomes top
    left. A sentence without a place is returned unchanged.

    Example:
        >>> opposite("The lesion is in the upper left and near the center.")
        'The lesion is in the lower right and far from the center.'
    """
    zones = parse(sentence).zones
    if zones == {"center"}:
        return _CENTRE.sub(_CORNER, sentence, count=1)
    exchanged = _exchange(sentence, _VERTICAL, _HORIZONTAL, _DISTANCE)
    return _exchange(sentence, _HORIZONTAL, _DISTANCE) if parse(exchanged).zones == zones else exchanged


def _exchange(sentence: str, *tables: dict[str, str]) -> str:
    words: dict[str, str] = {}
    for table in tables:
        for first, second in table.items():
            words[first] = second
            words.setdefault(second, first)
    pattern = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return re.sub(rf"\b(?:{pattern})\b", lambda match: words[match[0].lower()], sentence, flags=re.IGNORECASE)

"""Reads answers to questions of a family (`contract.families`), and scores them against the reference. No learned model.

As the rule parser of positions, it prefers "not understood" to a guess: an answer that says two things says neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import nan

from prsbench.harness.contract.families import FAMILIES, OFFICIAL
from prsbench.harness.contract.position import NO_MASK
from prsbench.harness.contract.records import Record
from prsbench.metrics.text.position import absence_correct, official_zones, parse, position_correct

Value = frozenset[str]  # what an answer says; empty: not understood
_NOTHING: Value = frozenset()

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNTED = {**{word: str(number) for number, word in enumerate(_NUMBERS)}, "single": "1", "a pair of": "2"}
_NUMBER = re.compile(rf"\b(?:\d+|{'|'.join(_COUNTED)})\b")
_NONE = re.compile(r"\b(?:no|none|nothing)\b")
_SIZES = {
    **dict.fromkeys(("small", "little", "tiny"), "small"),
    **dict.fromkeys(("medium", "moderate", "mid sized"), "medium"),
    **dict.fromkeys(("large", "big"), "large"),
}
_SIZE = re.compile(rf"\b(not\s+)?({'|'.join(_SIZES)})\b")
_BORDER = r"(?:(?:the|its|an|any|image|image's|picture's)\s+){0,3}(?:border|edge|margin|boundary|frame)s?\b"
_NEAR_BORDER = re.compile(
    rf"\b(not\s+)?(?:near|close\s+to|at|touch(?:es|ing)?|reach(?:es|ing)?|adjacent\s+to|next\s+to|on)\s+{_BORDER}"
)
_FAR_BORDER = re.compile(rf"\b(not\s+)?(?:(?:far|away|remote|distant)\s+from)\s+{_BORDER}")
_WORDS_OF = {
    "left": r"(?:to\s+the\s+)?left", "right": r"(?:to\s+the\s+)?right",
    "above": "above|higher|over", "below": "below|lower|under|beneath",
}  # fmt: skip
_DIRECTIONS = {direction: re.compile(rf"\b(?:{words})\b") for direction, words in _WORDS_OF.items()}
_OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
_LARGER, _SMALLER = re.compile(r"\b(?:larger|bigger|largest|biggest)\b"), re.compile(r"\b(?:smaller|smallest)\b")
_YES, _NO = re.compile(r"\s*yes\b"), re.compile(r"\s*no\s*(?:[,.;:!]|$)")
_AFFIRMED = re.compile(r"\b(?:there\s+(?:is|are)|i\s+(?:can\s+)?see|shows?|contains?|has|present|visible|seen)\b")
_DENIED = re.compile(r"\b(?:no|not|never|without|neither|nor|cannot)\b|n't\b")
_LETTER = re.compile(r"(?:^|\b(?:option|answer|choice|pick|choose)\b[\s:]*(?:is\s+)?)\W*([a-d])\s*(?:[).:,]|$)", re.IGNORECASE)
_OPTION = re.compile(r"\b([A-D])\)\s*([a-z ]+)")


def read(family: str, answer: str, question: str = "") -> Value:
    """What an answer says, in the words of the family's values: zones, "left", "2", "yes", ...; empty if it is not understood.

    question: the options of a choice are read from it.

    Example:
        >>> read("count", "There are two masses.")
        frozenset({'2'})
        >>> read("side", "Both lesions: one on the left, one on the right.") == {"left", "right"}
        True
    """
    return _READERS.get(family, _places)(answer, question)


def answer_correct(answer: str, record: Record) -> float:
    """1.0 if the answer says what the reference says, else 0.0, missing text included.

    NaN for families that state a place (`place_correct` scores them), and where the reference is not understood.
    """
    if FAMILIES[record.family].states_place or not (expected := expected_value(record)):
        return nan
    return float(read(record.family, answer, record.question) == expected)


def place_correct(answer: str, record: Record) -> float:
    """`position_correct` for the official family; for others 1.0 if the answer names the places that the reference names.

    NaN for families that state no place, for an empty truth, and where the reference is not understood.
    """
    if record.family == OFFICIAL:
        return position_correct(answer, record)
    if not FAMILIES[record.family].states_place or record.position == (NO_MASK,) or not (expected := expected_value(record)):
        return nan
    return float(parse(answer).places == expected)


def absence_said(answer: str, record: Record) -> float:
    """`absence_correct`, for which "No" and "0" also count where the question is whether, or how many. Truth not empty: NaN."""
    if record.position == (NO_MASK,) and record.family in _ABSENT and read(record.family, answer) == {_ABSENT[record.family]}:
        return 1.0
    return absence_correct(answer, record)


def expected_value(record: Record) -> Value:
    """What the answer should say: the official zones of the official family, else what is read from the reference answer."""
    if record.family == OFFICIAL:
        return official_zones(record)
    return read(record.family, record.reference_answer, record.question)


def _places(answer: str, _: str) -> Value:
    return parse(answer).places


def _sides(answer: str, _: str) -> Value:
    return frozenset(word for place in parse(answer).places for word in place.split()) & {"left", "right"}


def _near_centre(answer: str, _: str) -> Value:
    return _NOTHING if (near := parse(answer).near) is None else frozenset({"near" if near else "far"})


def _near_border(answer: str, _: str) -> Value:
    text = answer.lower()
    said = {"far" if match[1] else "near" for match in _NEAR_BORDER.finditer(text)}
    said |= {"near" if match[1] else "far" for match in _FAR_BORDER.finditer(text)}
    return _one_of(said)


def _count(answer: str, _: str) -> Value:
    said = {_COUNTED.get(match[0], match[0]) for match in _NUMBER.finditer(re.sub(r"\bone (?:by one|of)\b", " ", answer.lower()))}
    if not said and _NONE.search(answer.lower()):
        return frozenset({"0"})
    return _one_of(said)


def _size(answer: str, _: str) -> Value:
    found = list(_SIZE.finditer(answer.lower().replace("-", " ")))
    return _NOTHING if any(match[1] for match in found) else _one_of({_SIZES[match[2]] for match in found})


def _relation(answer: str, _: str) -> Value:
    """Where the larger one lies from the smaller one."""
    text = answer.lower()
    said = {direction for direction, pattern in _DIRECTIONS.items() if pattern.search(text)}
    larger, smaller = _LARGER.search(text), _SMALLER.search(text)
    is_of_smaller = smaller is not None and (larger is None or smaller.start() < larger.start())
    return _NOTHING if _DENIED.search(text) else _one_of({_OPPOSITE[one] if is_of_smaller else one for one in said})


def _presence(answer: str, _: str) -> Value:
    text, said = answer.lower(), parse(answer)
    is_no = bool(_NO.match(text)) or said.nothing
    is_yes = bool(_YES.match(text)) or (not is_no and not _DENIED.search(text) and bool(said.zones or _AFFIRMED.search(text)))
    return _one_of({word for word, holds in (("yes", is_yes), ("no", is_no)) if holds})


def _choice(answer: str, question: str) -> Value:
    """The text of the option that the letter or the zone names; a letter and a zone that differ are not understood."""
    options = {letter: text.strip() for letter, text in _OPTION.findall(question)}
    letters = {options.get(letter.upper(), "") for letter in _LETTER.findall(answer)}
    return _one_of(letters | (parse(answer).zones or frozenset())) & frozenset(options.values())


def _one_of(said: set[str] | frozenset[str]) -> Value:
    return frozenset(said) if len(said) == 1 else _NOTHING


_ABSENT = {"presence": "no", "count": "0"}
_READERS: Mapping[str, Callable[[str, str], Value]] = {
    "near-far": _near_centre,
    "near-border": _near_border,
    "side": _sides,
    "patient-side": _sides,
    "count": _count,
    "relation": _relation,
    "size": _size,
    "presence": _presence,
    "choice": _choice,
}

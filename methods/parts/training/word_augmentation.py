"""Text augmentation: mirrored position words, answers adapted to another position, word dropout in questions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.families import OFFICIAL
from prsbench.harness.contract.position import points_phrase, position_of, position_phrase
from prsbench.harness.contract.types import Truth

Axis = Literal["left-right", "top-bottom"]
_PAIRS: dict[Axis, tuple[tuple[str, str], ...]] = {
    "left-right": (("left", "right"),),
    "top-bottom": (("top", "bottom"), ("upper", "lower"), ("superior", "inferior"), ("above", "below")),
}
_SYNONYMS = (  # used in answers instead of the official words
    (),
    (("top", "upper"), ("bottom", "lower"), ("center", "middle")),
    (("top", "superior"), ("bottom", "inferior"), ("center", "centre")),
    (("center", "centre"),),
)


@dataclass(frozen=True, slots=True)
class AnswerTemplate:
    """An answer split at its position words: the text before and after them, and the synonyms they use.

    synonyms is None where the words are points (`contract.position.points_phrase`) instead of an official label.
    """

    before: str
    after: str
    synonyms: tuple[tuple[str, str], ...] | None

    def with_position(
        self, position: tuple[str, ...], near_centre: bool, turn: Callable[[str], str] = lambda words: words
    ) -> str:
        """The answer for another label (`contract.position.position_of`); `turn` changes the words around it."""
        assert self.synonyms is not None, "this answer names points"
        return self.with_words(_in_words(position, near_centre, self.synonyms), turn)

    def with_words(self, words: str, turn: Callable[[str], str] = lambda words: words) -> str:
        """The answer with other words for the place."""
        return turn(self.before) + words + turn(self.after)

    def with_place(self, mask: NDArray[np.bool_], modality: str, turn: Callable[[str], str] = lambda words: words) -> str:
        """The answer for a mask that is not empty: its official label or its points, whichever this answer names."""
        if self.synonyms is None:
            return self.with_words(points_phrase(mask), turn)
        return self.with_position(*position_of(mask, modality), turn)


def answer_template(answer: str, position: tuple[str, ...], near_centre: bool) -> AnswerTemplate | None:
    """The answer split at the words of its label; None unless they occur in it exactly once.

    Example:
        >>> template = answer_template("It is at the upper left and near the middle.", ("top left",), True)
        >>> template.with_position(("center",), True)
        'It is at the middle.'
    """
    for synonyms in _SYNONYMS:
        before, match, after = answer.partition(words := _in_words(position, near_centre, synonyms))
        if match and words not in after:
            return AnswerTemplate(before, after, synonyms)
    return None


def template_of(truth: Truth) -> AnswerTemplate | None:
    """The reference answer split at the points or at the label of its mask; None if it names neither, or the mask is empty.

    Answers to other families of questions than the official one name neither, even if they have the label's words.
    """
    if not truth.mask.any() or truth.family != OFFICIAL:
        return None
    if any(map(str.isdigit, truth.answer)):  # finding the points of a large mask takes longer than decoding it
        before, match, after = truth.answer.partition(points_phrase(truth.mask))
        if match:
            return AnswerTemplate(before, after, None)
    return answer_template(truth.answer, truth.position, truth.near_centre)


def _in_words(position: tuple[str, ...], near_centre: bool, synonyms: tuple[tuple[str, str], ...]) -> str:
    words = position_phrase(position, near_centre)
    for official, synonym in synonyms:
        words = words.replace(official, synonym)
    return words


def mirror_words(sentence: str, axis: Axis = "left-right") -> str:
    """The sentence about the mirrored image: the words for its two sides are exchanged.

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


def drop_words(question: str, share: float, rng: np.random.Generator) -> str:
    """Word dropout: every second question, at random, loses about `share` of its words; the others are unchanged.

    Training questions have few forms: a model that memorises them as a unit fails on another wording.
    """
    if rng.random() < 0.5:
        return question
    return " ".join(word for word in question.split(" ") if rng.random() >= share)

"""Wording of the families of questions other than the official one, whose wording is in `questions`. All ours.

As there, each family has one wording for train and val, and another for test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from prsbench.datasets.mask_facts import Values
from prsbench.datasets.questions import Target
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.position import ZONES

LETTERS = "ABCD"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
# What answers are read by: in a noun, these words would be read too.
_READ = re.compile(
    rf"\b(left|right|top|bottom|upper|lower|superior|inferior|north|south|east|west|above|below|cent(?:er|re|ral)|middle|near"
    rf"|far|border|edge|margin|small(?:er)?|tiny|little|medium|moderate|larger?|big(?:ger)?|none|nothing"
    rf"|not|single|zero|{'|'.join(NUMBERS)})\b"
)


@dataclass(frozen=True, slots=True)
class Wording:
    """Forms of questions and answers; words: what stands in {value} for each value, if not the value itself.

    Slots: {target}, {one} and {targets} (one and several of it), {a_target} (with its article), {image}, {is}, {does}, also in
    capitals; {counted} ("two masses") and {be} of `count`; {options} of `choice`.
    """

    questions: Sequence[str]
    answers: Sequence[str]
    words: Mapping[str, Sequence[str]] | None = None


_CELLS = {
    **{zone: (zone,) for zone in ZONES},
    "top": ("top middle",),
    "bottom": ("bottom middle",),
    "left": ("middle left",),
    "right": ("middle right",),
}
# family: (train and val, test)
WORDING: Mapping[str, tuple[Wording, Wording]] = {
    "where-centroid": (
        Wording(
            (
                "Where is the centroid of the {target} in the {image}?",
                "In which zone of the {image} does the centroid of the {target} lie?",
                "Give the position of the {target} by the centroid.",
                "By the centroid, where {is} the {target} in this {image}?",
            ),
            (
                "The centroid of the {target} is in the {value}.",
                "By the centroid, the {target} {is} in the {value} of the {image}.",
                "The centroid lies in the {value}.",
            ),
        ),
        Wording(
            (
                "Which zone of this {image} holds the centroid of the {target}?",
                "State the zone into which the centroid of the {target} falls.",
            ),
            ("The centroid of the {target} falls into the {value}.", "It is the {value} that holds the centroid."),
        ),
    ),
    "where-3x3": (
        Wording(
            (
                "Divide the {image} into 3 by 3 cells: in which one {is} the {target}?",
                "In which cell of a 3 by 3 grid over the {image} {does} the {target} lie?",
                "On a grid of three rows and three columns, where {is} the {target}?",
                "Which of nine equal cells of this {image} shows the {target}?",
            ),
            (
                "The {target} {is} in the {value} cell.",
                "The cell with the {target} is {value}.",
                "In a grid of nine, the {target} {is} at {value}.",
            ),
            _CELLS,
        ),
        Wording(
            (
                "If nine equal fields cover the {image}, which field has the {target}?",
                "Name the field of a three by three raster that holds the {target}.",
            ),
            ("The {target} {is} found in the {value} field.", "Of nine fields, it is the {value} one."),
            _CELLS,
        ),
    ),
    "where-lesions": (
        Wording(
            (
                "For each {one}, where in the {image} is it?",
                "Say where each {one} is.",
                "Name the positions of all {targets} in this {image}, one by one.",
                "Where in the {image} is every {one}?",
            ),
            (
                "Each {one} by itself: {value}.",
                "Every {one} of the {image}: {value}.",
                "One by one, the positions are {value}.",
            ),
        ),
        Wording(
            ("List the zone of each of the {targets} on this {image}.", "One after another, in which zones are the {targets}?"),
            ("Zones, {one} for {one}: {value}.", "The list of zones is {value}."),
        ),
    ),
    "quadrant": (
        Wording(
            (
                "In which quadrant of the {image} {is} the {target}?",
                "Name the quadrant of the {target}.",
                "The {image} has four quadrants: which of them have {a_target}?",
                "What quadrants of this {image} {is} the {target} in?",
            ),
            (
                "The {target} {is} in the quadrant {value}.",
                "Quadrant of the {target}: {value}.",
                "By quadrants, the {target} {is} {value}.",
            ),
        ),
        Wording(
            ("Cut the {image} into four quarters: which have the {target}?", "To which quarter {does} the {target} belong?"),
            ("The {target} belongs to: {value}.", "As to quarters, it is {value}."),
        ),
    ),
    "near-far": (
        Wording(
            (
                "{Does} the {target} lie near the center of the {image} or far from it?",
                "How far from the center {is} the {target}: near or far?",
                "Say whether the {target} {is} near the center of this {image}.",
                "Near the center or far from the center: which holds for the {target}?",
            ),
            (
                "The {target} {is} {value} of the {image}.",
                "Seen from its position, the {target} {is} {value}.",
                "In this {image}, the {target} {is} {value}.",
            ),
            {"near": ("near the center",), "far": ("far from the center",)},
        ),
        Wording(
            ("Would you call the {target} central or remote on this {image}?", "Rate how central the {target} {is}."),
            ("I would call the {target} {value}.", "The {target} on this {image} {is} rated as {value}."),
            {"near": ("close to the centre",), "far": ("distant from the centre",)},
        ),
    ),
    "near-border": (
        Wording(
            (
                "{Does} the {target} lie near the border of the {image}?",
                "{Is} the {target} near the border of the {image} or away from it?",
                "{Does} the {target} come near an edge of this {image}?",
                "Near the border or not: what holds for the {target}?",
            ),
            ("The {target} {is} {value} of the {image}.", "In this {image}, the {target} {is} {value}."),
            {"near": ("near the border", "at the border"), "far": ("away from the border", "not near the border")},
        ),
        Wording(
            ("How close {is} the {target} to the margin of this {image}?", "{Does} the {target} get close to the frame?"),
            ("On this {image} the {target} {is} {value}.", "Its distance: {value}."),
            {"near": ("close to the margin",), "far": ("far from the margin",)},
        ),
    ),
    "side": (
        Wording(
            (
                "Which half of the {image} {is} the {target} in, left or right?",
                "Left or right half: where {is} the {target}?",
                "{Does} the {target} lie in the left or in the right half of this {image}?",
                "On the left or on the right: which sides of the {image} have {a_target}?",
            ),
            (
                "The {target} {is} {value} of the {image}.",
                "In this {image}, the {target} {is} {value}.",
                "Half by half, the {target} {is} {value}.",
            ),
            {"left": ("on the left",), "right": ("on the right",)},
        ),
        Wording(
            ("Name the half of this {image} with the {target}: left or right.", "Towards which side {does} the {target} lie?"),
            ("The half with the {target}: {value}.", "To name it, {value}."),
            {"left": ("the left one",), "right": ("the right one",)},
        ),
    ),
    "patient-side": (
        Wording(
            (
                "On which side of the patient {is} the {target}?",
                "{Is} the {target} on the patient's left or right?",
                "Seen from the patient, {is} the {target} on the left or on the right?",
                "Name the side of the body with the {target}.",
            ),
            (
                "The {target} {is} {value}.",
                "From the patient's view, the {target} {is} {value}.",
                "Side of the body: {value}.",
            ),
            {"left": ("on the patient's left",), "right": ("on the patient's right",)},
        ),
        Wording(
            ("Which side of the person {is} affected by the {target}?", "For the patient, on which side {is} the {target}?"),
            ("The affected side of the person is {value}.", "For the patient, the {target} {is} {value}."),
            {"left": ("the patient's left",), "right": ("the patient's right",)},
        ),
    ),
    "count": (
        Wording(
            (
                "How many {targets} are there in the {image}?",
                "How many separate {targets} does this {image} show?",
                "Count the {targets} in the {image}.",
                "What is the number of {targets}?",
            ),
            (
                "There {be} {counted} in the {image}.",
                "The {image} shows {counted}.",
                "I count {counted} in this {image}.",
            ),
        ),
        Wording(
            ("Tell the count of {targets} on this {image}.", "Are there one, two or more {targets}? Give their number."),
            ("The count for this {image}: {counted}.", "In all, {counted} {be} seen here."),
        ),
    ),
    "relation": (
        Wording(
            (
                "How does the larger of the two {targets} lie relative to the smaller one?",
                "Where is the larger lesion, seen from the smaller one?",
                "Of the two {targets}, in which direction from the smaller one is the larger one?",
                "Is the larger of the {targets} left of, right of, above or below the smaller one?",
            ),
            ("The larger one is {value} the smaller one.", "Of the two {targets}, the larger one lies {value} the smaller one."),
            {"left": ("to the left of",), "right": ("to the right of",), "above": ("above",), "below": ("below",)},
        ),
        Wording(
            ("Compare the two {targets}: on which side of the small one is the big one?", "What way lies the bigger one?"),
            ("The bigger one is found {value} the smaller one.", "Compared, the bigger one sits {value} the smaller one."),
            {"left": ("left of",), "right": ("right of",), "above": ("higher than",), "below": ("lower than",)},
        ),
    ),
    "size": (
        Wording(
            (
                "{Is} the {target} small (below 2 % of the {image}), medium, or large (10 % or more)?",
                "What size class has the {target}: small, medium or large?",
                "How large {is} the {target} compared with the {image}?",
                "Classify the size of the {target} as small, medium or large.",
            ),
            (
                "Compared with the {image}, the {target} {is} {value}.",
                "The size of the {target} is {value}.",
                "The {target} {is} of {value} size.",
            ),
        ),
        Wording(
            ("Would you rate the {target} as small, medium or large on this {image}?", "Give the size class of the {target}."),
            ("I rate the {target} as {value}.", "Its size class is {value}."),
        ),
    ),
    "presence": (
        Wording(
            (
                "{Is} there any {target} in this {image}?",
                "Does the {image} show {a_target}?",
                "Can {a_target} be seen in this {image}, yes or no?",
                "Do you see {a_target}?",
            ),
            ("{value}",),
            {
                "yes": ("Yes, the {image} shows {a_target}.", "Yes, there {is} {a_target}.", "Yes, I see {a_target}."),
                "no": ("No, the {image} shows no {target}.", "No, there {is} no {target}.", "No, I see no {target}."),
            },
        ),
        Wording(
            ("Does this {image} contain any {target}?", "{A_target} or nothing at all: what does the {image} have?"),
            ("{value}",),
            {
                "yes": ("Yes, this {image} contains {a_target}.", "Yes, {a_target} {is} present."),
                "no": ("No, this {image} contains no {target}.", "No, no {target} {is} present."),
            },
        ),
    ),
    "choice": (
        Wording(
            (
                "Where {is} the {target}? Choose one: {options}.",
                "Choose the position of the {target} in the {image}: {options}.",
                "Which is right for the {target}? {options}.",
            ),
            ("{value}.", "The answer is {value}.", "Answer: {value}."),
        ),
        Wording(
            ("Pick the zone of the {target} on this {image}: {options}.", "One of these is true of the {target}: {options}."),
            ("Option {value}.", "I pick {value}."),
        ),
    ),
}  # fmt: skip


def check_noun(target: Target) -> None:
    """Raise ConfigError if the scores of families would take a word of the target's noun for a part of the answer."""
    if clash := _READ.search(target.noun.lower()):
        raise ConfigError(
            f"--target '{target.noun}': answers to --families are read by words such as '{clash[0]}', which must not be in the "
            "noun. Shorten it, or ask `where` alone."
        )


def render(family: str, target: Target, values: Values, split: str, rng: np.random.Generator) -> tuple[str, str]:
    """A question of the family and its answer with these true values, in the wording of the split."""
    wording = WORDING[family][split == "test"]
    slots = _nouns(target)
    if family == "choice":
        others = rng.permutation([zone for zone in ZONES if zone not in values])[: len(LETTERS) - 1]
        options = [f"{letter}) {zone}" for letter, zone in zip(LETTERS, rng.permutation([*values, *others]), strict=True)]
        slots["options"] = ", ".join(options)
        values = tuple(option for option in options if option[3:] in values)
    elif family == "count":
        number = int(values[0])
        noun, slots["be"] = (slots["one"], "is") if number == 1 else (slots["targets"], "are")
        slots["counted"] = f"{NUMBERS[number]} {noun}"
    words = [_pick(wording.words[value], rng).format(**slots) if wording.words else value for value in values]
    question, answer = (_pick(forms, rng) for forms in (wording.questions, wording.answers))
    return _capital(question.format(**slots)), _capital(answer.format(value=" and ".join(words), **slots))


def _nouns(target: Target) -> dict[str, str]:
    """What the slots for nouns and verbs hold."""
    noun = target.noun
    is_plural = target.plural or (noun.endswith("s") and not noun.endswith("ss"))
    one, many = (noun.removesuffix("s"), noun) if is_plural else (noun, _plural(noun))
    with_article = noun if is_plural else f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    verb, does = ("are", "do") if is_plural else ("is", "does")
    return {"target": noun, "one": one, "targets": many, "a_target": with_article, "A_target": _capital(with_article),
            "image": target.image_noun, "is": verb, "Is": _capital(verb), "does": does, "Does": _capital(does)}  # fmt: skip


def _plural(noun: str) -> str:
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def _pick(forms: Sequence[str], rng: np.random.Generator) -> str:
    return forms[int(rng.integers(len(forms)))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

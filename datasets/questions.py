"""Templates of questions and answers, in our wording because the official templates are not public.

Each pool has a train half (used for train and val) and a test half with other wording, so that test scores do not reward
memorised sentences. Left, right, top and bottom refer to the image, not to the patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from prsbench.harness.contract.modalities import BY_NAME
from prsbench.harness.contract.position import NO_MASK, position_phrase

PLURAL_TARGETS = ("lungs",)


@dataclass(frozen=True, slots=True)
class Target:
    """What a data set's masks outline, and what its images are called, as nouns without an article."""

    noun: str
    image_noun: str

    @property
    def plural(self) -> bool:
        return self.noun in PLURAL_TARGETS


def target_of(modality: str, noun: str | None = None) -> Target:
    """The target of a modality; pass `noun` if the masks outline something else than the official ones."""
    return Target(noun or BY_NAME[modality].target, BY_NAME[modality].image_noun)


# {target} and {image} are the nouns; {is} and {it_is} follow the target's number ("lungs are", "they are").
QUESTIONS_TRAIN = (
    "Can you describe the location of the {target} in the {image}?",
    "Where {is} the {target} in this {image}?",
    "Where {is} the {target} located?",
    "In which part of the {image} {is} the {target}?",
    "What is the position of the {target} in the {image}?",
    "Please point out where the {target} {is} in this {image}.",
    "Can you find the {target} in the {image} and say where {it_is}?",
    "Describe the position of the {target}.",
    "Tell me where the {target} {is} in the {image}.",
    "Which region of the {image} contains the {target}?",
    "Could you show me the {target} in this {image}?",
    "Locate the {target} in the {image}.",
    "Segment the {target} and describe where {it_is}.",
    "Where in the {image} can the {target} be seen?",
    "Where should I look for the {target} in this {image}?",
    "{Is} the {target} near the center of the {image} or far from it?",
    "On which side of the {image} {is} the {target}?",
    "Please mark the {target} and name the position.",
    "What part of this {image} shows the {target}?",
    "Identify the {target} and say where {it_is} found.",
    "Can you tell the location of the {target}?",
    "I need to know where the {target} {is} in this {image}.",
    "Please describe where the {target} can be found.",
    "Where do you see the {target} in the {image}?",
    "Find the {target} and report the position.",
    "Whereabouts in the {image} {is} the {target}?",
    "In what area of this {image} {is} the {target} visible?",
    "Outline the {target} in the {image} and state the location.",
    "Give the location of the {target} in this {image}.",
    "As seen in the {image}, where {is} the {target}?",
    "Which corner of the {image} {is} the {target} closest to?",
    "Could you explain where the {target} {is} situated?",
    "{Is} the {target} on the left or on the right of the {image}?",
    "Please give me the position of the {target} within the {image}.",
    "Show where the {target} {is} in this {image} and describe it in words.",
    "Where exactly {is} the {target} in the {image}?",
    "What can you say about the position of the {target}?",
    "Do you see the {target} in the {image}, and where?",
    "Look at the {image} and tell me where the {target} {is}.",
    "Help me find the {target} in this {image}.",
    "Describe in one sentence where the {target} {is}.",
    "At which position of the {image} {is} the {target} marked?",
)
QUESTIONS_TEST = (
    "Could you specify the site of the {target} in the {image}?",
    "Please state in which area the {target} {is} seen on this {image}.",
    "Where would you place the {target} on the {image}?",
    "What is the location of the {target} on this {image}?",
    "Highlight the {target} and explain the position.",
    "Could you indicate the position of the {target}?",
    "In this {image}, which region is occupied by the {target}?",
    "Delineate the {target} and say where {it_is}.",
    "Which quadrant of the {image} holds the {target}?",
    "How would you describe the place of the {target} in this {image}?",
    "{Is} the {target} in the upper or in the lower half of the {image}?",
    "Examine the {image} and report where the {target} {is}.",
    "Where on the {image} does one find the {target}?",
    "Name the area of the {image} in which the {target} {is}.",
)

OFFICIAL: tuple[tuple[str, str], ...] = ()
UPPER_LOWER = (("top", "upper"), ("bottom", "lower"), ("center", "middle"))
SUPERIOR_INFERIOR = (("top", "superior"), ("bottom", "inferior"), ("center", "centre"))
BRITISH = (("center", "centre"),)

# (sentence, synonyms that replace the official words in {place})
ANSWERS_TRAIN = (
    ("The {target} {is} marked in position {place}.", OFFICIAL),
    ("The {target} {is} located at the {place}.", OFFICIAL),
    ("The {target} {is} in the {place} of the {image}.", OFFICIAL),
    ("In this {image}, the {target} {is} at the {place}.", OFFICIAL),
    ("The position of the {target} is {place}.", OFFICIAL),
    ("I can see the {target} at the {place}.", OFFICIAL),
    ("The {target} can be found at the {place} of the {image}.", OFFICIAL),
    ("The {image} shows the {target} at the {place}.", OFFICIAL),
    ("Look at the {place}: there {is} the {target}.", OFFICIAL),
    ("The location of the {target} is {place}.", OFFICIAL),
    ("The {target} {is} visible at the {place} of this {image}.", OFFICIAL),
    ("Position of the {target}: {place}.", OFFICIAL),
    ("The marked {target} {is} at the {place}.", OFFICIAL),
    ("The {target} {is} situated at the {place}.", OFFICIAL),
    ("Here the {target} {is} seen at the {place}.", OFFICIAL),
    ("The {target} {is} placed {place}.", OFFICIAL),
    ("You can find the {target} at the {place}.", OFFICIAL),
    ("The {target} of this {image} {is} in position {place}.", OFFICIAL),
    ("The {target} {is} found in the {place}.", OFFICIAL),
    ("In the {place} of the {image} {is} the {target}.", OFFICIAL),
    ("The region of the {target} is {place}.", OFFICIAL),
    ("The {image} has the {target} in position {place}.", OFFICIAL),
    ("The {target} {is} shown at the {place}.", BRITISH),
    ("The place of the {target} is {place}.", BRITISH),
    ("The {target} {is} in the {place}.", UPPER_LOWER),
    ("The {target} {is} located in the {place} of the {image}.", UPPER_LOWER),
    ("I see the {target} in the {place} of this {image}.", UPPER_LOWER),
    ("The {target} {is} seen in the {place}.", UPPER_LOWER),
    ("The {target} {is} located in the {place}.", SUPERIOR_INFERIOR),
    ("The {image} shows the {target} in the {place}.", SUPERIOR_INFERIOR),
)
ANSWERS_TEST = (
    ("The {target} {is} indicated in position {place}.", OFFICIAL),
    ("The {target} {is} detected at the {place} of the {image}.", OFFICIAL),
    ("On this {image} the {target} {is} at the {place}.", OFFICIAL),
    ("The site of the {target} is {place}.", OFFICIAL),
    ("There {is} the {target}, at the {place}.", OFFICIAL),
    ("The {target} {is} highlighted at the {place}.", OFFICIAL),
    ("The area of the {target} is {place}.", OFFICIAL),
    ("One finds the {target} at the {place} of this {image}.", OFFICIAL),
    ("The {target} {is} identified at the {place}.", BRITISH),
    ("The {target} {is} present in the {place} of the {image}.", UPPER_LOWER),
    ("This {image} has the {target} in the {place}.", UPPER_LOWER),
    ("The {target} {is} identified in the {place}.", SUPERIOR_INFERIOR),
)

POINTS_ANSWERS_TRAIN = (
    "The {target} {is} {place} of the center.",
    "The {target} {is} at {place}.",
    "Position of the {target}: {place}.",
    "In this {image}, the {target} {is} {place} of the center.",
    "Measured from the center, the {target} {is} {place}.",
    "The {image} shows the {target} at {place}.",
)
POINTS_ANSWERS_TEST = (
    "The {target} {is} detected at {place}.",
    "On this {image} the {target} {is} {place} of the center.",
    "Seen from the center, the {target} {is} {place}.",
    "The site of the {target} is {place}.",
)

EMPTY_ANSWERS_TRAIN = (
    "No {target} {is} visible in this {image}.",
    "There {is} no {target} in the {image}.",
    "I see no {target} in this {image}.",
    "The {image} shows no {target}.",
    "No {target} {is} found here.",
    "Nothing is marked: the {image} has no {target}.",
)
EMPTY_ANSWERS_TEST = (
    "No {target} {is} detected on the {image}.",
    "This {image} contains no {target}.",
    "No {target} can be identified.",
    "The {image} is free of any {target}.",
)


def render_question(target: Target, split: str, rng: np.random.Generator) -> str:
    """One question about the target, in the wording of the split ("train" and "val" share theirs)."""
    return _filled(str(rng.choice(QUESTIONS_TEST if split == "test" else QUESTIONS_TRAIN)), target)


def render_answer(target: Target, position: tuple[str, ...], near_centre: bool, split: str, rng: np.random.Generator) -> str:
    """The sentence for an official label (`contract.position.position_of`), in the wording of the split.

    The place is `position_phrase` verbatim in most forms; some say upper or superior for top, lower or inferior for bottom,
    middle or centre for center. ("no mask",) gives a sentence saying that there is no finding.
    """
    if position == (NO_MASK,):
        return _filled(str(rng.choice(EMPTY_ANSWERS_TEST if split == "test" else EMPTY_ANSWERS_TRAIN)), target)
    forms = ANSWERS_TEST if split == "test" else ANSWERS_TRAIN
    sentence, words = forms[int(rng.integers(len(forms)))]
    place = position_phrase(position, near_centre)
    for official, synonym in words:
        place = place.replace(official, synonym)
    return _filled(sentence, target, place)


def render_points_answer(target: Target, points: str, split: str, rng: np.random.Generator) -> str:
    """The sentence that names the lesions' points (`contract.position.points_phrase`), in the wording of the split."""
    return _filled(str(rng.choice(POINTS_ANSWERS_TEST if split == "test" else POINTS_ANSWERS_TRAIN)), target, points)


def _filled(sentence: str, target: Target, place: str = "") -> str:
    verb, pronoun = ("are", "they") if target.plural else ("is", "it")
    words = {"is": verb, "Is": verb.capitalize(), "it_is": f"{pronoun} {verb}"}
    return sentence.format(target=target.noun, image=target.image_noun, place=place, **words)

"""What the packaged weights learn: grammar sentences, each with the centroid of the random mask it describes. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import hypot

import numpy as np
from prsbench.methods.parts.language.grammar.random_masks import sample_lesions, sample_lungs
from prsbench.methods.parts.language.grammar.sentences import (
    XY,
    Finding,
    Style,
    Subject,
    answer,
    finding_of,
    placeless_answer,
    sample_subject,
)
from prsbench.methods.parts.language.grammar.words import SETTINGS

Pair = tuple[str, XY]

SENTENCES_PER_MASK = 4  # two about the mask, two about its mirror image
STYLES = {Style.WIDE: 0.7, Style.SYNONYMS: 0.14, Style.OFFICIAL: 0.07, Style.POINTS: 0.06}
PLACELESS = 0.03  # the share of sentences without a place, whose point becomes the mean one
# Most masks of these lie within this distance of the image's middle (frame units): heads and chests do not fill the frame. Of the
# masks beyond, a quarter are kept, so that edges and corners are named too.
REACH = {"brain": 0.6, "lung": 0.6}
REACH_OF_OTHERS = 0.8
KEPT_BEYOND = 0.25
SETTING_WEIGHTS = {"lungs": 0.06, "lung": 0.2}  # the other settings share the rest


def pairs(rng: np.random.Generator, count: int) -> list[Pair]:
    """This many (sentence, centroid in the image frame) pairs."""
    return list(islice(_pairs(rng), count))


def findings(rng: np.random.Generator) -> Iterator[tuple[Subject, Finding]]:
    """Random subjects with what is true of a random mask of theirs, and of its mirror image."""
    others = [name for name in SETTINGS if name not in SETTING_WEIGHTS]
    names = [*SETTING_WEIGHTS, *others]
    rest = 1 - sum(SETTING_WEIGHTS.values())
    weights = [*SETTING_WEIGHTS.values(), *[rest / len(others)] * len(others)]
    while True:
        setting = str(rng.choice(names, p=weights))
        mask = (sample_lungs(rng) if setting == "lungs" else sample_lesions(rng, "lung_ct" if setting == "lung" else "")).mask_HW
        if hypot(*finding_of(mask, False).centroid) > REACH.get(setting, REACH_OF_OTHERS) and rng.random() > KEPT_BEYOND:
            continue
        for side in (mask, mask[:, ::-1]):
            subject = sample_subject(rng, setting)
            yield subject, finding_of(side, subject.is_lung)


def _pairs(rng: np.random.Generator) -> Iterator[Pair]:
    styles, weights = [*STYLES, None], [*STYLES.values(), PLACELESS]
    for subject, finding in findings(rng):
        for _ in range(SENTENCES_PER_MASK // 2):
            style = styles[int(rng.choice(len(styles), p=weights))]
            sentence = answer(subject, finding, rng, style) if style else placeless_answer(subject, rng)
            yield sentence, finding.centroid

"""The grammar: seeded, true of the mask, and made of no form that data sets keep for testing."""

import re
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from prsbench.datasets import questions as pools
from prsbench.datasets.family_wording import WORDING
from prsbench.harness.contract.position import offset_phrase
from prsbench.methods.parts.language.grammar import words
from prsbench.methods.parts.language.grammar.random_masks import sample_lesions, sample_lungs
from prsbench.methods.parts.language.grammar.sentences import (
    Finding,
    Style,
    Subject,
    answer,
    finding_of,
    placeless_answer,
    question,
    sample_subject,
)
from prsbench.metrics.text.position import parse

TUMOUR = Subject("tumour", "MRI image")


def findings(count, seed=0):
    """Random subjects with what is true of a random mask of theirs."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        subject = sample_subject(rng)
        lungs = subject.setting == "lungs"
        mask = sample_lungs(rng).mask_HW if lungs else sample_lesions(rng, "lung_ct" if subject.is_lung else "skin_rgb").mask_HW
        yield subject, finding_of(mask, subject.is_lung)


def pattern_of(form):
    """A test pool's form as a pattern: a slot is any text."""
    return re.compile(re.sub(r"\\\{\w+\\\}", "(.+)", re.escape(form)), re.IGNORECASE)


def test_no_question_and_no_answer_is_in_a_form_that_data_sets_test_with():
    rng = np.random.default_rng(1)
    said, asked = set(), set()
    for subject, finding in findings(400):
        said |= {answer(subject, finding, rng, style) for style in Style for _ in range(3)}
        said |= {answer(subject, Finding(("no mask",), False), rng), placeless_answer(subject, rng)}
        asked |= {question(subject, rng) for _ in range(3)}
    families = [test for _, test in WORDING.values()]
    sentences = [form for one in families for form in (*one.answers, *chain(*(one.words or {}).values())) if form.endswith(".")]
    forms = [*(form for form, _ in pools.ANSWERS_TEST), *pools.EMPTY_ANSWERS_TEST, *sentences]
    forms = [pattern_of(form) for form in forms if form != "{value}."]
    assert [(form.pattern, text) for form in forms for text in said if form.fullmatch(text)] == []
    forms = [pattern_of(form) for form in (*pools.QUESTIONS_TEST, *(form for one in families for form in one.questions))]
    assert [(form.pattern, text) for form in forms for text in asked if form.fullmatch(text)] == []


def test_one_seed_gives_the_same_sentences():
    def sentences():
        rng = np.random.default_rng(7)
        return [answer(subject, finding, rng) for subject, finding in findings(30)]

    assert sentences() == sentences()


@pytest.mark.parametrize("style", [Style.OFFICIAL, Style.SYNONYMS])
def test_a_sentence_in_plain_words_says_the_label(style):
    rng = np.random.default_rng(2)
    for subject, finding in findings(200):
        said = parse(answer(subject, finding, rng, style))
        assert said.zones == {phrase.removesuffix(" center") for phrase in finding.position}


def test_coordinates_say_where_each_lesion_is():
    rng = np.random.default_rng(3)
    for subject, finding in findings(200):
        said = parse(answer(subject, finding, rng, Style.POINTS)).points
        assert np.abs(np.array(said) - np.array(sorted(finding.lesions))).max() <= 0.0501


def test_a_wide_sentence_that_the_rule_parser_understands_says_a_place_of_the_mask():
    """Its zone is the label's, the centroid's or a lesion's, or it is in the middle between them."""
    rng, wrong, understood = np.random.default_rng(4), [], 0
    for subject, finding in findings(500):
        sentence = answer(subject, finding, rng)
        zones = parse(sentence).zones
        known = {phrase.removesuffix(" center") for phrase in finding.position}
        x, y = zip(*finding.lesions, finding.centroid, strict=True)
        known |= {"center"} if np.hypot(x, y).min() < 0.42 else set()
        known |= {f"{'top' if b < 0 else 'bottom'} {'left' if a < 0 else 'right'}" for a, b in zip(x, y, strict=True)}
        understood += bool(zones)
        wrong += [(sentence, finding)] if zones - known else []
    assert understood > 170
    assert len(wrong) <= 0.01 * understood, wrong[:5]  # a typing error or a contrast may hide a word


def test_every_family_of_words_for_places_occurs():
    rng = np.random.default_rng(5)
    text = "\n".join(answer(subject, finding, rng).lower() for subject, finding in findings(1200))
    families = ["o'clock", "north", "percent", "half", "quadrant", "corner", "superior", "caudal", "edge", "hemisphere", "lobe"]
    families += ["slightly", "halfway", "rather than", "closer to", "peripher", "both", "third", "0."]
    assert [family for family in families if family not in text] == []


def test_an_empty_mask_is_said_to_be_empty_in_any_style():
    rng = np.random.default_rng(6)
    empty = finding_of(np.zeros((20, 30), bool), False)
    for style in (Style.OFFICIAL, Style.SYNONYMS, Style.POINTS):
        assert all(parse(answer(TUMOUR, empty, rng, style)).nothing for _ in range(50))


def test_a_sentence_without_a_place_names_none():
    rng = np.random.default_rng(8)
    assert all(not parse(placeless_answer(subject, rng)).zones for subject, _ in findings(100))


def test_left_and_right_are_named_equally_often():
    rng, counts = np.random.default_rng(9), Counter()
    for subject, finding in findings(600):
        for side in ("left", "right"):
            mirrored = finding.centroid[0] < 0 if side == "left" else finding.centroid[0] > 0
            counts[side] += side in answer(subject, finding, rng).lower() and mirrored
    assert 0.8 < counts["left"] / counts["right"] < 1.25


def test_every_form_can_be_filled_for_one_and_for_many():
    """A slot that nothing fills would raise a KeyError."""
    forms = (words.QUESTIONS, words.WIDE, words.PLAIN, words.POINTS, words.ABSENT, words.PLACELESS, words.OPENERS, words.TAILS)
    known = "t T i a_t A_t is Is it It it_is It_is its lies Pp Np pp np place offset"
    slots = {slot for pool in forms for form in pool for slot in re.findall(r"\{(\w+)\}", form)}
    assert slots - set(known.split()) <= set(words.SLOTS)


def test_a_point_as_words():
    assert offset_phrase(0.3, -0.24) == "0.3 right, 0.2 up"


def test_small_components_are_no_lesions_of_their_own():
    mask = np.zeros((100, 100), bool)
    mask[10:30, 10:30] = mask[70:80, 70:80] = mask[50, 50] = True
    assert [tuple(np.round(point, 2)) for point in finding_of(mask, False).lesions] == [(-0.6, -0.6), (0.5, 0.5)]

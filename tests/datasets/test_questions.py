"""The templates: enough of them, separate for train and test, and true to the label."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
from prsbench.datasets import questions
from prsbench.datasets.questions import render_answer, render_question, target_of
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.metrics.text.position import parse

LABELS = [(f"{v} {h}",) for v, h in product(("top", "bottom"), ("left", "right"))] + [("center",), ("top left", "bottom right")]
SYNONYMS = {
    "upper": "top", "superior": "top", "lower": "bottom", "inferior": "bottom", "middle": "center", "centre": "center",
}  # fmt: skip


def test_there_are_at_least_55_questions_and_40_answer_forms():
    assert len(set(questions.QUESTIONS_TRAIN + questions.QUESTIONS_TEST)) >= 55
    assert len({form for form, _ in questions.ANSWERS_TRAIN + questions.ANSWERS_TEST}) >= 40


def test_train_and_test_share_no_wording():
    assert not set(questions.QUESTIONS_TRAIN) & set(questions.QUESTIONS_TEST)
    assert not {form for form, _ in questions.ANSWERS_TRAIN} & {form for form, _ in questions.ANSWERS_TEST}
    assert not set(questions.EMPTY_ANSWERS_TRAIN) & set(questions.EMPTY_ANSWERS_TEST)


@pytest.mark.parametrize("modality", MODALITIES)
def test_rendered_test_sentences_never_occur_in_train(modality):
    rng, target = np.random.default_rng(0), target_of(modality)
    for label in [*LABELS, ("no mask",)]:
        train = {render_answer(target, label, True, "train", rng) for _ in range(300)}
        assert not train & {render_answer(target, label, True, "test", rng) for _ in range(100)}
    train = {render_question(target, "train", rng) for _ in range(300)}
    assert not train & {render_question(target, "test", rng) for _ in range(100)}


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("label", LABELS)
def test_the_words_of_an_answer_say_exactly_its_label(label, split):
    rng, target = np.random.default_rng(1), target_of("lung_ct")
    for _ in range(200):
        answer = render_answer(target, label, False, split, rng).lower()
        official = re.sub("|".join(SYNONYMS), lambda word: SYNONYMS[word[0]], answer)
        assert tuple(re.findall(r"(?:top|bottom) (?:left|right)", official)) == (label if label != ("center",) else ())
        assert ("center" in official) == (len(label) == 1)


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_rule_that_scores_positions_reads_every_answer_form(modality):
    rng, target = np.random.default_rng(4), target_of(modality)
    for label, near, split in product(LABELS, (True, False), ("train", "test")):
        for _ in range(100):
            parsed = parse(render_answer(target, label, near, split, rng))
            assert parsed.zones == set(label)
            assert len(label) > 1 or label == ("center",) or parsed.near == near
    assert parse(render_answer(target, ("no mask",), False, "test", rng)).nothing


def test_an_empty_mask_is_answered_without_a_place():
    rng, splits = np.random.default_rng(2), ["train", "test"] * 99
    answers = {render_answer(target_of("breast_us"), ("no mask",), False, split, rng) for split in splits}
    assert len(answers) == len(questions.EMPTY_ANSWERS_TRAIN + questions.EMPTY_ANSWERS_TEST)
    assert not any(re.search("left|right|cent|mask", answer) for answer in answers)


def test_lungs_are_plural_and_a_polyp_is_not():
    rng = np.random.default_rng(3)
    lungs = " ".join(render_question(target_of("lung_xray"), "train", rng) for _ in range(300))
    polyps = " ".join(render_question(target_of("polyp_endoscopy"), "train", rng) for _ in range(300))
    assert "are the lungs" in lungs and "is the lungs" not in lungs and "lungs is" not in lungs
    assert "is the polyp" in polyps and "are the polyp" not in polyps


def test_a_data_set_may_name_another_target():
    assert target_of("lung_ct").noun == "lungs"
    assert target_of("lung_ct", "nodule") == questions.Target("nodule", "CT slice")


def test_every_template_can_be_filled():
    target = target_of("skin_rgb")
    for form in (
        *questions.QUESTIONS_TRAIN, *questions.QUESTIONS_TEST, *questions.EMPTY_ANSWERS_TRAIN, *questions.EMPTY_ANSWERS_TEST,
        *(form for form, _ in questions.ANSWERS_TRAIN + questions.ANSWERS_TEST),
    ):  # fmt: skip
        assert not re.search(r"[{}]|  ", questions._filled(form, target, "center"))

"""Wording of the families: true of the mask by the rule that scores it, and in other words for test."""

import re
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prsbench.datasets import questions as official
from prsbench.datasets.family_wording import WORDING, check_noun, render
from prsbench.datasets.mask_facts import values_of
from prsbench.datasets.questions import Target, target_of
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.families import FAMILIES, OFFICIAL
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.position import position_of
from prsbench.methods.parts.training.word_augmentation import mirror_words
from prsbench.metrics.text.families import read
from prsbench.metrics.text.position import parse

TARGETS = [
    *map(target_of, MODALITIES),
    target_of("lung_ct", "nodule"),
    Target("opacity", "chest X-ray"),
    Target("lesions", "scan"),
]
MASKS_PER_EXAMPLE = 60


def random_mask(rng):
    """One mask with up to four boxes, or none, in an image of any proportions."""
    mask = np.zeros(rng.integers(6, 60, 2), bool)
    for _ in range(rng.integers(0, 5)):
        top, left = rng.integers(0, mask.shape)
        mask[top : top + rng.integers(1, 14), left : left + rng.integers(1, 14)] = True
    return mask


@settings(max_examples=50, deadline=None)  # 3,000 masks, and about 30,000 answers
@given(st.integers(0, 2**32 - 1))
def test_the_rule_that_scores_answers_gets_every_value_back(seed):
    rng = np.random.default_rng(seed)
    for _ in range(MASKS_PER_EXAMPLE):
        target = TARGETS[rng.integers(len(TARGETS))]
        for family, values in values_of(random_mask(rng), FAMILIES).items():
            question, answer = render(family, target, values, ("train", "test")[rng.integers(2)], rng)
            assert read(family, answer, question) == set(values), (family, question, answer)
            if FAMILIES[family].states_place:
                assert parse(answer).places == set(values)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_position_parser_gets_every_official_label_back(seed):
    rng = np.random.default_rng(seed)
    for _ in range(MASKS_PER_EXAMPLE):
        modality = MODALITIES[rng.integers(len(MODALITIES))]
        position, near = position_of(random_mask(rng), modality)
        said = parse(official.render_answer(target_of(modality), position, near, ("train", "test")[rng.integers(2)], rng))
        assert said.nothing if position == ("no mask",) else said.zones == {one.removesuffix(" center") for one in position}


def forms(split, kind):
    """The forms of questions or answers of all families, with what fills {value} if its words are whole sentences."""
    for train, test in WORDING.values():
        wording = test if split == "test" else train
        yield from wording.questions if kind == "questions" else wording.answers
        if kind == "answers" and wording.answers == ("{value}",):
            yield from chain(*wording.words.values())


def test_every_family_but_the_official_one_has_a_wording_of_each_split():
    assert set(WORDING) == set(FAMILIES) - {OFFICIAL}
    assert all(len(train.questions) >= 3 and len(test.questions) >= 2 for train, test in WORDING.values())


@pytest.mark.parametrize("kind", ["questions", "answers"])
def test_train_and_test_share_no_wording_and_no_two_families_share_one(kind):
    pools = [set(forms("train", kind)), set(forms("test", kind))]
    pools += [set(official.QUESTIONS_TRAIN), set(official.QUESTIONS_TEST)] if kind == "questions" else []
    assert not any((one & other) - {"{value}"} for one, other in combinations(pools, 2))
    if kind == "questions":
        every = [*forms("train", kind), *forms("test", kind)]
        assert len(every) == len(set(every))


def test_no_rendered_test_sentence_occurs_in_training():
    rng = np.random.default_rng(0)
    mask = np.zeros((40, 50), bool)
    mask[3:9, 4:12] = mask[30:33, 40:44] = True
    said = {"train": set(), "test": set()}
    for family, values in values_of(mask, FAMILIES).items():
        for split in said:
            said[split].update(chain(*(render(family, TARGETS[0], values, split, rng) for _ in range(80))))
    assert not said["train"] & said["test"]


def test_every_form_can_be_filled():
    rng = np.random.default_rng(1)
    mask = np.zeros((40, 50), bool)
    mask[3:9, 4:12] = mask[30:33, 40:44] = True
    one = np.zeros((40, 50), bool)
    one[3:9, 4:12] = True
    for family, values in {**values_of(one, FAMILIES), **values_of(mask, FAMILIES)}.items():
        for target in TARGETS:
            for split in ("train", "test"):
                for _ in range(20):
                    question, answer = render(family, target, values, split, rng)
                    assert not re.search(r"[{}]|  ", question + answer)
                    assert question[0].isupper() and answer[0].isupper() and question[-1] in "?." and answer[-1] == "."


def test_a_noun_with_a_word_that_answers_are_read_by_is_refused():
    with pytest.raises(ConfigError, match="'left ventricle': answers to --families are read by words such as 'left'"):
        check_noun(Target("left ventricle", "MRI image"))
    for target in TARGETS:
        check_noun(target)


def test_numbers_agree_with_their_nouns():
    rng = np.random.default_rng(2)
    said = {count: render("count", target_of("breast_us"), (count,), "train", rng)[1] for count in ("0", "1", "2")}
    assert all(re.search(rf"\b{words}\b", said[n]) for n, words in (("0", "no masses"), ("1", "one mass"), ("2", "two masses")))
    assert "opacities" in render("count", TARGETS[-2], ("2",), "test", rng)[1]


@pytest.mark.parametrize("family", ["relation", "choice", "side", "where-3x3", "patient-side"])
@pytest.mark.parametrize("axis", ["left-right", "top-bottom"])
def test_a_training_answer_follows_a_mirrored_image(family, axis):
    rng = np.random.default_rng(3)
    swap = {"left": "right", "right": "left"} if axis == "left-right" else {"top": "bottom", "bottom": "top", "above": "below"}
    asked = {"relation": [("left",), ("above",)], "side": [("left",)], "patient-side": [("right",)]}
    for values in asked.get(family, [("top left",), ("bottom right",)]):
        question, answer = (mirror_words(text, axis) for text in render(family, TARGETS[0], values, "train", rng))
        wanted = {" ".join(swap.get(word, word) for word in value.split()) for value in values}
        assert read(family, answer, question) == wanted

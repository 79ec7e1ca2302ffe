import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.metrics.text.word_overlap import word_overlap

NAMES = {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l"}
sentences = st.lists(st.sampled_from(["the", "lesion", "is", "top", "left", "bottom", "."]), min_size=1, max_size=8).map(" ".join)


def test_three_of_four_words_in_order_by_pencil():
    overlap = word_overlap("the lesion is left", "the lesion lies left")
    assert overlap["bleu_1"] == pytest.approx(3 / 4)
    assert overlap["bleu_2"] == pytest.approx((3 / 4 * 1 / 3) ** 0.5)
    assert overlap["rouge_l"] == pytest.approx(3 / 4)


def test_a_short_answer_pays_for_its_brevity_in_bleu_by_pencil():
    assert word_overlap("top left", "the lesion is top left")["bleu_1"] == pytest.approx(2.718281828459045 ** (1 - 5 / 2))


def test_the_wrong_side_costs_less_than_a_right_answer_in_other_words():
    reference = "The lesion is located in the top left and far from the center."
    wrong = word_overlap("The lesion is located in the top right and far from the center.", reference)
    right = word_overlap("Upper left, well away from the middle.", reference)
    assert wrong["bleu_4"] > right["bleu_4"] and wrong["rouge_l"] > right["rouge_l"]


@pytest.mark.parametrize("answer", ["", " \n"])
def test_an_answer_without_text_scores_nothing(answer):
    assert word_overlap(answer, "top left") == dict.fromkeys(NAMES, 0.0)


@given(sentences, sentences)
def test_all_lie_in_range_and_a_sentence_is_wholly_like_itself(answer, reference):
    assert set(word_overlap(answer, reference)) == NAMES
    assert all(0 <= value <= 1 for value in word_overlap(answer, reference).values())
    assert word_overlap(reference, reference)["bleu_4"] == pytest.approx(1)


def test_bleu_4_agrees_with_sacrebleu_called_by_its_own_front_door():
    sacrebleu = pytest.importorskip("sacrebleu")
    answer, reference = "A mass lies at the lower left.", "The mass is seen at the lower left corner."
    theirs = sacrebleu.sentence_bleu(answer, [reference]).score / 100
    assert word_overlap(answer, reference)["bleu_4"] == pytest.approx(theirs)


@pytest.mark.slow
def test_rouge_l_is_that_of_rouge_score():
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    words = ["the", "lesion", "is", "top-left", "left", "Bottom", "."]
    rng = random.Random(0)
    for _ in range(200):
        answer, reference = (" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(2))
        expected = scorer.score(reference, answer)["rougeL"].fmeasure
        assert word_overlap(answer, reference)["rouge_l"] == pytest.approx(expected), (answer, reference)

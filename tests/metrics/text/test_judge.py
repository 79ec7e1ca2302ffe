from dataclasses import replace
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import DataKind, Point
from prsbench.metrics.text.judge import kappa, parser_verdict, verdicts

HERE = Record(
    "s", "g", "skin_rgb", DataKind.SYNTHETIC, "ok", "", "Where?", "It is top left.", "In the upper left.", 8, 8,
    ("top left",), False, "top left", Point(-0.5, -0.5), None, None, 0.0,
)  # fmt: skip


class Parrot:
    """Replies yes to upper, no to lower and neither otherwise; records the prompts."""

    def __init__(self):
        self.asked = []

    def complete(self, prompts):
        self.asked += prompts
        return [" Yes, they do" if "upper" in p else " No." if "lower" in p else " Well, I know" for p in prompts]


def test_verdicts_are_read_from_replies_and_each_pair_is_asked_about_once():
    model = Parrot()
    answers = ("In the upper left.", "In the upper left.", "At the lower left.", "Somewhere.", "")
    replies = verdicts([replace(HERE, answer=answer) for answer in answers], model)
    assert replies == [True, True, False, None, False]
    assert len(model.asked) == 3 and all("It is top left." in prompt for prompt in model.asked)


def test_there_is_nothing_to_judge_without_a_lesion_a_reference_or_a_prediction():
    nothing = (replace(HERE, truth_centroid=None), replace(HERE, reference_answer=""), replace(HERE, status="failed"))
    assert verdicts(nothing, Parrot()) == [None] * 3
    assert [parser_verdict(record) for record in nothing] == [None] * 3


@pytest.mark.parametrize(("answer", "same"), [("upper left", True), ("lower left", False), ("", False)])
def test_the_parser_answers_the_same_question(answer, same):
    assert parser_verdict(replace(HERE, answer=answer)) is same


def test_kappa_by_pencil():
    first, second = [True] * 25 + [False] * 25, [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    assert kappa(first, second) == pytest.approx(0.4)  # 0.7 observed, 0.5 by chance


def test_two_judges_that_always_say_yes_agree_by_luck_alone():
    assert isnan(kappa([True, True], [True, True])) and isnan(kappa([None], [True]))


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None]))))
def test_kappa_is_symmetric_at_most_one_and_blind_to_what_yes_means(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    value = kappa(first, second)
    assert isnan(value) or -1 <= value <= 1
    turned = [[None if v is None else not v for v in side] for side in (first, second)]
    assert kappa(second, first) == pytest.approx(value, nan_ok=True)
    assert kappa(*turned) == pytest.approx(value, nan_ok=True)

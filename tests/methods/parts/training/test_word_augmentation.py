import numpy as np
import pytest
from prsbench.harness.contract.position import position_of
from prsbench.harness.contract.types import Truth
from prsbench.methods.parts.training.word_augmentation import answer_template, drop_words, mirror_words, template_of


@pytest.mark.parametrize(
    ("sentence", "mirrored"),
    [
        ("At the top left and near the center.", "At the top right and near the center."),
        ("Right lung; left over", "Left lung; right over"),
        ("upright, leftover", "upright, leftover"),
    ],
)
def test_mirroring_an_image_exchanges_left_and_right_and_nothing_else(sentence, mirrored):
    assert mirror_words(sentence) == mirrored
    assert mirror_words(mirrored) == sentence


def test_turning_an_image_upside_down_exchanges_the_words_for_top_and_bottom():
    sentence = "Upper left, at the top; superior or inferior, but never the lower stopper."
    turned = "Lower left, at the bottom; inferior or superior, but never the upper stopper."
    assert mirror_words(sentence, "top-bottom") == turned
    assert mirror_words(turned, "top-bottom") == sentence


def test_about_half_of_the_questions_keep_every_word_and_the_others_lose_about_the_share():
    question = " ".join(f"word{n}" for n in range(50))
    rng = np.random.default_rng(0)
    kept = [len(drop_words(question, 0.4, rng).split()) for _ in range(400)]
    untouched = sum(n == 50 for n in kept)
    assert 160 < untouched < 240
    assert sum(n for n in kept if n < 50) / (400 - untouched) == pytest.approx(30, abs=1)


def test_dropping_words_keeps_the_order_of_the_rest():
    question = "Where is the polyp in this endoscopy image?"
    for seed in range(20):
        rest = iter(question.split())
        assert all(word in rest for word in drop_words(question, 0.4, np.random.default_rng(seed)).split())


@pytest.mark.parametrize("corner", ["{0} {1} and {2} the center", "In the {0} {1} and {2} the center of the scan."])
@pytest.mark.parametrize(
    ("top", "bottom", "centre"), [("top", "bottom", "center"), ("upper", "lower", "middle"), ("superior", "inferior", "centre")]
)
def test_an_answer_takes_the_words_of_another_place_in_its_own_vocabulary(corner, top, bottom, centre):
    before = corner.format(top, "right", "near").replace("center", centre)
    after = corner.format(bottom, "left", "far from").replace("center", centre)
    assert answer_template(before, ("top right",), True).with_position(("bottom left",), False) == after


def test_an_answer_without_its_official_words_or_with_them_twice_is_left_alone():
    assert answer_template("On the right, up there.", ("top right",), True) is None
    assert answer_template("center, yes, center", ("center",), True) is None


def truth_of(mask, answer):
    position, near = position_of(mask, "skin_rgb")
    return Truth(mask, answer, position, near, "center")


def test_an_answer_with_points_takes_the_points_of_another_mask_and_keeps_the_word_center():
    mask = np.zeros((20, 20), bool)
    mask[8:12, 7:13] = True
    template = template_of(truth_of(mask, "The lesion is 0.0 left, 0.0 up of the center."))
    assert template.with_place(np.roll(mask, (4, -3), (0, 1)), "skin_rgb") == "The lesion is 0.3 left, 0.4 down of the center."


def test_an_answer_with_a_label_takes_the_label_and_one_about_nothing_has_no_place():
    mask = np.zeros((20, 20), bool)
    mask[2:5, 2:5] = True
    template = template_of(truth_of(mask, "It is at the upper left and far from the middle."))
    assert template.with_place(np.roll(mask, 12, 0), "skin_rgb") == "It is at the lower left and far from the middle."
    assert template_of(truth_of(np.zeros((4, 4), bool), "It is top left and far from the center.")) is None

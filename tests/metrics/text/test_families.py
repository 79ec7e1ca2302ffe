"""Answers to questions of a family: read by rule, scored against the reference, and left open where they say nothing."""

from math import isnan

import pytest
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import DataKind, Point
from prsbench.metrics.text.families import absence_said, answer_correct, expected_value, place_correct, read

OPTIONS = "Where is it? Choose one: A) top left, B) center, C) bottom right, D) top right."


@pytest.mark.parametrize(
    ("family", "answer", "value"),
    [
        ("count", "There are two masses in the scan.", "2"),
        ("count", "3 lesions", "3"),
        ("count", "I see a single nodule.", "1"),
        ("count", "None.", "0"),
        ("count", "No polyps are seen.", "0"),
        ("count", "One or two lesions.", ""),
        ("count", "There are several.", ""),
        ("size", "It is a big lesion.", "large"),
        ("size", "medium-sized", "medium"),
        ("size", "small to medium", ""),
        ("size", "It is not small.", ""),
        ("presence", "Yes.", "yes"),
        ("presence", "No, there is no tumour.", "no"),
        ("presence", "No polyp is visible.", "no"),
        ("presence", "A lesion is visible in the top left.", "yes"),
        ("presence", "The lesion is located in the top left and near the center.", "yes"),
        ("presence", "Yes, but no lesion is visible.", ""),
        ("presence", "Hard to say.", ""),
        ("near-far", "It lies far from the center.", "far"),
        ("near-far", "It is near the center, or far from the center.", ""),
        ("near-border", "It touches the edge of the image.", "near"),
        ("near-border", "It is not near the border.", "far"),
        ("near-border", "It is away from the margins.", "far"),
        ("near-border", "It is near the center.", ""),
        ("side", "It is in the left half.", "left"),
        ("side", "The lesion is top right.", "right"),
        ("side", "in the center", ""),
        ("relation", "The larger one is to the left of the smaller one.", "left"),
        ("relation", "The smaller one is to the left of the larger one.", "right"),
        ("relation", "Above.", "above"),
        ("relation", "It is above and left of it.", ""),
        ("relation", "The larger one is not above the smaller one.", ""),
        ("choice", "B", "center"),
        ("choice", "b) center.", "center"),
        ("choice", "The answer is C) bottom right.", "bottom right"),
        ("choice", "It is in the top left.", "top left"),
        ("choice", "A lesion is in the top right.", "top right"),
        ("choice", "A) center", ""),
        ("choice", "A or B.", ""),
        ("choice", "bottom left", ""),
        ("where-3x3", "The lesion is in the top middle cell.", "top"),
        ("where-3x3", "middle left", "left"),
        ("quadrant", "upper-left quadrant", "top left"),
    ],
)
def test_an_answer_is_read_or_not_understood(family, answer, value):
    assert read(family, answer, OPTIONS) == ({value} if value else set())


def record(family, reference, position=("top left",), question=OPTIONS):
    return Record(
        "s", "g", "skin_rgb", DataKind.SYNTHETIC, "ok", "", question, reference, "", 9, 9, position, False, "",
        Point(0, 0), None, None, 0.1, family=family,
    )  # fmt: skip


def test_an_answer_is_right_if_it_says_what_the_reference_says_in_other_words():
    two = record("count", "There are two masses.")
    assert [answer_correct(answer, two) for answer in ("2", "I count two.", "three", "top left", "")] == [1, 1, 0, 0, 0]
    assert isnan(place_correct("top left", two))


def test_a_place_is_right_if_all_places_of_the_reference_are_named():
    apart = record("where-lesions", "Each lesion by itself: bottom right and top left.", ("center",))
    assert [place_correct(answer, apart) for answer in ("top left, bottom right", "top left", "center", "")] == [1, 0, 0, 0]
    cell = record("where-3x3", "The lesion is in the top middle cell.")
    assert [place_correct(answer, cell) for answer in ("top middle", "upper center", "top left")] == [1, 1, 0]
    assert isnan(answer_correct("top left", apart))


def test_the_official_family_is_scored_by_the_mask_whatever_the_reference_says():
    official = record("where", "bottom right", ("top left",))
    assert (place_correct("top left", official), expected_value(official)) == (1, {"top left"})
    assert isnan(answer_correct("top left", official))


@pytest.mark.parametrize("family", ["count", "where-3x3", "choice"])
def test_a_reference_that_is_not_understood_scores_nothing(family):
    strange = record(family, "Quelque part.")
    assert isnan(answer_correct("two", strange)) and isnan(place_correct("top left", strange))


def test_an_empty_truth_has_an_absence_accuracy_in_every_family_that_is_asked_about_it():
    for family, reference, says_so in (
        ("presence", "No, there is no mass.", ("No.", "No mass is visible.")),
        ("count", "There are no masses.", ("0", "none", "No mass is visible.")),
        ("where", "No mass is visible.", ("No mass is visible.",)),
    ):
        empty = record(family, reference, ("no mask",))
        assert [absence_said(answer, empty) for answer in says_so] == [1.0] * len(says_so)
        assert [absence_said(answer, empty) for answer in ("Yes.", "two", "top left", "")] == [0.0] * 4
        assert isnan(place_correct(says_so[0], empty))
    assert isnan(absence_said("No.", record("presence", "Yes, there is a mass.")))

from math import isnan
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.datasets.questions import render_answer, target_of
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.position import ZONES, position_phrase
from prsbench.metrics.text.position import absence_correct, distance_word_correct, parse, position_correct

TL, TR, BL, BR, C = ({zone} for zone in ZONES)

SAYS_ZONES = [
    ("The tumor is marked in position top right and near the center", TR),
    ("top left", TL),
    ("Top-Left.", TL),
    ("TOP LEFT!!", TL),
    ("topleft", TL),
    ("left top", TL),
    ("The lesion lies in the left upper quadrant.", TL),
    ("upper left-hand corner", TL),
    ("in the superior left portion of the image", TL),
    ("in the lower right part", BR),
    ("inferior and to the right", BR),
    ("bottom_right", BR),
    ("It sits in the bottom left quadrant, far from the centre.", BL),
    ("lowermost leftmost region", BL),
    ("at the top, on the left side", TL),
    ("It is in the top half. More exactly: on the right.", TR),
    ("The mass is above and to the left of the center.", TL),
    ("slightly below and right of the midline", BR),
    ("The lesion is on the left side; it fills the top left quadrant", TL),
    ("near the top left corner", TL),
    ("The polyp is in the lower right and close to the centre of the image", BR),
    ("lower right, not far from the center", BR),
    ("upper right, away from the middle", TR),
    ("top left, off-center", TL),
    ("center", C),
    ("in the centre of the image", C),
    ("centrally located", C),
    ("The lesion is in the middle of the picture.", C),
    ("center and near the center", C),
    ("Centred.", C),
    ("on the midline", C),
    ("top left center", TL),
    ("the center of the top left quadrant", TL),
    ("centered in the upper right", TR),
    ("The infection is marked in top left center and bottom right", TL | BR),
    ("One lesion in the top left, another in the lower right.", TL | BR),
    ("top left and top right", TL | TR),
    ("two nodules, in the upper and lower left lung", TL | BL),
    ("in the left and right upper zones", TL | TR),
    ("lesions in the top left and right corners", TL | TR),
    ("on the left superior and the inferior part", TL | BL),
    ("top left/bottom right", TL | BR),
    ("upper left & lower left", TL | BL),
    ("There are two: the first is top right; the second is in the center.", TR | C),
    ("top left as well as bottom left", TL | BL),
    ("top and bottom left", TL | BL),
    ("upper left and right", TL | TR),
    ("two nodules, in the upper and lower left lung", TL | BL),
    ("in the left and right upper zones", TL | TR),
    ("lesions in the top left and right corners", TL | TR),
    ("at the left superior and the inferior part", TL | BL),
    ("top left, top right and bottom left", TL | TR | BL),
    ("The opacity in the right lung is at position top left", TL),
    ("It fills the lower left lung", BL),
    ("top left. No other lesion is visible.", TL),
    ("top left, and nothing else", TL),
    ("The lesion isn't large. It is in the top left.", TL),
    ("to the north-west", TL),
    ("in the northeastern part", TR),
    ("South west of the centre, far from it", BL),
    ("the SE corner", BR),
    ("in the northern half, on the west side", TL),
    ("at 2 o'clock", TR),
    ("The polyp is at the 10 o'clock position, near the centre.", TL),
    ("at about 10 o'clock relative to the centre", TL),
    ("at seven o’clock", BL),
    ("5 o'clock of the image center", BR),
    ("It lies in the upper left, some way from the centre of the picture.", TL),
    ("Position: superior-left. Distance to centre: large.", TL),
    ("0.3 right, 0.2 down", BR),
    ("It is 0.3 left and 0.25 up of the center.", TL),
    ("From the center of the scan, the mass is 0.1 left, 0.1 up.", C),
    ("The lesions are 0.5 left, 0.4 up and 0.6 right, 0.3 down of the center of the image.", TL | BR),
    ("0.4 down and 0.3 to the left", BL),
    ("about 25% from the left and 75 % from the top", BL),
    ("60% across, 90 percent down", BR),
    ("20 per cent from the right edge, 30% up from the bottom", BR),
    ("It measures 1.5 cm and lies in the upper left.", TL),
]

SAYS_NOTHING = [
    "No tumor is visible in this image.",
    "No tumour visible",
    "There is no visible suspicious lesion.",
    "Nothing was found.",
    "nothing",
    "The lesion is absent.",
    "No evidence of a polyp is seen",
    "I cannot see a lesion here: it is not visible.",
    "The image doesn't show any abnormality",
    "The scan appears normal.",
    "A lesion could not be identified",
    "absence of infection",
    "The breast is free of masses",
]

NOT_UNDERSTOOD = [
    "",
    "   ",
    "The lesion is bright and round.",
    "not in the top left",
    "The lesion isn't in the top left.",
    "It is never at the bottom right",
    "in the top left rather than the bottom right",
    "It is in the top left, not in the bottom right",
    "no lesion in the top left",
    "Nothing in the center",
    "left half",
    "on the left side of the image",
    "upper part",
    "middle left",
    "top center",
    "slightly left of the center",
    "off-center",
    "near the center",
    "far from the middle",
    "left and right",
    "top left and right next to it",
    "in the left lung",
    "a topical, rightful leftover near the centerpiece",
    "copyright 1988, uppercut, stopleft",
    "at 3 o'clock",
    "towards the north",
    "north of the centre",
    "30% from the left",
    "30% from the left, 30% across, 20% from the right",
    "1.3 right, 0.2 down",
    "0.3 right, 0.2 down, in the top left",
    "80% of the lesions are benign",
    "There is no tumor. It lies top left.",
]


@pytest.mark.parametrize(("answer", "zones"), SAYS_ZONES)
def test_the_zones_of_an_answer_are_read(answer, zones):
    parsed = parse(answer)
    assert (parsed.zones, parsed.nothing, parsed.understood) == (zones, False, True)


@pytest.mark.parametrize("answer", SAYS_NOTHING)
def test_an_answer_that_nothing_is_there_is_read_as_such(answer):
    parsed = parse(answer)
    assert (parsed.zones, parsed.nothing, parsed.understood) == (frozenset(), True, True)


@pytest.mark.parametrize("answer", NOT_UNDERSTOOD)
def test_halves_negations_and_text_without_a_place_are_not_guessed_at(answer):
    parsed = parse(answer)
    assert (parsed.zones, parsed.nothing, parsed.understood) == (frozenset(), False, False)


@pytest.mark.parametrize(
    ("answer", "near"),
    [
        ("top left and near the center", True),
        ("top left and far from the center", False),
        ("top left, close to the centre of the image", True),
        ("top left, very close to its center", True),
        ("top left, next to the middle", True),
        ("upper left, away from the center", False),
        ("upper left, far away from the central area", False),
        ("top left, not far from the center", True),
        ("top left, not very near the center", False),
        ("top left", None),
        ("center", None),
        ("near the top left corner", None),
        ("near the center and far from the center", None),
        ("left half, near the center", True),
        ("not in the top left, near the center", None),
    ],
)
def test_near_and_far_are_read_only_when_they_refer_to_the_centre(answer, near):
    assert parse(answer).near is near


@given(st.sets(st.sampled_from(ZONES[:4]), min_size=1, max_size=2).map(sorted), st.booleans())
def test_every_official_phrase_is_read_back(zones, near):
    parsed = parse(f"The lesion is located in the {position_phrase(tuple(zones), near)}.")
    assert parsed.zones == set(zones)
    assert parsed.near is (near if len(zones) == 1 else None)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_reference_answer_of_the_data_sets_is_read_back(modality, split):
    rng, target = np.random.default_rng(0), target_of(modality)
    for position in [("top left",), ("center",), ("bottom right center",), ("top left center", "top right"), ("no mask",)]:
        for answer in {render_answer(target, position, True, split, rng) for _ in range(150)}:
            parsed = parse(answer)
            assert parsed.zones == {phrase.removesuffix(" center") for phrase in position} - {"no mask"}, answer
            assert parsed.nothing == (position == ("no mask",)), answer


@given(st.text(max_size=200))
def test_any_text_at_all_is_parsed(text):
    parsed = parse(text)
    assert parsed.zones <= set(ZONES)
    assert parsed.understood == bool(parsed.zones or parsed.nothing)
    assert not (parsed.zones and parsed.nothing)


def record(position, near_centre=False, reference=""):
    """The fields of a record that position metrics use."""
    return SimpleNamespace(family="where", position=position, near_centre=near_centre, reference_answer=reference)


@pytest.mark.parametrize(
    ("position", "answer", "correct"),
    [
        (("top left",), "upper left", 1.0),
        (("top left",), "upper right", 0.0),
        (("top left",), "", 0.0),
        (("top left",), "round", 0.0),
        (("top left",), "top left and top right", 0.0),
        (("top left",), "nothing found", 0.0),
        (("center",), "in the middle", 1.0),
        (("center",), "top left", 0.0),
        (("top left center",), "top left", 1.0),
        (("top left center", "bottom right"), "bottom right and top left", 1.0),
        (("top left", "bottom right"), "top left", 0.0),
        (("top left", "top left"), "top left", 1.0),
    ],
)
def test_a_position_is_correct_only_if_exactly_the_official_zones_are_named(position, answer, correct):
    assert position_correct(answer, record(position)) == correct


@pytest.mark.parametrize("answer", ["nothing found", "top left", ""])
def test_the_position_of_an_empty_truth_is_not_defined(answer):
    assert isnan(position_correct(answer, record(("no mask",))))


def test_absence_is_asked_for_only_where_the_truth_is_empty():
    empty = record(("no mask",))
    assert [absence_correct(answer, empty) for answer in ("No lesion is visible.", "top left", "")] == [1.0, 0.0, 0.0]
    assert isnan(absence_correct("No lesion is visible.", record(("top left",))))


def test_the_distance_word_is_required_only_where_the_reference_has_one():
    near, far = record(("top left",), True), record(("top left center",), False)
    assert [distance_word_correct("bottom left and near the center", r) for r in (near, far)] == [1.0, 0.0]
    assert [distance_word_correct("top left", r) for r in (near, far)] == [0.0, 0.0]
    for position in [("center",), ("no mask",), ("top left", "top right")]:
        assert isnan(distance_word_correct("near the center", record(position, True)))
    assert isnan(distance_word_correct("near the center", record(("top left",), True, "It is 0.5 left, 0.2 up.")))


@pytest.mark.parametrize(
    ("answer", "points"),
    [
        ("It is 0.3 right, 0.2 down.", [(0.3, 0.2)]),
        (".5 up and 1.0 to the left of the center", [(-1, -0.5)]),
        ("0.5 left, 0.4 up and 0.6 right, 0.3 down", [(-0.5, -0.4), (0.6, 0.3)]),
        ("25% from the left, 75% from the top", [(-0.5, 0.5)]),
        ("10 % up from the bottom, 20 % from the right edge", [(0.6, 0.8)]),
        ("half a mile to the left", []),
    ],
)
def test_coordinates_are_points_of_the_image_frame(answer, points):
    assert np.array(parse(answer).points).ravel() == pytest.approx(np.array(points).ravel())


@given(st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_the_zone_of_a_point_that_is_named_is_the_zone_of_a_centroid_there(point):
    rounded = [abs(round(value, 1)) for value in point]
    (x, y), (right, down) = (round(value, 1) for value in point), (value > 0 for value in point)
    zones = parse(f"{rounded[0]} {'right' if right else 'left'}, {rounded[1]} {'down' if down else 'up'}").zones
    [zone] = zones
    assert (zone == "center") == (np.hypot(x, y) < 0.2)
    assert zone == "center" or all(
        word in zone for word, value in (("left", -x), ("right", x), ("top", -y), ("bottom", y)) if value > 0
    )


def test_where_the_reference_gives_coordinates_their_zones_are_the_right_answer_whatever_the_label():
    apart = record(("center",), True, "The lesions are 0.5 left, 0.4 up and 0.6 right, 0.3 down.")
    assert position_correct("0.4 left, 0.4 up and 0.5 right, 0.4 down", apart) == 1
    assert position_correct("top left and bottom right", apart) == 1
    assert position_correct("center", apart) == 0

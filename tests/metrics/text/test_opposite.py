import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.position import position_phrase
from prsbench.metrics.text.opposite import opposite
from prsbench.metrics.text.position import parse

QUADRANTS = ("top left", "top right", "bottom left", "bottom right")


@pytest.mark.parametrize(
    ("sentence", "turned"),
    [
        ("The tumor is top right and near the center.", "The tumor is bottom left and far from the center."),
        ("Found in the lower-left corner, far from the centre.", "Found in the upper-right corner, near the centre."),
        ("superior and to the left", "inferior and to the right"),
        ("top left and bottom right", "top right and bottom left"),
        ("It lies in the center of the image.", "It lies in the top left of the image."),
        ("A round shadow.", "A round shadow."),
    ],
)
def test_the_words_for_a_place_are_turned_and_all_others_stay(sentence, turned):
    assert opposite(sentence) == turned


@given(st.sampled_from(QUADRANTS), st.booleans(), st.sampled_from(["The lesion is {}.", "At {}, one sees it.", "{}"]))
def test_the_opposite_names_other_zones_and_the_other_distance_and_its_opposite_is_the_sentence(zone, near, form):
    sentence = form.format(position_phrase((zone,), near))
    read = parse(opposite(sentence))
    assert read.understood and not read.zones & parse(sentence).zones
    assert read.near is not near
    assert opposite(opposite(sentence)) == sentence

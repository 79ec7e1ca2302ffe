import pytest
from prsbench.methods.wording import mirror_words


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

import numpy as np
import pytest
from prsbench.metrics.text.position import locate_by_rule


@pytest.mark.parametrize(
    ("sentence", "point"),
    [
        ("upper left", (-0.5, -0.5)),
        ("bottom right and near the center", (0.2, 0.2)),
        ("top right and far from the center", (0.6, -0.6)),
        ("in the center", (0, 0)),
        ("top left and top right", (0, -0.5)),
    ],
)
def test_a_zone_is_a_point_and_two_zones_the_point_between(sentence, point):
    assert locate_by_rule([sentence])[0] == pytest.approx(point)


def test_a_sentence_without_a_place_has_no_point_and_no_sentences_no_points():
    assert np.isnan(locate_by_rule(["A round shadow.", "No lesion is visible."])).all()
    assert locate_by_rule([]).shape == (0, 2)

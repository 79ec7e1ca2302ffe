import numpy as np
import pytest
from prsbench.metrics.text.position import locate_by_rule


@pytest.mark.parametrize(
    ("sentence", "point"),
    [
        ("upper left", (-0.36, -0.36)),
        ("bottom right and near the center", (0.19, 0.19)),
        ("top right and far from the center", (0.43, -0.43)),
        ("in the center", (0, 0)),
        ("top left and top right", (0, -0.17)),
        ("top left and bottom left", (-0.25, 0)),
        ("0.3 right, 0.2 down", (0.3, 0.2)),
        ("0.4 left, 0.2 up and 0.2 right, 0.4 up", (-0.1, -0.3)),
    ],
)
def test_a_zone_is_a_point_and_several_zones_or_points_are_one_between(sentence, point):
    assert locate_by_rule([sentence])[0] == pytest.approx(point)


def test_a_sentence_without_a_place_has_no_point_and_no_sentences_no_points():
    assert np.isnan(locate_by_rule(["A round shadow.", "No lesion is visible."])).all()
    assert locate_by_rule([]).shape == (0, 2)

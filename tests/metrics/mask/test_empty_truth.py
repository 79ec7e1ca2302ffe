from math import isnan

import pytest
from prsbench.metrics.mask.empty_truth import policies


@pytest.mark.parametrize(("prediction_is_empty", "agreement"), [(True, 1.0), (False, 0.0)])
def test_an_empty_truth_scores_as_the_metrics_name_states(prediction_is_empty, agreement):
    scores = policies("dice@0.5", 0.7, True, prediction_is_empty)
    assert isnan(scores.pop("dice@0.5"))
    assert scores == {"dice@0.5[empty=0]": 0.0, "dice@0.5[empty=1]": agreement}


def test_a_truth_that_is_there_scores_the_same_under_every_name():
    assert set(policies("dice@0.5", 0.7, False, False).values()) == {0.7}

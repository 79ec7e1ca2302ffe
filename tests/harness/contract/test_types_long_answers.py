"""An answer has a greatest length: a text of megabytes is a failed sample, not hours in the text metrics."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.types import MOST_ANSWER_CHARACTERS, Prediction, Query, check_prediction

QUERY = Query(sample_id="s", image=np.zeros((2, 2, 3), np.uint8), question="Where?", modality="skin_rgb")


@pytest.mark.parametrize("character", ["a", "\u200b", "\U0001f600"])
def test_the_longest_answer_is_accepted_and_one_character_more_is_refused_by_sample_and_count(character):
    probability, n = np.zeros((2, 2), np.float32), MOST_ANSWER_CHARACTERS
    check_prediction(QUERY, Prediction(probability, character * n, 0.0))
    with pytest.raises(ContractError, match=rf"Sample 's': answer must have {n} characters at most, got {n + 1}\. Stop"):
        check_prediction(QUERY, Prediction(probability, character * (n + 1), 0.0))

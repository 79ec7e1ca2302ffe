"""Very long and odd answers: the parser's work grows with their length alone, and its reading does not change."""

from __future__ import annotations

import pytest
from prsbench.harness.contract.types import MOST_ANSWER_CHARACTERS
from prsbench.metrics.text.opposite import opposite
from prsbench.metrics.text.position import _pair_neighbours, parse
from prsbench.metrics.text.word_overlap import word_overlap

PIECES = {
    "top left and ": {"top left"},
    "left top ": {"top left"},
    "NW ": {"top left"},
    "top left, ": {"top left"},
    "The lesion is in the top left. ": {"top left"},
    "top": set(),  # one word without a space
    "left ": set(),
    "no ": set(),
    "1 % ": set(),
    ". ": set(),
    "-": set(),
    "\u200b": set(),  # zero-width space
    "\u202e\u05d0 ": set(),  # right to left
    "a\u0301": set(),  # combining accent
    "\U0001f600 ": set(),
}


class CountedReads(list):
    """A list that counts the items read from it."""

    n_read = 0

    def __getitem__(self, index):
        found = super().__getitem__(index)
        self.n_read += len(found) if isinstance(index, slice) else 1
        return found


@pytest.mark.parametrize("words", [["left"], ["top", "left"], ["left", "left", "top"]])
def test_each_place_word_of_an_answer_is_read_a_bounded_number_of_times(words):
    directions = CountedReads(words * 3000)
    _pair_neighbours(directions)
    assert directions.n_read <= 3 * len(directions)


@pytest.mark.parametrize(("piece", "zones"), PIECES.items())
def test_an_answer_of_the_greatest_length_is_read_as_its_first_piece_says(piece, zones):
    answer = (piece * MOST_ANSWER_CHARACTERS)[: MOST_ANSWER_CHARACTERS // len(piece) * len(piece)]
    assert parse(answer).zones == zones
    assert len(opposite(answer)) > 0
    assert all(0 <= value <= 1 for value in word_overlap(answer, "It is in the top left.").values())

"""The card of a data root: any other shape is one sentence."""

from __future__ import annotations

import json

import pytest
from prsbench.datasets.card import CARD, read_card
from prsbench.harness.contract.errors import DataError

GOOD = {"made_by": "prsbench", "schema": 1, "data_kind": "real", "modalities": {"lung_CT": {"target": "lungs"}}}


def test_a_root_without_a_card_has_an_empty_one(tmp_path):
    assert read_card(tmp_path) == {}


def test_a_card_is_read(tmp_path):
    (tmp_path / CARD).write_text(json.dumps(GOOD))
    assert read_card(tmp_path) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "7",
        '"real"',
        "{",
        "[" * 100_000,
        "{}",
        json.dumps(GOOD | {"schema": 2}),
        json.dumps(GOOD | {"data_kind": "fake"}),
        json.dumps(GOOD | {"data_kind": ["real"]}),
        json.dumps(GOOD | {"modalities": []}),
        json.dumps(GOOD | {"modalities": None}),
        json.dumps(GOOD | {"modalities": ["lung_CT"]}),
        json.dumps(GOOD | {"modalities": {"lung_CT": "lungs"}}),
        json.dumps(GOOD | {"modalities": {"lung_CT": {"target": 3}}}),
        json.dumps(GOOD | {"interrupted": 3}),
        json.dumps(GOOD | {"interrupted": [1, 2]}),
    ],
)
def test_a_card_of_another_shape_is_one_sentence(tmp_path, text):
    (tmp_path / CARD).write_text(text)
    with pytest.raises(DataError, match=f"{CARD}: expected a card of schema 1, got "):
        read_card(tmp_path)


def test_a_card_that_is_not_text_is_one_sentence(tmp_path):
    (tmp_path / CARD).write_bytes(b"\xff\xfe\0")
    with pytest.raises(DataError, match="expected a card"):
        read_card(tmp_path)


def test_a_replacement_that_was_interrupted_is_refused_with_what_to_do(tmp_path):
    (tmp_path / CARD).write_text(json.dumps(GOOD | {"interrupted": ["clinic", "lung_CT"]}))
    with pytest.raises(
        DataError, match="was stopped while it replaced the pictures of clinic in lung_CT.* Prepare that archive again"
    ):
        read_card(tmp_path)

"""Rows in columns are the rows that they were made of."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.datasets.official_table import Row
from prsbench.datasets.rows import Rows, Texts

BASE = Path("/data/root")
texts = st.text(st.characters(exclude_categories=()), max_size=8)
names = st.text("ab c.é", min_size=1, max_size=4).filter(lambda name: name.strip(".") != "")
lengths = st.floats(0.01, 10)
rows = st.builds(
    Row,
    sample_id=texts,
    mask=names.map(lambda name: BASE / "test_masks" / name),
    image=st.none() | names.map(lambda name: BASE / "test_images" / name),
    split=st.sampled_from(["train", "val", "test", "tset"]),
    question=texts,
    answer=texts,
    group=texts,
    where=st.builds("/data/root/line 3 {}.csv line {}".format, names, st.integers(1, 2**31 - 1)),
    spacing_mm=st.none() | st.tuples(lengths, lengths),
)


@given(st.lists(texts, max_size=9))
def test_texts_come_back_whatever_they_hold(given_texts):
    kept = Texts.of(given_texts)
    assert list(kept) == given_texts == kept[:] and len(kept) == len(given_texts)
    assert kept[::-2] == given_texts[::-2]


@given(st.lists(rows, max_size=9), st.data())
def test_each_row_comes_back_one_by_one_in_slices_by_split_and_after_pickling(given_rows, data):
    kept = Rows.of(BASE, given_rows)
    assert list(kept) == given_rows == list(pickle.loads(pickle.dumps(kept)))
    assert list(kept[1:]) == given_rows[1:] and list(kept.column("question")) == [row.question for row in given_rows]
    split = data.draw(st.sampled_from(["train", "tset", "none"]))
    assert list(kept.of_split(split)) == [row for row in given_rows if row.split == split]
    assert list(Rows.of(BASE, kept)) == given_rows


def test_past_the_end_there_is_no_row():
    with pytest.raises(IndexError):
        Rows.of(BASE, [])[0]
    with pytest.raises(IndexError):
        Texts.of(["a"])[1]

"""Selections: even draws, folds in which every image is tested once, and exclusions; the data folder is left as it is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.selection import (
    Selection,
    _in_proportion,
    _shares,
    read_excluded,
    read_selection,
    write_selection,
)
from prsbench.harness.contract.errors import DataError


def masks_of(dataset):
    return {row.mask.name: row.split for row in dataset.rows}


def test_a_selection_is_read_as_it_was_written_and_any_other_folder_is_none(tmp_path):
    selection = Selection(tmp_path, ("a/test_masks/b.png",), 7, 5, 2, 3)
    assert read_selection(write_selection(selection, tmp_path / "here")) == selection
    assert read_selection(tmp_path) is None


def test_excluded_pictures_lose_all_their_rows_and_no_file(root, tree_bytes):
    before = tree_bytes(root)
    (whole,) = open_root(root)
    left_out = whole.rows[0].mask.relative_to(root).as_posix()
    (taken,) = Selection(root, (left_out,)).apply([whole])
    assert len(masks_of(taken)) == 11 and whole.rows[0].mask.name not in masks_of(taken)
    assert "11 of 12 pictures are taken (1 excluded)" in taken.notes[-1]
    assert tree_bytes(root) == before


def test_a_path_that_no_table_names_is_refused(root):
    with pytest.raises(DataError, match="1 excluded paths are in no table .*nowhere.png"):
        Selection(root, ("nowhere.png",)).apply(open_root(root))


def test_every_picture_is_tested_once_over_all_folds_and_no_group_is_divided(root):
    (whole,) = open_root(root)
    tested = Counter()
    for fold in range(3):
        (taken,) = Selection(root, folds=3, fold=fold).apply([whole])
        tested.update(name for name, split in masks_of(taken).items() if split == "test")
        splits = {row.group: {other.split for other in taken.rows if other.group == row.group} for row in taken.rows}
        assert all(len(found) == 1 for found in splits.values())
        assert set(taken.splits) == {"train", "val", "test"} and len(taken.samples("test")) > 0
        asked = Counter((row.mask, row.question) for row in taken.rows if row.split == "test")
        assert set(asked.values()) == {1}
    assert tested == dict.fromkeys(masks_of(whole), 1)


def test_more_folds_than_groups_are_refused(root):
    with pytest.raises(DataError, match="each of 9 folds, got 6 groups"):
        Selection(root, folds=9).apply(open_root(root))


def test_a_limit_takes_whole_pictures_of_every_split_and_new_groups_first(root):
    (whole,) = open_root(root)
    (taken,) = Selection(root, limit=5).apply([whole])
    assert len(masks_of(taken)) == 5 and set(taken.splits) == {"train", "val", "test"}
    train = {row.mask: row.group for row in taken.rows if row.split == "train"}
    assert len(set(train.values())) == len(train), "no group gives its second picture before each gave its first"
    (again,) = Selection(root, limit=5).apply([whole])
    (other,) = Selection(root, limit=5, seed=1).apply([whole])
    assert masks_of(again) == masks_of(taken) != masks_of(other)


def test_a_limit_below_one_picture_of_each_split_is_refused(root):
    with pytest.raises(DataError, match="limit 2: expected a picture of every split"):
        Selection(root, limit=2).apply(open_root(root))


def test_a_list_may_hold_comments_reasons_and_back_slashes(tmp_path):
    (tmp_path / "list.txt").write_text("# head\n\nlung_CT\\test_masks\\1.png\t# why\nlung_CT/test_masks/2.png\n")
    assert read_excluded(tmp_path / "list.txt") == ("lung_CT/test_masks/1.png", "lung_CT/test_masks/2.png")


SIZES = st.dictionaries(st.text("abc", min_size=1), st.integers(1, 50), min_size=1, max_size=6)


@given(SIZES, st.integers(0, 200))
def test_equal_shares_use_the_limit_and_no_two_unfilled_names_differ_by_more_than_one(sizes, limit):
    shares = _shares(limit, sizes)
    assert sum(shares.values()) == min(limit, sum(sizes.values()))
    unfilled = [shares[name] for name in sizes if shares[name] < sizes[name]]
    assert not unfilled or max(unfilled) - min(unfilled) <= 1


@given(SIZES, st.integers(0, 200))
def test_proportions_add_up_with_at_least_one_and_at_most_all_of_each(sizes, more):
    count = len(sizes) + more
    shares = _in_proportion(count, sizes)
    assert sum(shares.values()) == min(count, sum(sizes.values()))
    assert all(1 <= shares[name] <= size for name, size in sizes.items())

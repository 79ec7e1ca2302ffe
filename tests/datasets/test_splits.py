"""Splits never divide a group and balance the number of images."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.datasets.splits import joined_groups, split_by_group
from prsbench.harness.contract.errors import DataError


def groups_of(at_least: int) -> st.SearchStrategy[list[str]]:
    sizes = st.lists(st.integers(1, 12), min_size=at_least, max_size=60)
    return sizes.map(lambda sizes: [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)])


GROUPS = groups_of(2)


@given(GROUPS, st.integers(0, 5))
def test_every_group_has_one_split_and_no_split_is_empty(groups, seed):
    chosen = split_by_group(groups, seed)
    assert set(chosen) == set(groups)
    assert set(chosen.values()) == ({"train", "test"} if len(chosen) == 2 else {"train", "val", "test"})


@given(GROUPS, st.integers(0, 5), st.randoms())
def test_the_order_of_the_images_does_not_matter(groups, seed, random):
    shuffled = list(groups)
    random.shuffle(shuffled)
    assert split_by_group(shuffled, seed) == split_by_group(groups, seed)


@given(groups_of(20), st.integers(0, 5))
def test_images_come_near_their_shares(groups, seed):
    chosen = split_by_group(groups, seed)
    images = Counter(chosen[group] for group in groups)
    largest = max(Counter(groups).values())
    for split, share in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        assert abs(images[split] - share * len(groups)) <= largest


def test_a_hundred_single_images_split_exactly_70_10_20():
    assert Counter(split_by_group([str(n) for n in range(100)], 0).values()) == {"train": 70, "val": 10, "test": 20}


def test_another_seed_gives_another_split():
    groups = [str(n) for n in range(40)]
    assert split_by_group(groups, 0) != split_by_group(groups, 1)
    assert split_by_group(groups, 1) == split_by_group(groups, 1)


def test_the_larger_of_two_groups_is_trained_on():
    assert split_by_group(["a"] * 3 + ["b"] * 9, 0) == {"b": "train", "a": "test"}


def test_a_single_group_is_refused_by_name():
    with pytest.raises(DataError, match="at least 2 groups.*got 1.*patient7"):
        split_by_group(["patient7"] * 5, 0)


def test_groups_that_share_a_picture_directly_or_through_others_become_one():
    groups, hashes = ["c", "b", "a", "d", "d", "e"], ["1", "1", "2", "1", "2", None]
    assert joined_groups(groups, hashes) == ["a", "a", "a", "a", "a", "e"]
    assert joined_groups(groups[::-1], hashes[::-1]) == ["e", "a", "a", "a", "a", "a"]


def test_groups_without_a_common_picture_stay_and_none_joins_nothing():
    assert joined_groups(["a", "a", "b", "c"], ["1", "1", None, None]) == ["a", "a", "b", "c"]
    assert joined_groups([], []) == []

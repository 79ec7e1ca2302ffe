"""Split into train, val and test by group (patient, video or case): no group is ever in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

from prsbench.harness.contract.errors import DataError

SPLITS = ("train", "val", "test")


def split_by_group(groups: Iterable[str], seed: int) -> dict[str, str]:
    """The split of each group, balanced by the number of images.

    Groups are placed from large to small, equal ones in the order of sha256(seed, group), each into the split that lacks most
    images.

    Args:
        groups: the group of each image, one entry per image, in any order.
        seed: other seeds give other splits of equal-sized groups.

    Returns:
        The split of each group. No split is empty, except val if there are only two groups.

    Raises:
        DataError: fewer than two groups, which cannot be split without a leak.
    """
    images = Counter(groups)
    if len(images) < 2:
        raise DataError(
            f"Expected at least 2 groups to split, got {len(images)} ({', '.join(images) or 'none'}): one patient, video or case "
            "cannot be in train and in test. Add cases, or correct the rule that names them."
        )
    wanted = dict(zip(SPLITS, (0.7, 0.1, 0.2), strict=True))  # shares of the images
    if len(images) == 2:
        del wanted["val"]
    lacking = {split: share * images.total() / sum(wanted.values()) for split, share in wanted.items()}
    chosen: dict[str, str] = {}
    order = _large_first(images, seed)
    for placed, group in enumerate(order):
        empty = [split for split in lacking if split not in chosen.values()]
        open_splits = empty if len(order) - placed == len(empty) else list(lacking)
        chosen[group] = max(open_splits, key=lacking.__getitem__)
        lacking[chosen[group]] -= images[group]
    return chosen


def folds_by_group(groups: Iterable[str], folds: int, seed: int) -> dict[str, int]:
    """The fold of each group, 0 to folds - 1, balanced by the number of images as `split_by_group` is.

    Raises:
        DataError: fewer groups than folds, of which one would be empty.
    """
    images = Counter(groups)
    if len(images) < folds:
        raise DataError(f"Expected at least one group for each of {folds} folds, got {len(images)} groups. Set fewer folds.")
    sizes = [0] * folds
    chosen: dict[str, int] = {}
    for group in _large_first(images, seed):
        chosen[group] = sizes.index(min(sizes))
        sizes[chosen[group]] += images[group]
    return chosen


def _large_first(images: Counter[str], seed: int) -> list[str]:
    """The groups from large to small, equal ones in the order of sha256(seed, group)."""
    return sorted(images, key=lambda group: (-images[group], sha256(f"{seed}/{group}".encode()).digest()))


def joined_groups(groups: Sequence[str], hashes: Sequence[str | None]) -> list[str]:
    """The group of each image where groups that share a picture, directly or through others, are one.

    Args:
        groups, hashes: of each image, in parallel; equal hashes mean the same picture, None one that joins nothing.

    Returns:
        One name per image: joined groups bear the name among theirs that sorts first, whatever the order of the images.
    """
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    first_with: dict[str, str] = {}
    for group, picture in zip(groups, hashes, strict=True):
        if picture is not None:
            first, last = sorted((root(group), root(first_with.setdefault(picture, group))))
            parent[last] = first
    return [root(group) for group in groups]

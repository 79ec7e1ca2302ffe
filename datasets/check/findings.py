"""What is wrong, or may be, with a data set: findings from the facts of its pictures."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from prsbench.datasets.check.duplicates import Pair
from prsbench.datasets.check.examined import Facts, Named
from prsbench.datasets.check.views import TURNS
from prsbench.datasets.official_table import places_in
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.position import NO_MASK, position_phrase

TINY_PIXELS = 16
TINY_SHARE = 0.0005
MANY_SPECKS = 5
_DIRECTIONS = {"top", "bottom", "left", "right"}


@dataclass(frozen=True, slots=True)
class Check:
    """One question that is asked of a data set. A problem makes the check fail; anything else is for the reader's eyes."""

    title: str
    is_problem: bool
    excluded: bool = False  # whether the pictures that are too many go to the list of `--exclude`


CHECKS: Mapping[str, Check] = {
    "table": Check("Problems of the table", True),
    "unreadable": Check("Files that cannot be used", True, excluded=True),
    "copy": Check("A copy of the mask in place of the image", True, excluded=True),
    "case": Check("By their names, one case in two splits", True, excluded=True),
    "same_across": Check("The same picture in two splits", True, excluded=True),
    "alike_across": Check("Nearly the same picture in two splits", True, excluded=True),
    "truths": Check("The same picture with two masks", True),
    "place": Check("The answer names another place than the mask", True),
    "same": Check("The same picture twice in a split", False, excluded=True),
    "alike": Check("Nearly the same picture in two groups of a split", False),
    "same_mask": Check("The same mask for two pictures", False),
    "empty": Check("Empty masks", False),
    "tiny": Check(f"Tiny masks: fewer than {TINY_PIXELS} pixels, or less than {TINY_SHARE:.2%} of the picture", False),
    "large": Check("Masks that cover more than half of the picture (are they inverted?)", False),
    "specks": Check(f"Masks with more than {MANY_SPECKS} specks besides the lesions", False),
    "count": Check("Counts that differ from the archive's or the card's", False),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. pictures are numbers; those in `excluded` go to the list of `--exclude`."""

    check: str
    sentence: str
    pictures: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()


Examined = Sequence[tuple[Named, Facts | str]]


def findings_of(pictures: Examined, pairs: Sequence[Pair]) -> list[Finding]:
    """All findings about the pictures, in the order of CHECKS; a str in place of facts says why the files cannot be used."""
    found = [*_unreadable(pictures), *_cases(pictures), *_same(pictures), *_alike(pictures, pairs), *_same_masks(pictures)]
    for number, (named, facts) in enumerate(pictures):
        if isinstance(facts, Facts):
            found += _of_one(number, named, facts)
    return sorted(found, key=lambda finding: list(CHECKS).index(finding.check))


def _of_one(number: int, named: Named, facts: Facts) -> Iterator[Finding]:
    def finding(check: str, sentence: str) -> Finding:
        return Finding(check, f"{named.image}: {sentence}", (number,), (number,) if CHECKS[check].excluded else ())

    if facts.is_copy:
        yield finding("copy", "the image is a copy of its mask.")
    if not facts.pixels:
        yield finding("empty", "the mask is empty.")
    elif facts.pixels < TINY_PIXELS or facts.foreground < TINY_SHARE:
        yield finding("tiny", f"the mask has {facts.pixels} pixels.")
    if facts.foreground > 0.5:
        yield finding("large", f"the mask covers {facts.foreground:.0%}.")
    if facts.specks > MANY_SPECKS:
        yield finding("specks", f"{facts.specks} specks besides {facts.lesions} lesions.")
    label = "" if facts.position == (NO_MASK,) else position_phrase(facts.position, facts.near_centre)
    wanted = places_in(label) & _DIRECTIONS
    for answer in dict.fromkeys(named.answers):
        places = places_in(answer)
        if label and places and places & _DIRECTIONS != wanted:
            yield finding("place", f"by its mask '{label}', but the answer says '{answer}'.")
            break


def _unreadable(pictures: Examined) -> Iterator[Finding]:
    for number, (_, facts) in enumerate(pictures):
        if isinstance(facts, str):
            yield Finding("unreadable", facts, (number,), (number,))


def _cases(pictures: Examined) -> Iterator[Finding]:
    """Pictures without groups whose names share what comes before the last number, if that holds a number itself."""
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, (named, _) in enumerate(pictures):
        case = re.sub(r"(?i)([ _.-]+[a-z]*)?[ _-]*\d+$", "", PurePosixPath(named.mask).stem)
        if named.group == named.mask and re.search(r"\d", case):
            members[named.dataset, case].append(number)
    for (_, case), numbers in members.items():
        splits = {pictures[number][0].split for number in numbers}
        if len(splits) > 1:
            too_many = _all_but_one_split(pictures, numbers)
            shown = _one_of_each_split(pictures, numbers)
            yield Finding("case", f"{case}: {len(numbers)} pictures in {_listed(splits)}.", shown, too_many)


def _same(pictures: Examined) -> Iterator[Finding]:
    for numbers in _equal(pictures, lambda facts: facts.image_hash):
        splits = {pictures[number][0].split for number in numbers}
        names = " = ".join(_name(pictures, number) for number in numbers)
        if len(splits) > 1:
            yield Finding("same_across", f"{names}.", numbers, _all_but_one_split(pictures, numbers))
        else:
            yield Finding("same", f"{names}.", numbers, numbers[1:])
        if len({facts.mask_hash for number in numbers if isinstance(facts := pictures[number][1], Facts)}) > 1:
            yield Finding("truths", f"{names}.", numbers)


def _same_masks(pictures: Examined) -> Iterator[Finding]:
    for numbers in _equal(pictures, lambda facts: facts.mask_hash if facts.pixels >= 64 and facts.foreground < 0.98 else None):
        if len({facts.image_hash for number in numbers if isinstance(facts := pictures[number][1], Facts)}) > 1:
            yield Finding("same_mask", f"{' = '.join(_name(pictures, number) for number in numbers)}.", numbers)


def _alike(pictures: Examined, pairs: Sequence[Pair]) -> Iterator[Finding]:
    """The most alike pair of each two pictures that are not equal pixel by pixel."""
    best: dict[frozenset[int], Pair] = {}
    for pair in sorted(pairs, key=lambda pair: (-pair.likeness, pair.one, pair.other)):
        best.setdefault(frozenset((pair.one, pair.other)), pair)
    for pair in best.values():
        (one, first), (other, second) = pictures[pair.one], pictures[pair.other]
        if isinstance(first, Facts) and isinstance(second, Facts) and first.image_hash != second.image_hash:
            numbers = pair.one, pair.other
            how = (
                f"{pair.turn}{', cropped' * pair.is_crop}" if pair.turn != TURNS[0] or pair.is_crop else "resized or saved again"
            )
            sentence = f"{_name(pictures, pair.one)} is like {_name(pictures, pair.other)} ({how}; likeness {pair.likeness:.2f})."
            if one.split != other.split:
                yield Finding("alike_across", sentence, numbers, _all_but_one_split(pictures, numbers))
            else:
                yield Finding("alike", sentence, numbers)


def _equal(pictures: Examined, key: Callable[[Facts], str | None]) -> Iterator[tuple[int, ...]]:
    members: dict[str, list[int]] = defaultdict(list)
    for number, (_, facts) in enumerate(pictures):
        if isinstance(facts, Facts) and (value := key(facts)) is not None:
            members[value].append(number)
    return (tuple(numbers) for numbers in members.values() if len(numbers) > 1)


def _all_but_one_split(pictures: Examined, numbers: Sequence[int]) -> tuple[int, ...]:
    """Those not in the last of their splits: a picture of the test split stays there, and goes from train and val."""
    splits = {number: pictures[number][0].split for number in numbers}
    kept = max(splits.values(), key=lambda split: SPLITS.index(split) if split in SPLITS else -1)
    return tuple(number for number in numbers if splits[number] != kept)


def _one_of_each_split(pictures: Examined, numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple({pictures[number][0].split: number for number in reversed(numbers)}.values())


def _name(pictures: Examined, number: int) -> str:
    named = pictures[number][0]
    return f"{named.image} ({named.split})"


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))

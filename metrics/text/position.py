"""Rule parser of positions in answers, and position accuracy against the official zones of the true mask. No learned model.

The parser prefers "not understood" to a guess: negated places, half images and conflicting words give no zone. If an answer
names several zones, all count ("or" reads like "and"), so naming more than the true ones is wrong. Compass words and clock hours
between the axes are quadrants; coordinates ("0.3 right, 0.2 down" of the centre, "30 % from the left, 70 % down") are points.
"left" and "right" are sides of the image, as in the official labels, never of the patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.families import OFFICIAL
from prsbench.harness.contract.position import NO_MASK, ZONES, zone_of_point
from prsbench.harness.contract.records import Record

_SYMBOLS = {
    **dict.fromkeys(("top", "upper", "superior", "above", "uppermost", "topmost", "north", "northern"), "top"),
    **dict.fromkeys(("bottom", "lower", "inferior", "below", "lowermost", "bottommost", "south", "southern"), "bottom"),
    **dict.fromkeys(("left", "leftmost", "west", "western"), "left"),
    **dict.fromkeys(("right", "rightmost", "east", "eastern"), "right"),
    **dict.fromkeys(("center", "centre", "central", "centrally", "centered", "centred", "middle", "midline"), "center"),
}

_CENTRE = r"(?:center|centre|middle|midline|central\s+(?:part|area|region|zone|point))"
_BEFORE_CENTRE = r"(?:(?:the|its|very|exact|geometric|image|image's|picture's)\s+){0,4}"
_NEARNESS = re.compile(
    r"\b(?P<negated>not\s+)?(?:(?:very|quite|fairly|relatively|rather|too|so)\s+)?"
    r"(?:(?P<near>near(?:by)?|close|closer|adjacent|next|proximal|towards?)|(?P<far>far|farther|further|away|distant|remote))"
    rf"(?:\s+(?:to|from|away\s+from))?\s+{_BEFORE_CENTRE}{_CENTRE}\b"
)
_TO_CENTRE = re.compile(rf"\b(?:from|to|than)\s+{_BEFORE_CENTRE}{_CENTRE}\b")  # "some way from the center": not a place in it
_COMPASS = re.compile(r"\b(north|south)\s*(east|west)(?:ern)?\b")
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_CLOCK = re.compile(
    rf"\b(1[0-2]|[1-9]|{'|'.join(_HOURS)})\s+o\s?'?\s?clock\b(?:\s+(?:of|relative\s+to)\s+{_BEFORE_CENTRE}{_CENTRE}\b)?"
)
_AT_HOUR = (  # from one o'clock on
    *("top right", "top right", "right", "bottom right", "bottom right", "bottom"),
    *("bottom left", "bottom left", "left", "top left", "top left", "top"),
)
# A coordinate along one axis: an offset from the centre in half-sides of the image, or a percentage from one of its ends.
_COORDINATE = re.compile(
    r"(?<![\d.])(\d+(?:\.\d+)?|\.\d+)(?:\s+(?:to\s+the\s+)?(?P<offset>left|right|up|down|above|below)\b"
    r"|\s*(?:%|percent\b|per\s+cent\b)\s*(?:(?:of\s+the\s+way\s+|in\s+|up\s+|down\s+)?from\s+the\s+(?P<end>left|right|top|bottom|upper|lower)\b"
    r"|(?:of\s+the\s+)?(?:way\s+)?(?P<along>across|down|up|width|height)\b))"
)
_ENDS = {
    "left": 1,
    "right": -1,
    "top": 1,
    "upper": 1,
    "bottom": -1,
    "lower": -1,
    "across": 1,
    "width": 1,
    "down": 1,
    "height": 1,
    "up": -1,
}
_ACROSS = ("left", "right", "across", "width")
_FINDING = (
    r"(?:tumou?rs?|lesions?|mass(?:es)?|polyps?|nodules?|abnormal(?:ity|ities)?|infections?|opacit(?:y|ies)|infiltrates?"
    r"|consolidations?|pneumonia|cancer|neoplasm|growth|disease|pathology|findings?|evidence|signs?|regions?|areas?|targets?"
    r"|masks?|objects?|structures?|lungs?)"
)
_NO_FINDING = rf"(?:\w+\s+){{0,3}}?{_FINDING}\b"
_NOTHING = re.compile(
    rf"\b(?:no|without|free\s+of|negative\s+for)\s+{_NO_FINDING}|\b(?:nothing|none|absent|absence)\b"
    r"|\bnot\s+(?:be\s+)?(?:\w+\s+)?(?:visible|seen|present|detected|found|identified|visuali[sz]ed|appreciated|observed)\b"
    rf"|\bnot\s+(?:show|contain|see|find|detect|reveal|identify)\s+{_NO_FINDING}"
    r"|\b(?:is|are|looks?|appears?)\s+(?:normal|healthy|unremarkable)\b"
)
_OTHERS = re.compile(rf"\bno\s+(?:other|further|additional|second|more)\s+{_NO_FINDING}|\bnothing\s+(?:else|more|further)\b")
_NEGATION = re.compile(r"\b(?:no|not|never|neither|nor|without|except|excluding|outside|instead\s+of|rather\s+than)\b")
# "in the right lung" is anatomy, not a position in the image; "lower right lung" is a position.
_ORGAN_SIDE = re.compile(
    r"(?<!upper )(?<!lower )(?<!top )(?<!bottom )\b(?:left|right)\s+(?:lungs?|breast|hemisphere|hemithorax)\b"
)
_V, _H = r"(top|upper|superior|bottom|lower|inferior)", r"(left|right)"
_PLACE_ENDS = r"(?=\s*(?:$|[,)]|of\b|(?:corner|quadrant|region|area|part|portion|side|zone)s?\b))"
# Two zones that share a word: "upper and lower left", "top left and right corners".
_SHARED = (
    *((re.compile(rf"\b{a}\s+and\s+(?:the\s+)?{a}\s+{b}\b"), r"\1 \3 and \2 \3") for a, b in ((_V, _H), (_H, _V))),
    *((re.compile(rf"\b{a}\s+{b}\s+and\s+(?:the\s+)?{b}\b{_PLACE_ENDS}"), r"\1 \2 and \1 \3") for a, b in ((_V, _H), (_H, _V))),
)
_CLAUSE_END = re.compile(r"[,:()&]|\b(?:and|or|as\s+well\s+as|plus|while|whereas|but|with)\b")


@dataclass(frozen=True, slots=True)
class ParsedPosition:
    """The position that the rule parser reads from an answer.

    zones are names of `contract.position.ZONES`. near is the distance word about the centre, None if there is none or both.
    nothing: the answer says that there is no finding. understood: it names a zone or says that there is no finding.
    points are those that it gives by coordinates, in the image frame and in its order; their zones are among the zones.
    places are the zones with the words "left", "top", ... that no zone explains; where there are such words, zones is empty.
    """

    zones: frozenset[str] = frozenset()
    near: bool | None = None
    nothing: bool = False
    points: tuple[tuple[float, float], ...] = ()
    places: frozenset[str] = frozenset()

    @property
    def understood(self) -> bool:
        return self.nothing or bool(self.zones)


@lru_cache(maxsize=16384)  # answers repeat, and each is read by several metrics
def parse(answer: str) -> ParsedPosition:
    """Parse an answer: whole words, any case. Text without a readable position gives an empty `ParsedPosition`.

    Example:
        >>> sorted(parse("Two lesions: upper-left, and in the lower right corner.").zones)
        ['bottom right', 'top left']
        >>> parse("The tumor is top right and far from the center").near
        False
        >>> parse("It is 0.3 right, 0.2 down of the center.").points
        ((0.3, 0.2),)
    """
    zones: set[str] = set()
    halves: set[str] = set()
    nearness: set[bool] = set()
    points: list[tuple[float, float]] = []
    nothing = refused = False
    for sentence in _sentences(answer):
        sentence = _OTHERS.sub(" ", sentence)
        names_place = any(word in _SYMBOLS for word in _words(sentence))
        nearness.update((match["near"] is not None) != (match["negated"] is not None) for match in _NEARNESS.finditer(sentence))
        given, sentence = _coordinates(_TO_CENTRE.sub(" ", _NEARNESS.sub(" ", sentence)))
        points += given
        says_nothing = _NOTHING.search(sentence) is not None
        refused |= names_place and (says_nothing or _NEGATION.search(sentence) is not None)
        nothing |= says_nothing
        for pattern, spelled_out in _SHARED:
            sentence = pattern.sub(spelled_out, sentence)
        sentence_zones, left_over = _zones(_ORGAN_SIDE.sub(" ", sentence))
        if given:
            of_points = {zone_of_point(x, y) for x, y in given}
            refused |= bool(
                left_over or sentence_zones - of_points - {"center"}
            )  # "of the center" is where they are counted from
            sentence_zones = of_points
        zones |= sentence_zones
        halves |= left_over
    zones |= _pairs(halves)  # "at the top, on the left"
    if refused or (nothing and zones | halves):
        return ParsedPosition()
    near = nearness.pop() if len(nearness) == 1 else None
    unexplained = halves - {half for zone in zones for half in zone.split()}
    if unexplained:
        return ParsedPosition(near=near, nothing=nothing, places=frozenset(zones | unexplained))
    return ParsedPosition(frozenset(zones), near, nothing, tuple(points), places=frozenset(zones))


def position_correct(answer: str, record: Record) -> float:
    """1.0 if the answer's zones are exactly the official zones of the true mask, else 0.0, missing text included.

    The lung rule's " center" suffix is ignored. Empty truth (see `absence_correct`), or a question of another family than the
    official one (see `families.place_correct`): NaN.
    """
    if record.position == (NO_MASK,) or record.family != OFFICIAL:
        return nan
    return float(parse(answer).zones == official_zones(record))


def distance_word_correct(answer: str, record: Record) -> float:
    """1.0 if the answer calls the lesion near or far from the centre as the official flag does, else 0.0.

    NaN unless the official position is a single quadrant, because only there does the reference say near or far, where the
    reference gives coordinates instead, and for a question of another family than the official one.
    """
    zones = official_zones(record)
    if record.family != OFFICIAL or len(zones) != 1 or zones <= {"center", NO_MASK} or parse(record.reference_answer).points:
        return nan
    return float(parse(answer).near is record.near_centre)


def absence_correct(answer: str, record: Record) -> float:
    """1.0 if the truth is empty and the answer says so, 0.0 if it says anything else. Truth not empty: NaN."""
    return float(parse(answer).nothing) if record.position == (NO_MASK,) else nan


def official_zones(record: Record) -> frozenset[str]:
    """The zones that an answer should name; {"no mask"} if the true mask is empty.

    They are those of the official label, without the lung rule's " center" suffix. Where the reference gives coordinates, they
    are the zones of its points: two lesions in opposite corners have the label "center", but their points are in the corners.
    """
    reference = parse(record.reference_answer)
    return reference.zones if reference.points else frozenset(phrase.removesuffix(" center") for phrase in record.position)


def _coordinates(sentence: str) -> tuple[list[tuple[float, float]], str]:
    """The points that pairs of coordinates give, and the sentence without coordinates. One without a partner gives no point."""
    points: list[tuple[float, float]] = []
    waiting: tuple[bool, float] | None = None
    for match in _COORDINATE.finditer(sentence):
        number, word = float(match[1]), match["offset"] or match["end"] or match["along"]
        is_across = word in _ACROSS
        sign = -1 if word in ("left", "up", "above") else 1
        value = sign * number if match["offset"] else _ENDS[word] * (number / 50 - 1)
        if waiting and waiting[0] != is_across and max(abs(value), abs(waiting[1])) <= 1:
            points.append((value, waiting[1]) if is_across else (waiting[1], value))
            waiting = None
        else:
            waiting = is_across, value
    return points, _COORDINATE.sub(" ", sentence)


def _sentences(answer: str) -> Iterator[str]:
    """Lower-case sentences, with contractions and joined words ("upper-left", "topleft") split into words."""
    text = re.sub(r"\b([NS])([EW])\b", lambda at: {"N": "north", "S": "south"}[at[1]] + {"E": "east", "W": "west"}[at[2]], answer)
    text = text.lower().replace("\u2019", "'")
    text = re.sub(r"n't\b|\bcannot\b", " not", text)
    text = re.sub(r"\b(top|bottom|upper|lower)(left|right)\b", r"\1 \2", re.sub(r"[-_/\u2010-\u2015]", " ", text))
    text = re.sub(r"\boff\s+cent(?:er|re)(?:e?d)?\b", " ", text)  # says neither near nor far
    text = _COMPASS.sub(lambda at: f"{_SYMBOLS[at[1]]} {_SYMBOLS[at[2]]}", text)
    text = _CLOCK.sub(lambda at: _AT_HOUR[_HOURS.index(at[1]) if at[1] in _HOURS else int(at[1]) - 1], text)
    return (sentence for sentence in re.split(r"(?:[!?;\n]|\.(?!\d))+", text) if sentence.strip())


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _zones(sentence: str) -> tuple[set[str], set[str]]:
    """Zones of a sentence, and the half-image words ("left", "top") that belong to no zone of their clause."""
    zones: set[str] = set()
    halves: set[str] = set()
    for clause in _CLAUSE_END.split(sentence):
        symbols = [_SYMBOLS[word] for word in _words(clause) if word in _SYMBOLS]
        if symbols and set(symbols) == {"center"}:
            zones.add("center")
        # Next to a direction, "center" only modifies it: "top left center", "center of the top left", "left of center".
        clause_zones, left_over = _pair_neighbours([symbol for symbol in symbols if symbol != "center"])
        zones |= clause_zones
        halves |= left_over
    return zones, halves


def _pair_neighbours(directions: Sequence[str]) -> tuple[set[str], set[str]]:
    """Map ("top", "left", "right") to ({"top left"}, {"right"}): neighbours on different axes form a zone, greedily."""
    zones: set[str] = set()
    halves: set[str] = set()
    at = 0
    while at < len(directions):
        pair = _pairs(set(directions[at : at + 2]))
        zones |= pair
        if not pair:
            halves.add(directions[at])
        at += 2 if pair else 1
    return zones, halves


def _pairs(halves: set[str]) -> set[str]:
    """The zone that consists of exactly these halves, if there is one."""
    return {zone for zone in ZONES if set(zone.split()) == halves}


_SIGNS = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "center": (0, 0)}
# Frame units along each axis, by the distance word: near, far, none. Rounded mean points of the random masks that
# `methods/text2centroid/grammar_pairs.py` draws; so is that of masks whose label names several zones.
_REACH = {True: 0.19, False: 0.43, None: 0.36}
_REACH_OF_SEVERAL = 0.25, 0.17  # across, down


def locate_by_rule(sentences: Sequence[str]) -> NDArray[np.float64]:
    """(N, 2) points in the image frame: the mean of the points given, else of masks in such zones; NaN if no zone is readable."""
    return np.array([_point(parse(sentence)) for sentence in sentences]).reshape(-1, 2)


def _point(parsed: ParsedPosition) -> tuple[float, float]:
    if not parsed.zones:
        return np.nan, np.nan
    if parsed.points:
        return float(np.mean([x for x, _ in parsed.points])), float(np.mean([y for _, y in parsed.points]))
    directions = [np.sum([_SIGNS[word] for word in zone.split()], axis=0) for zone in sorted(parsed.zones)]
    x, y = np.mean(directions, axis=0) * (_REACH[parsed.near] if len(directions) == 1 else _REACH_OF_SEVERAL)
    return float(x), float(y)

"""A seeded grammar of questions and answers about where something is in an image. Torch-free; the phrases are in `words.py`.

`Subject` is what a sentence is about, `Finding` what is true of a mask. A sentence says of the mask only what is true of it:
its official label, or the place of its centroid or of its lesions, exactly (percentages), roughly (compass, clock, thirds) or in
part (halves). Left and right are sides of the image, never of the patient.

Styles of an answer (`Style`):
    official    the words of an official label in a plain form, as data sets of this kind have them
    synonyms    the same with upper, superior, middle, centre and the like
    points      coordinates: "0.3 right, 0.2 down" of the centre, in half-sides of the image; one for each lesion
    wide        any family of words and any form, sometimes with typing errors
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import atan2, hypot, pi

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.position import (
    NO_MASK,
    lesion_points,
    official_lung_positions,
    official_position,
    offset_phrases,
    position_phrase,
)
from prsbench.methods.parts.language.grammar import words as W

XY = tuple[float, float]  # in the image frame: -1 to 1, x to the right, y down

NEAR_RADIUS, FAR_RADIUS = 0.4, 0.75  # frame units; what free sentences call near and far. Ours


class Style(StrEnum):
    OFFICIAL = "official"
    SYNONYMS = "synonyms"
    POINTS = "points"
    WIDE = "wide"


@dataclass(frozen=True, slots=True)
class Subject:
    """The noun of a target, the noun of its image, and a setting of `words.SETTINGS`."""

    noun: str
    image_noun: str
    plural: bool = False
    setting: str = "other"

    @property
    def is_lung(self) -> bool:
        """Whether masks of this subject have the two-phrase label of lungs."""
        return self.setting in ("lungs", "lung")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is true of a mask: its official label, and where its centroid and its lesions are.

    ("no mask",) is the empty mask's label. lesions are the centroids of the components that hold at least 8 % of the
    foreground, largest first. area is the foreground's fraction of the image.
    """

    position: tuple[str, ...]
    near_centre: bool
    centroid: XY = (0.0, 0.0)
    lesions: tuple[XY, ...] = field(default=())
    area: float = 0.0


def finding_of(mask: NDArray[np.bool_], is_lung: bool) -> Finding:
    """What is true of an (H, W) mask, labelled by the official rule for lungs or for all else."""
    position, near = official_position(mask)
    point = centroid(mask)
    if point is None:
        return Finding((NO_MASK,), False)
    return Finding(
        official_lung_positions(mask) if is_lung else (position,),
        near,
        (float(point.x), float(point.y)),
        tuple(lesion_points(mask)),
        float(mask.mean()),
    )


def sample_subject(rng: np.random.Generator, setting: str | None = None) -> Subject:
    """A random subject of a setting, or of any."""
    setting = setting or _pick(rng, tuple(W.SETTINGS))
    singular, plural, images = W.SETTINGS[setting]
    index = int(rng.integers(len(singular) + len(plural)))
    return Subject((*singular, *plural)[index], _pick(rng, images), index >= len(singular), setting)


def question(subject: Subject, rng: np.random.Generator) -> str:
    """A question about the subject."""
    return _filled(_pick(rng, W.QUESTIONS), subject, rng)


def answer(subject: Subject, finding: Finding, rng: np.random.Generator, style: Style = Style.WIDE) -> str:
    """A true sentence about the finding in this style; an empty mask gives a sentence that says so in any style."""
    if finding.position == (NO_MASK,):
        sentence = _filled(_pick(rng, W.ABSENT), subject, rng)
    elif style == Style.WIDE:
        sentence = _wide(subject, finding, rng)
    elif style == Style.POINTS:
        sentence = _filled(_pick(rng, W.POINTS), subject, rng, offset=offset_phrases(finding.lesions))
    else:
        place = _official(finding, () if style == Style.OFFICIAL else _pick(rng, W.SYNONYMS))
        sentence = _filled(_pick(rng, W.PLAIN), subject, rng, place=place)
    return _noisy(sentence, rng) if style == Style.WIDE else sentence


def placeless_answer(subject: Subject, rng: np.random.Generator) -> str:
    """A sentence that says nothing of the place."""
    return _filled(_pick(rng, W.PLACELESS), subject, rng)


# ---- wide answers ----


def _wide(subject: Subject, finding: Finding, rng: np.random.Generator) -> str:
    if len(finding.lesions) > 1 and rng.random() < 0.45:
        place = _several(subject, finding, rng)
    elif finding.area > 0.5 and rng.random() < 0.3:
        place = _pick(rng, W.FILLING)
    else:
        place = _place(subject, finding, rng)
    place = _filled(place, subject, rng)
    bare = re.sub(r"^(?:in|at|on|within|towards?|around|inside|over|to|about)\s+(?:the\s+)?", "", place)
    opener = _filled(_pick(rng, W.OPENERS), subject, rng)
    sentence = _filled(_pick(rng, W.WIDE), subject, rng, pp=place, np=bare)
    if opener and opener[-2] not in ".:" and not sentence.startswith(("I ", "I'")):
        sentence = sentence[0].lower() + sentence[1:] if not sentence[:2].isupper() else sentence
    return opener + sentence + _filled(_pick(rng, W.TAILS), subject, rng)


def _place(subject: Subject, finding: Finding, rng: np.random.Generator) -> str:
    """One place with its preposition: the official label's words, or where the centroid is."""
    if rng.random() < 0.18:
        article = _pick(rng, ("in the ", "at the ", "in the ", "", "in position ", "towards the "))
        return article + _official(finding, _pick(rng, W.SYNONYMS))
    if subject.setting in W.ANATOMY and rng.random() < 0.12:
        place = _anatomy(subject, finding, rng)
    else:
        place = _pick(rng, _FAMILIES)(finding, rng)
    place = place or _quadrant(finding, rng)
    return _contrasted(place, finding, rng) if rng.random() < 0.06 else place


def _official(finding: Finding, synonyms: Sequence[tuple[str, str]]) -> str:
    place = position_phrase(finding.position, finding.near_centre)
    for official, synonym in synonyms:
        place = place.replace(official, synonym)
    return place


def _quadrant(finding: Finding, rng: np.random.Generator) -> str:
    """A quadrant or the centre, by the label or by the centroid, with or without a word for the distance."""
    x, y = finding.centroid
    zones = set(finding.position)
    by_label = len(zones) == 1 and rng.random() < 0.5
    central = zones == {"center"} if by_label else hypot(x, y) < 0.25
    if central:
        words = _pick(rng, W.AT_CENTRE) if rng.random() < 0.75 else _pick(rng, W.CENTRALLY)
        return words.format(c=_pick(rng, W.CENTRE_WORDS), i="{i}")
    vertical, horizontal = (next(iter(zones)).split()[:2]) if by_label else (_SIDES_V[y > 0], _SIDES[0][x > 0])
    v, h = _pick(rng, W.UP if vertical == "top" else W.DOWN), horizontal
    pair = _pick(
        rng, (f"{v} {h}", f"{v} {h}", f"{v} {h}", f"{h} {v}", f"{v}-{h}", f"{v} {h}-hand", f"{v} left-hand".replace("left", h))
    )
    place = (
        _pick(rng, W.PREPOSITIONS)
        + " "
        + " ".join((pair, *([part] if (part := _pick(rng, W.PARTS)) else [])))
        + _pick(rng, W.OF_IMAGE)
    )
    if rng.random() < 0.12:
        v = "above" if vertical == "top" else "below"
        place = _pick(rng, (f"at the {vertical}, on the {h}", f"on the {h}, {v} the center", f"at the {vertical} and to the {h}",
                            f"on the {h} side, near the {vertical}", f"at the {vertical} of the {h} half",
                            f"in the {vertical} part, on the {h}"))  # fmt: skip
    return place + _distance(finding, by_label, rng)


def _distance(finding: Finding, by_label: bool, rng: np.random.Generator) -> str:
    """A clause on the distance from the centre, true by the label or by the centroid, or nothing."""
    radius = hypot(*finding.centroid)
    if rng.random() < 0.5:
        return ""
    if by_label:
        is_near, is_far = finding.near_centre, not finding.near_centre
    else:
        is_near, is_far = radius < NEAR_RADIUS, radius > FAR_RADIUS
    if not (is_near or is_far):
        return ""
    if is_far and radius > FAR_RADIUS and rng.random() < 0.4:
        words = _pick(rng, W.PERIPHERAL)
    else:
        words = f"{_pick(rng, W.NEAR if is_near else W.FAR)} the {_pick(rng, W.CENTRE_WORDS)}"
    if rng.random() < 0.08:
        return _pick(rng, W.DISTANCE_NOTES[is_near])
    return _pick(rng, (" and ", ", ", " but ", ", ", " and ")) + words


def _grid(finding: Finding, rng: np.random.Generator) -> str:
    x, y = (int(np.sign(value)) if abs(value) > 1 / 3 - 0.05 else 0 for value in finding.centroid)
    return _pick(rng, W.GRID_NAMES[x, y])


def _relative(finding: Finding, rng: np.random.Generator) -> str:
    x, y = finding.centroid
    if min(abs(x), abs(y)) < 0.06:
        return ""
    v, up = ("above", "up") if y < 0 else ("below", "down")
    return _pick(rng, W.RELATIVE_FORMS).format(v=v, up=up, h=_SIDES[0][x > 0], c=_pick(rng, W.CENTRE_WORDS))


def _compass(finding: Finding, rng: np.random.Generator) -> str:
    x, y = finding.centroid
    if hypot(x, y) < 0.15:
        return ""
    direction = W.COMPASS[round(atan2(y, x) / (pi / 4)) % 8]
    spelling = int(rng.integers(4))
    if spelling == 0:
        direction = direction.replace("-", "")
    if spelling == 1 and "-" in direction:
        direction = direction.replace("-", " ")
    initials = "".join(word[0].upper() for word in direction.replace("-", " ").split()) if "-" in direction else direction
    return _pick(rng, W.COMPASS_FORMS).format(d=direction, D=initials, i="{i}") + _distance(finding, False, rng)


def _clock(finding: Finding, rng: np.random.Generator) -> str:
    x, y = finding.centroid
    if hypot(x, y) < 0.15:
        return ""
    hour = round((atan2(y, x) / (2 * pi) + 0.25) * 12) % 12
    name = str(hour or 12) if rng.random() < 0.7 else W.HOURS[hour]
    return _pick(rng, W.CLOCK_FORMS).format(n=name) + _distance(finding, False, rng)


def _percent(finding: Finding, rng: np.random.Generator) -> str:
    step = int(rng.choice((1, 5, 10, 25)))
    unit, roughly = _pick(rng, W.UNITS), _pick(rng, W.ROUGHLY)
    along = []
    for value, ends in zip(finding.centroid, (("left", "right"), ("top", "bottom")), strict=True):
        end = int(rng.random() < 0.25)
        percent = round((1 - value if end else 1 + value) * 50 / step) * step
        number = W.FRACTIONS[percent] if percent in W.FRACTIONS and rng.random() < 0.3 else f"{percent}{unit}"
        along.append(_pick(rng, W.PERCENT_FROM[ends[end]]).format(n=number, f=f"{percent / 100:.{int(rng.integers(1, 3))}f}"))
    if rng.random() < 0.25:
        along.reverse()
    return roughly + _pick(rng, (", ", " and ", " and ", ", and ")).join(along)


def _offset(finding: Finding, rng: np.random.Generator) -> str:
    (x, u), (y, v) = (
        (f"{abs(value):.{int(rng.integers(1, 3))}f}", names[value > 0])
        for value, names in zip(finding.centroid, _SIDES, strict=True)
    )
    return _pick(rng, W.OFFSET_FORMS).format(x=x, y=y, u=u, v=v)


def _half(finding: Finding, rng: np.random.Generator) -> str:
    x, y = finding.centroid
    if rng.random() < 0.5:
        return _pick(rng, W.HALF_FORMS).format(h=_SIDES[0][x > 0]) if abs(x) > 0.1 else ""
    words = W.UP if y < 0 else W.DOWN
    return _pick(rng, W.VERTICAL_HALF_FORMS).format(v=_pick(rng, words), i="{i}") if abs(y) > 0.1 else ""


def _edge(finding: Finding, rng: np.random.Generator) -> str:
    """An edge of the image, often with a word for where along it, or a corner."""
    x, y = finding.centroid
    if min(abs(x), abs(y)) > 0.55:
        return _pick(rng, W.CORNER_FORMS).format(e=f"{_vertical(y, rng)} {_SIDES[0][x > 0]}")
    if max(abs(x), abs(y)) < 0.6:
        return ""
    if abs(x) > abs(y):
        edge, other, middle = _SIDES[0][x > 0], _SIDES_V[y > 0], "down"
    else:
        edge, other, middle = _vertical(y, rng), _SIDES[0][x > 0], "across"
    place = _pick(rng, W.EDGE_FORMS).format(e=edge)
    return place + (_pick(rng, W.SECOND_COORDINATE[middle if min(abs(x), abs(y)) < 0.2 else other]) if rng.random() < 0.6 else "")


def _degree(finding: Finding, rng: np.random.Generator) -> str:
    """How far from the centre along one axis or both: "slightly above the center", "off-centre to the upper left"."""
    x, y = finding.centroid
    c = _pick(rng, W.CENTRE_WORDS)
    if hypot(x, y) < 0.08:
        return ""
    directions = []
    for value, names in ((y, ("above", "below")), (x, ("left of", "right of"))):
        if abs(value) > 0.4 * max(abs(x), abs(y)):
            words = W.SLIGHTLY if abs(value) < 0.28 else W.WELL if abs(value) > 0.55 else ("",)
            name = names[value > 0]
            if name.endswith("of") and rng.random() < 0.5:
                name = f"to the {name}"
            directions.append(f"{_pick(rng, words)} {name}".strip())
    form = rng.random()
    if hypot(x, y) < 0.35 and form < 0.4:
        return _pick(rng, W.SHIFTED_FORMS).format(e=_towards(x, y, rng), c=c)
    if 0.3 < hypot(x, y) < 0.6 and form < 0.3:
        one_axis = len(directions) == 1
        return _pick(rng, W.HALFWAY_FORMS if one_axis else W.EXTENDS_FORMS).format(e=_towards(x, y, rng), c=c)
    if form < 0.55:
        way = " and ".join(re.sub(r"above", "up", re.sub(r"below", "down", d)).removesuffix(" of") for d in directions)
        return _pick(rng, W.PATH_FORMS).format(way=way, c=c)
    return _pick(rng, W.DEGREE_FORMS).format(d=" and ".join(directions), c=c, i="{i}")


def _closer(finding: Finding, rng: np.random.Generator) -> str:
    x, y = finding.centroid
    sides, ends = ("left", "right"), ("top", "bottom")
    if min(abs(x), abs(y)) < 0.12:
        return ""
    is_vertical = rng.random() < 0.5
    value, names, other = (y, ends, sides[x > 0]) if is_vertical else (x, sides, ends[y > 0])
    return _pick(rng, W.CLOSER_FORMS).format(near=names[value > 0], far=names[value < 0], other=other)


def _towards(x: float, y: float, rng: np.random.Generator) -> str:
    """A direction: "left", "top", or "upper left" where both axes count."""
    vertical, horizontal = _vertical(y, rng), _SIDES[0][x > 0]
    if min(abs(x), abs(y)) > 0.4 * max(abs(x), abs(y)):
        return f"{vertical} {horizontal}"
    return horizontal if abs(x) > abs(y) else _SIDES_V[y > 0]


def _vertical(y: float, rng: np.random.Generator) -> str:
    return _pick(rng, (("top", "upper") if y < 0 else ("bottom", "lower")))


def _contrasted(place: str, finding: Finding, rng: np.random.Generator) -> str:
    """The place after or before one that is denied."""
    x, y = finding.centroid
    wrong = [f"in the {('upper', 'lower')[y < 0]} {('left', 'right')[x < 0]}"]
    if hypot(x, y) > 0.3:
        wrong.append("in the center")
    if abs(x) > 0.2:
        wrong.append(f"on the {('left', 'right')[x < 0]}")
    if abs(y) > 0.2:
        wrong.append(f"at the {('top', 'bottom')[y < 0]}")
    return _pick(rng, W.CONTRASTS).format(wrong=_pick(rng, wrong), pp=place)


def _anatomy(subject: Subject, finding: Finding, rng: np.random.Generator) -> str:
    x, y = finding.centroid
    forms, ups, downs = W.ANATOMY[subject.setting]
    if min(abs(x), abs(y)) < 0.1:
        return ""
    form = _pick(rng, forms).format(h=_SIDES[0][x > 0], v=_pick(rng, ups if y < 0 else downs))
    return form + (" (sides of the image)" if rng.random() < 0.1 else "")


def _several(subject: Subject, finding: Finding, rng: np.random.Generator) -> str:
    """Each lesion's place by itself."""
    if subject.setting == "lungs" and rng.random() < 0.3:
        return _pick(rng, W.BOTH_SIDES)
    lesions = list(finding.lesions[:4])
    xs, ys = ([lesion[axis] for lesion in lesions] for axis in (0, 1))
    spread = max(max(xs) - min(xs), max(ys) - min(ys))
    if rng.random() < 0.3:  # what they share
        if min(xs) < -0.1 and max(xs) > 0.1 and (min(ys) > 0.1 or max(ys) < -0.1):
            return _pick(rng, W.BOTH_SIDES_AT).format(v="lower" if ys[0] > 0 else "upper")
        if min(ys) < -0.1 and max(ys) > 0.1 and (min(xs) > 0.1 or max(xs) < -0.1):
            return _pick(rng, W.STACKED_AT).format(h=_SIDES[0][xs[0] > 0])
        if spread < 0.5:
            return _pick(rng, W.ALL_IN).format(a=_quadrant(Finding(_zone_label(finding.centroid), False, finding.centroid), rng))
    if len(lesions) == 2 and rng.random() < 0.15:
        a, b = (_quadrant(Finding(_zone_label(point), hypot(*point) < NEAR_RADIUS, point), rng) for point in lesions)
        return _pick(rng, W.BY_SIZE).format(a=a, b=b)
    if rng.random() < 0.6:
        lesions.sort()
    singles = [Finding(_zone_label(point), hypot(*point) < NEAR_RADIUS, point, (point,)) for point in lesions]
    single_family = (_quadrant, _quadrant, _quadrant, _grid, _compass, _clock, _percent, _offset)[int(rng.integers(8))]
    places = [single_family(single, rng) or _quadrant(single, rng) for single in singles]
    if single_family is _quadrant and rng.random() < 0.3:
        places = [_plain_zone(single, rng) for single in singles]
    joiner = _pick(rng, W.JOINERS)
    opener = ""
    if rng.random() < 0.4:
        n, noun = W.COUNT_WORDS[len(lesions)], _pick(rng, ("lesions", "foci", "areas", "spots", "masses"))
        opener = _pick(rng, W.SEVERAL_OPENERS).format(n=n, N=n, ts=noun, i="{i}")
        opener = "" if len(lesions) != len(finding.lesions) else opener[:1].lower() + opener[1:]
    if len(places) == 2:
        return opener + ("one " if rng.random() < 0.3 else "") + joiner.join(places)
    return opener + ", ".join(places[:-1]) + " and " + places[-1]


def _plain_zone(finding: Finding, rng: np.random.Generator) -> str:
    zone = finding.position[0]
    for official, synonym in _pick(rng, W.SYNONYMS):
        zone = zone.replace(official, synonym)
    return zone


def _zone_label(point: XY) -> tuple[str, ...]:
    return ("center",) if hypot(*point) < 0.2 else (f"{_SIDES_V[point[1] > 0]} {_SIDES[0][point[0] > 0]}",)


# A family that cannot say where this finding is returns "".
_FAMILIES = (
    *(_quadrant,) * 7, *(_grid,) * 3, *(_degree,) * 4, _relative, _relative, _compass, _compass, _clock, _clock,
    *(_percent,) * 4, _offset, _half, _half, _edge, _edge, _closer,
)  # fmt: skip

# ---- forms and noise ----

_SIDES = (("left", "right"), ("up", "down"))  # negative, positive, along x and y
_SIDES_V = ("top", "bottom")


def _filled(form: str, subject: Subject, rng: np.random.Generator, **given: str) -> str:
    """The form with its slots filled; slots may hold slots."""
    noun, plural = subject.noun, subject.plural
    it, be = ("they", "are") if plural else ("it", "is")
    one = noun if plural else f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    known = {
        "t": noun, "T": _capital(noun), "i": subject.image_noun, "a_t": one, "A_t": _capital(one), "is": be,
        "Is": be.capitalize(), "it": it, "It": it.capitalize(), "it_is": f"{it} {be}", "It_is": f"{it.capitalize()} {be}",
        "its": "their" if plural else "its", "lies": "lie" if plural else "lies",
        "Pp": _capital(given.get("pp", "")), "Np": _capital(given.get("np", "")), **given,
    }  # fmt: skip

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in known:
            return known[name]
        return _filled(_pick(rng, W.SLOTS[name]), subject, rng)

    return re.sub(r"\{(\w+)\}", value, form)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _noisy(sentence: str, rng: np.random.Generator) -> str:
    """The sentence, sometimes in other case, with other punctuation or with typing errors."""
    draw = rng.random()
    if draw < 0.10:
        sentence = sentence.lower()
    elif draw < 0.13:
        sentence = sentence.upper()
    if rng.random() < 0.12:
        sentence = sentence.rstrip(".") + _pick(rng, ("", "", "!", " .", "...", ";"))
    if rng.random() < 0.05:
        sentence = sentence.replace(",", "")
    for _ in range(int(rng.choice(4, p=[0.86, 0.09, 0.03, 0.02]))):
        sentence = _mistyped(sentence, rng)
    return sentence


def _mistyped(sentence: str, rng: np.random.Generator) -> str:
    """One letter of a word of four letters or more is swapped with the next, left out, doubled or replaced."""
    places = [match.start() + i for match in re.finditer(r"[^\W\d_]{4,}", sentence) for i in range(1, len(match[0]) - 1)]
    if not places:
        return sentence
    at = places[int(rng.integers(len(places)))]
    before, letter, after = sentence[:at], sentence[at], sentence[at + 1 :]
    return _pick(rng, (before + after[:1] + letter + after[1:], before + after, before + letter * 2 + after,
                       before + "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))] + after))  # fmt: skip


def _pick(rng: np.random.Generator, options: Sequence):
    return options[int(rng.random() * len(options))]  # ten times as fast as rng.choice

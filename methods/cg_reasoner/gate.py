"""The gate of a Text2Centroid bridge: wrong place words must move its point.

A bridge that reads the image instead of the words has a small spatial loss and teaches nothing about words. So words and image
are crossed on samples that the training has not seen: the point must lie nearer to the place that the words name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.results import HELD_OUT
from prsbench.harness.contract.types import Sample
from prsbench.methods.cg_reasoner.model import CGReasoner
from prsbench.methods.images import resize_to_levels
from prsbench.methods.parts.training.word_augmentation import template_of

HEADER = ("bridge", "given", "n", "error to the place named", "error to the image's centroid")
RIGHT, WRONG_WORDS, OTHER_IMAGE = "right image, right words", "right image, wrong place words", "another image, right words"
MOST = 96  # samples: enough to tell, and cheap at every size
XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Crossing:
    """Words and an image given to a bridge, with the place that the words name and the centroid of the image's mask."""

    given: str
    image: NDArray[np.uint8]
    question: str
    answer: str
    place_named: XY
    place_shown: XY


@dataclass(frozen=True, slots=True)
class GateLine:
    """Mean distances, in the image frame (2 wide), of the points read from n crossings of one kind."""

    given: str
    n: int
    to_place_named: float
    to_place_shown: float

    @property
    def passes(self) -> bool:
        return self.given == RIGHT or self.to_place_named < self.to_place_shown

    def text(self, bridge: str) -> tuple[str, ...]:
        """The columns of `HEADER`."""
        return bridge, self.given, str(self.n), f"{self.to_place_named:.3f}", f"{self.to_place_shown:.3f}"


def crossings(samples: Sequence[Sample]) -> Iterator[Crossing]:
    """Three of each sample whose answer names its lesion's place and that has a partner: the next of its modality with another
    position label.

    At most `MOST` samples are used, evenly spaced. Wrong place words are the sample's answer with the partner's label; left out
    if the sample's label does not occur in it.
    """
    chosen = [samples[n] for n in range(0, len(samples), ceil(len(samples) / MOST) or 1)]
    asked = [sample for sample in chosen if FAMILIES[sample.truth.family].names_zones]
    located = [(sample, point) for sample in asked if (point := centroid(sample.truth.mask))]
    for n, (sample, point) in enumerate(located):
        query, truth = sample.query, sample.truth
        partners = (
            (other, place)
            for other, place in located[n + 1 :] + located[:n]
            if other.query.modality == query.modality and other.truth.position != truth.position
        )
        if (partner := next(partners, None)) is None:
            continue
        other, place = partner
        named, shown = (point.x, point.y), (place.x, place.y)
        yield Crossing(RIGHT, query.image, query.question, truth.answer, named, named)
        yield Crossing(OTHER_IMAGE, other.query.image, query.question, truth.answer, named, shown)
        if template := template_of(truth):
            wrong = template.with_place(other.truth.mask, query.modality)
            yield Crossing(WRONG_WORDS, query.image, query.question, wrong, shown, named)


def gate(model: CGReasoner, samples: Sequence[Sample], side_px: int, batch_size: int, device: str) -> list[GateLine]:
    """One line per kind of crossing that the samples allow.

    Raises:
        PrsbenchError: the model has no bridge.
    """
    kinds: dict[str, list[tuple[float, float]]] = {RIGHT: [], WRONG_WORDS: [], OTHER_IMAGE: []}
    crossed = list(crossings(samples))
    for start in range(0, len(crossed), batch_size):
        chunk = crossed[start : start + batch_size]
        image_B3SS = torch.stack([resize_to_levels(one.image, side_px) for one in chunk]).to(device).float() / 255
        points = model.points(image_B3SS, [one.question for one in chunk], [one.answer for one in chunk]).cpu().numpy()
        for one, point in zip(chunk, points, strict=True):
            kinds[one.given].append((_distance(point, one.place_named), _distance(point, one.place_shown)))
    return [GateLine(kind, len(errors), *np.mean(errors, axis=0).tolist()) for kind, errors in kinds.items() if errors]


def write_gate(lines: Sequence[tuple[str, ...]], folder: Path) -> None:
    """Write `held_out.csv`, which reports show; nothing if there are no lines."""
    if lines:
        with (folder / HELD_OUT).open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([HEADER, *lines])


def read_gate(folder: Path) -> list[tuple[str, ...]]:
    """The lines that `write_gate` wrote."""
    if not (folder / HELD_OUT).exists():
        return []
    with (folder / HELD_OUT).open(newline="") as stream:
        return [tuple(line) for line in csv.reader(stream)][1:]


def _distance(point: NDArray[np.float32], place: XY) -> float:
    return float(np.hypot(point[0] - place[0], point[1] - place[1]))

"""Held-out errors of Text2Centroid: distances of its points to the true centroids, by modality and position words."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.results import HELD_OUT
from prsbench.harness.contract.types import Sample

HEADER = ("by", "group", "n", "n new wording", "error", "median error", "error new wording", "error of mean point")
Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocatedAnswer:
    """A sentence about a lesion, and the lesion's centroid in the image frame (-1 to 1)."""

    answer: str
    modality: str
    position: str
    point: tuple[float, float]


def located_answers(samples: Sequence[Sample]) -> list[LocatedAnswer]:
    """The answers of the samples with a lesion, to questions about its place; the others have no position."""
    located = []
    for sample in samples:
        point = centroid(sample.truth.mask)
        if point is not None and FAMILIES[sample.truth.family].names_zones:
            position = " and ".join(sample.truth.position)
            located.append(LocatedAnswer(sample.truth.answer, sample.query.modality, position, (point.x, point.y)))
    return located


def error_lines(
    held_out: Sequence[LocatedAnswer], located_N2: NDArray[np.float32], known: Collection[str], mean_point: tuple[float, float]
) -> list[Line]:
    """One line per group, in the columns of `HEADER`; "-" where a group has no new wording.

    Args:
        located_N2: the points predicted for the sentences of held_out.
        known: the training sentences; all others are new wording.
        mean_point: the mean training centroid; always predicting it is the floor.
    """
    if not held_out:
        return []
    true_N2 = np.array([sentence.point for sentence in held_out])
    error_N = np.hypot(*(located_N2 - true_N2).T)
    floor_N = np.hypot(*(np.array(mean_point) - true_N2).T)
    is_new_N = np.array([sentence.answer not in known for sentence in held_out])
    kinds = {"all": ["all"] * len(held_out)}
    kinds |= {kind: [getattr(sentence, kind) for sentence in held_out] for kind in ("modality", "position")}
    lines: list[Line] = []
    for kind, names in kinds.items():
        for name in sorted(set(names)):
            chosen_N = np.array([other == name for other in names])
            new_N = chosen_N & is_new_N
            numbers = error_N[chosen_N].mean(), np.median(error_N[chosen_N]), error_N[new_N].sum() / max(new_N.sum(), 1)
            mean, median, new_mean = (f"{number:.3f}" for number in numbers)
            counts = str(chosen_N.sum()), str(new_N.sum())
            lines.append((kind, name, *counts, mean, median, new_mean if new_N.any() else "-", f"{floor_N[chosen_N].mean():.3f}"))
    return lines


def write_report(lines: Sequence[Line], folder: Path) -> None:
    """Write `held_out.csv`, which reports show, and the same table as `held_out.md`. Without lines, only the header."""
    with (folder / HELD_OUT).open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([HEADER, *lines])
    caption = "Distance to the true centroid on samples of the val split, -1 to 1 across the image."
    if not lines:
        caption = "This training was given no held-out sample with a lesion."
    rows = [f"| {' | '.join(line)} |" for line in (HEADER, ("---",) * len(HEADER), *lines)]
    (folder / HELD_OUT).with_suffix(".md").write_text("\n".join([caption, "", *rows, ""]))

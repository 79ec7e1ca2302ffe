"""How far Text2Centroid's points lie from the true centroids of samples it was not trained on, by modality and position word."""

# N sentences

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.records import HELD_OUT
from prsbench.harness.contract.types import Sample

HEADER = ("by", "group", "n", "n new wording", "error", "median error", "error new wording", "error of mean point")
Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A sentence about a lesion and where the lesion is, in the image frame (-1 to 1)."""

    answer: str
    modality: str
    position: str
    point: tuple[float, float]


def placed(samples: Sequence[Sample]) -> list[Placed]:
    """Those with a lesion: the others say nothing about a place."""
    found = []
    for sample in samples:
        point = centroid(sample.truth.mask)
        if point is not None:
            position = " and ".join(sample.truth.position)
            found.append(Placed(sample.truth.answer, sample.query.modality, position, (point.x, point.y)))
    return found


def error_lines(
    held_out: Sequence[Placed], located_N2: NDArray[np.float32], known: Collection[str], mean_point: tuple[float, float]
) -> list[Line]:
    """Distances of each group, under `HEADER`; "-" where there is none.

    Args:
        located_N2: the points that the sentences of held_out were sent to.
        known: the sentences of the training; the others are new wording.
        mean_point: of the training's centroids, the best answer to a sentence not read: the floor.
    """
    if not held_out:
        return []
    true_N2 = np.array([one.point for one in held_out])
    error_N = np.hypot(*(located_N2 - true_N2).T)
    floor_N = np.hypot(*(np.array(mean_point) - true_N2).T)
    is_new_N = np.array([one.answer not in known for one in held_out])
    kinds = {"all": ["all"] * len(held_out)}
    kinds |= {kind: [getattr(one, kind) for one in held_out] for kind in ("modality", "position")}
    lines = []
    for kind, names in kinds.items():
        for name in sorted(set(names)):
            chosen_N = np.array([other == name for other in names])
            new_N = chosen_N & is_new_N
            numbers = error_N[chosen_N].mean(), np.median(error_N[chosen_N]), error_N[new_N].sum() / max(new_N.sum(), 1)
            mean, median, of_new = (f"{number:.3f}" for number in numbers)
            counts = str(chosen_N.sum()), str(new_N.sum())
            lines.append((kind, name, *counts, mean, median, of_new if new_N.any() else "-", f"{floor_N[chosen_N].mean():.3f}"))
    return lines


def write_report(lines: Sequence[Line], folder: Path) -> None:
    """`held_out.csv`, which reports show, and the same as `held_out.md`. Without lines the header alone."""
    with (folder / HELD_OUT).open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([HEADER, *lines])
    said = ["Distance to the true centroid on samples of the val split, -1 to 1 across the image."]
    if not lines:
        said = ["There was no held-out sample with a lesion: this training was given none."]
    rows = [f"| {' | '.join(line)} |" for line in (HEADER, ("---",) * len(HEADER), *lines)]
    (folder / HELD_OUT).with_suffix(".md").write_text("\n".join([*said, "", *rows, ""]))

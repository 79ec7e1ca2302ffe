"""Verdicts on an effect that a setting looks for: seen, refuted or open, by a rule fixed before any of its runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import isfinite

from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.report.statistics.means_and_differences import PairedDifference, paired_differences
from prsbench.harness.report.statistics.rows import Row
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.subgroups import LESIONS, by_lesion_count, restricted
from prsbench.harness.report.tables.table import Table, judges_of, marked, number_text, text_table
from prsbench.metrics.catalog import METRICS

JUDGED = ("position_accuracy", "centroid_error_of_text")  # the first decides, the second stands beside it
SEEN, REFUTED, SEEDS, IMAGES = 0.03, 0.02, 5, 100
RULE = (
    f"Rule: {SEEDS} seeds, {IMAGES} test images in every modality; position accuracy first, text centroid error second. Seen: a "
    f"difference of at least {SEEN} whose nested 95 % interval excludes 0. Refuted: that interval lies within +-{REFUTED}. "
    "Anything else is open."
)
_WITH = ("bridge", "losses.spatial_weight")  # the keys that bring the effect; the control has the value of _WITHOUT
_WITHOUT = {"bridge": "none", "losses.spatial_weight": "0.0"}
_NUMBERS = ("without it", "with it", "difference", "95% low", "95% high", "sd over seeds", "groups", "trainings")


def verdicts(rows: Sequence[Row]) -> Table | None:
    """Each row with the spatial loss minus the row that differs from it by having none; None without such a pair.

    Rows are those of a sweep whose variants hold `bridge` or `losses.spatial_weight`.
    """
    known = {(row.method, row.data_kind, row.protocol): row for row in rows}
    pairs = [
        (row, control)
        for row in rows
        if (control := known.get((_control_of(row.method), row.data_kind, row.protocol))) is not None and control is not row
    ]
    if not pairs:
        return None
    lines = []
    members = by_lesion_count([row for pair in pairs for row in pair])
    scopes = (None, *(LESIONS if len(set(members.values())) > 1 else ()))
    for row, control in pairs:
        images = _images(row)
        names = [one.method.partition(VARIANT_MARK)[2] for one in (row, control)]
        for scope in scopes:
            sides = [restricted(one.cells, members, scope) if scope else one.cells for one in (row, control)]
            for metric, paired in zip(JUDGED, paired_differences(sides[0], sides[1], JUDGED), strict=True):
                label = [marked(METRICS[metric].title, metric, row, control), scope or "all"]
                means = [number_text(value) for value in (paired.second, paired.first)]
                found = [number_text(value, "+z.3f") for value in (paired.difference, paired.low, paired.high)]
                numbers = [*means, *found, number_text(paired.sd_over_seeds), str(paired.n_groups), str(paired.n_seeds)]
                word = "-" if scope else verdict(metric, paired, images)  # the rule is about all images
                lines.append([*names, *label, row.data_kind.label, judges_of((row, control)), *numbers, word])
    labels = ("with", "without", "metric", "images", "data kind", "judge")
    notes = [*_notes(len(pairs), len(scopes) > 1), *footnotes.of_data([row for pair in pairs for row in pair])]
    return text_table("verdicts", "Verdicts", RULE, labels, _NUMBERS, lines, notes, remarks=("verdict",))


def verdict(metric: str, paired: PairedDifference, images: int) -> str:
    """The rule's word on a difference, and for an open one how many seeds would settle it."""
    if not isfinite(paired.low):
        return f"open: {paired.reason}"
    if paired.n_seeds < SEEDS or images < IMAGES:
        return f"open: the rule asks for {SEEDS} seeds and {IMAGES} images, got {paired.n_seeds} and {images}"
    size = abs(paired.difference)
    if paired.low >= -REFUTED and paired.high <= REFUTED:
        return "refuted"
    if size >= SEEN and (paired.low > 0 or paired.high < 0):
        return "seen: better" if (paired.difference > 0) == METRICS[metric].higher_is_better else "seen: worse"
    if REFUTED <= size < SEEN:
        return f"open: a difference between {REFUTED} and {SEEN} is neither, with any number of seeds"
    seeds = paired.seeds_for(size if size >= SEEN else REFUTED - size)
    enough = f"{seeds} seeds would settle it" if seeds else "more images are needed"
    return f"open: if the difference stays, {enough}"


def _notes(n_pairs: int, has_parts: bool) -> list[str]:
    parts = " Those of images with one lesion and with several leave out modalities without such images." if has_parts else ""
    several = f"{n_pairs} pairs, each judged by itself: about one interval in twenty leaves out 0 where there is no effect."
    return [f"Numbers are means over modalities.{parts}", *([several] if n_pairs > 1 else [])]


def _control_of(method: str) -> str:
    """The row's name with every key that brings the effect set to none."""
    name, mark, variant = method.partition(VARIANT_MARK)
    for key in _WITH:
        variant = re.sub(rf"(^|,){re.escape(key)}=[^,]*", rf"\g<1>{key}={_WITHOUT[key]}", variant)
    return f"{name}{mark}{variant}"


def _images(row: Row) -> int:
    """Test images of the modality with the fewest, in one seed."""
    seed = row.cells[0].seed
    of_modality = Counter[str]()
    for cell in row.cells:
        if cell.seed == seed:
            of_modality[cell.modality] += cell.n_manifest
    return min(of_modality.values())

"""Families of questions: what each asks, by which rule its true answer follows from the mask, and how its answers are scored.

Data sets write questions of these families, records name the family, metrics read the answers. A lesion is an 8-connected
component with at least 8 % of the mask's foreground. Left and right are sides of the image, but for `patient-side`. Of an empty
mask only `where`, `count` and `presence` are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prsbench.harness.contract.errors import ConfigError, unknown_name

OFFICIAL = "where"  # the only family of the official tables, and of those without a column `family`


@dataclass(frozen=True, slots=True)
class Family:
    """One family: its name in tables and records, and the rule of its true answer.

    states_place: an answer names places in the image, so that position accuracy is defined; the others have answer accuracy.
    names_zones: its places are zones (`contract.position.ZONES`), so that PRScore is defined.
    """

    name: str
    rule: str
    states_place: bool = False
    names_zones: bool = False


FAMILIES = {
    family.name: family
    for family in (
        Family(OFFICIAL, "the official label of the mask", True, True),
        Family("where-centroid", "zone of the mask's centroid: a quadrant, or within 0.2 half sides the center", True, True),
        Family("where-3x3", "which of 3 x 3 equal cells of the image holds the mask's centroid", True),
        Family("where-lesions", "zone of each lesion's centroid, so that the answer is true of every lesion", True, True),
        Family("quadrant", "quadrant of each lesion's centroid", True, True),
        Family("near-far", "near: a lesion's centroid is within 0.2 image widths of the centre; not asked where lesions differ"),
        Family("near-border", "near: a pixel of the mask lies in the outer 5 % of the image's width or height"),
        Family("side", "half of the image, left or right, of each lesion's centroid"),
        Family("patient-side", "as side, but of the patient, whose right is on the image's left (radiological convention)"),
        Family("count", "number of lesions"),
        Family("relation", "where the larger of two lesions lies from the smaller, on the axis on which they are farther apart"),
        Family("size", "share of the image that the mask covers: small below 2 %, medium below 10 %, else large"),
        Family("presence", "whether the mask has a pixel"),
        Family("choice", "zone of the lesions, among four that the question offers; not asked where their zones differ"),
    )
}


def check_families(names: Sequence[str]) -> None:
    """Raise ConfigError unless these are names of families, at least one, each once."""
    for name in names:
        if name not in FAMILIES:
            raise unknown_name("family of questions", name, FAMILIES)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"families: expected names of families, each once, got '{' '.join(names)}'. Correct the list.")

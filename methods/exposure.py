"""Whether a checkpoint's training has seen the data sets it may be tested on, as far as public sources say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Exposure(StrEnum):
    """A checkpoint that has seen the test images competes with an answer sheet; one nobody knows about may."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one checkpoint: the data sets its training saw, and whether that list is all it saw."""

    seen: tuple[str, ...]
    complete: bool
    source: str


_PHOTOGRAPHS = Record((), True, "SA-1B: 11 M licensed photographs (Kirillov et al., 2023)")
_UNDISCLOSED = "; the web images that CLIP and LLaVA saw before are not listed"
_OF_LISA = "ADE20K, COCO, PASCAL-Part, PACO, Mapillary, RefCOCO, ReasonSeg"
_OF_PIXELLM = "ADE20K, COCO, PASCAL-Part, PACO, Mapillary, RefCOCO, MUSE"
_LISA = Record((), False, f"LISA's public training data are photographs, {_OF_LISA}{_UNDISCLOSED}")
_PIXELLM = Record((), False, f"PixelLM's public training data are photographs, {_OF_PIXELLM}{_UNDISCLOSED}")
RECORDS = {
    "sam_vit_b": _PHOTOGRAPHS,
    "sam_vit_l": _PHOTOGRAPHS,
    "sam_vit_h": _PHOTOGRAPHS,
    "mobile_sam": _PHOTOGRAPHS,
    "tiny_sam": _PHOTOGRAPHS,
    "sam_med2d": Record(("Kvasir-SEG", "CVC-ClinicDB"), False, "SAM-Med2D's data list names these among many"),
    **dict.fromkeys(("lisa_7b", "lisa_13b"), _LISA),
    **dict.fromkeys(("pixellm_7b", "pixellm_13b"), _PIXELLM),
    "biomedparse": Record(("BUSI", "COVID-QU-Ex", "ISIC 2018"), False, "BiomedParseData's list names these among many"),
}


def exposure(checkpoint: str, dataset: str) -> Exposure:
    """Whether this checkpoint's training saw this data set; unknown unless a source says yes, or says what all of it was."""
    record = RECORDS.get(checkpoint)
    if record is None:
        return Exposure.UNKNOWN
    if dataset in record.seen:
        return Exposure.YES
    return Exposure.NO if record.complete else Exposure.UNKNOWN


def exposure_note(checkpoint: str) -> str:
    """The sentence a row carries."""
    record = RECORDS.get(checkpoint)
    if record is None:
        return "pre-training exposure to the test data: unknown"
    if not record.seen:
        return f"pre-training exposure to the test data: {'no' if record.complete else 'unknown'} ({record.source})"
    rest = "" if record.complete else "; unknown for others"
    return f"pre-training exposure to the test data: yes for {', '.join(record.seen)}{rest} ({record.source})"

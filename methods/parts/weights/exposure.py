"""Contamination: whether a checkpoint's training data include the data sets it may be tested on, as far as public sources say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from prsbench.harness.contract.types import SeenData


class Exposure(StrEnum):
    """Whether the training saw the test images, which is an unfair advantage."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is known about one checkpoint: the data sets its training saw, and whether that list is complete.

    part: which part of each data set, where that is known; it need not be the train split of a prepared data set, so that a test
    image counts as seen.
    """

    seen: tuple[str, ...]
    complete: bool
    source: str
    part: str = ""


DATA_SETS = ("LGG", "BUSI", "CVC-ClinicDB", "PH2", "PRS-Med (MMRS)")  # data sets that prsbench tests on by name
_RANDOM_START = "random start"

_PHOTOGRAPHS = TrainingData((), True, "SA-1B: 11 M licensed photographs (Kirillov et al., 2023)")
_UNDISCLOSED = "; the web images used to train CLIP and LLaVA are not listed"
_OF_LISA = "ADE20K, COCO, PASCAL-Part, PACO, Mapillary, RefCOCO, ReasonSeg"
_OF_PIXELLM = "ADE20K, COCO, PASCAL-Part, PACO, Mapillary, RefCOCO, MUSE"
_OF_GROUNDING_DINO = "COCO, Objects365, GoldG, Cap4M, OpenImages, ODinW, RefCOCO"
_OF_BIOMEDPARSE = (
    *("LGG", "BUSI", "COVID-QU-Ex", "ISIC 2018", "PolypGen", "NeoPolyp", "QaTa-COV19"),
    "CXR Masks and Labels (Shenzhen, Montgomery)",
)
_OWN_SPLIT = "80 % of the images by its own split"
_MEDSAM = TrainingData((), False, "1.57 M image-mask pairs of public data sets (Ma et al., 2024), whose list was not checked")
_LISA = TrainingData((), False, f"LISA's public training data are photographs, {_OF_LISA}{_UNDISCLOSED}")
_PIXELLM = TrainingData((), False, f"PixelLM's public training data are photographs, {_OF_PIXELLM}{_UNDISCLOSED}")
TRAINING_DATA = {
    "sam_vit_b": _PHOTOGRAPHS,
    "sam_vit_l": _PHOTOGRAPHS,
    "sam_vit_h": _PHOTOGRAPHS,
    "mobile_sam": _PHOTOGRAPHS,
    "tiny_sam": _PHOTOGRAPHS,
    "sam_med2d": TrainingData(
        ("Kvasir-SEG", "CVC-ClinicDB"),
        False,
        "SAM-Med2D's data list names these among many",
        f"{_OWN_SPLIT}, which was not checked",
    ),
    **dict.fromkeys(("lisa_7b", "lisa_13b"), _LISA),
    **dict.fromkeys(("pixellm_7b", "pixellm_13b"), _PIXELLM),
    **dict.fromkeys(("medsam", "lite_medsam"), _MEDSAM),
    "biomedparse": TrainingData(
        _OF_BIOMEDPARSE, False, "its repository's results by data set, for the data it was trained on", _OWN_SPLIT
    ),
    "prs_med": TrainingData(
        ("PRS-Med (MMRS)",), False, "MMRS was compiled from public archives, not all of them named", "the train split"
    ),
    "grounding_dino": TrainingData((), False, f"Grounding-DINO's public training data are photographs, {_OF_GROUNDING_DINO}"),
    "imagenet_1k": TrainingData((), True, "the backbone starts from ImageNet-1k, 1.28 M photographs (Russakovsky et al., 2015)"),
    _RANDOM_START: TrainingData((), True, "it starts from random weights"),
}
KNOWN = tuple(dict.fromkeys((*DATA_SETS, *(name for data in TRAINING_DATA.values() for name in data.seen))))


def exposure(checkpoint: str, dataset: str) -> Exposure:
    """Whether this checkpoint's training saw this data set; unknown unless a source says yes or lists all of it."""
    data = TRAINING_DATA.get(checkpoint)
    if data is None:
        return Exposure.UNKNOWN
    if dataset in data.seen:
        return Exposure.YES
    return Exposure.NO if data.complete else Exposure.UNKNOWN


def exposure_note(checkpoint: str) -> str:
    """A row's footnote: the verdict for each data set by name, and its source."""
    prefix = "pre-training exposure to the test data"
    data = TRAINING_DATA.get(checkpoint)
    if data is None:
        return f"{prefix}: unknown"
    rest = Exposure.NO if data.complete else Exposure.UNKNOWN
    if not data.seen:
        return f"{prefix}: {rest} ({data.source})"
    names: dict[Exposure, list[str]] = {Exposure.YES: [], rest: []}
    for name in dict.fromkeys((*data.seen, *DATA_SETS)):
        names[exposure(checkpoint, name)].append(name)
    parts = {Exposure.YES: f" ({data.part})" if data.part else "", rest: ""}
    verdicts = "; ".join(f"{verdict} for {', '.join(of)}{parts[verdict]}" for verdict, of in names.items() if of)
    return f"{prefix}: {verdicts} and all others ({data.source})"


def seen_by(checkpoint: str) -> tuple[SeenData, ...]:
    """The data sets that this checkpoint's training certainly saw: what a row's labels hold of its `exposure_note`."""
    data = TRAINING_DATA.get(checkpoint)
    return tuple(SeenData(name, data.part or "unknown", data.source) for name in data.seen) if data else ()


def random_start_note() -> str:
    """The footnote of a row whose weights are all trained here."""
    return exposure_note(_RANDOM_START)

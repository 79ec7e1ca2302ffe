"""Types that data sets, methods and metrics exchange. `Query` cannot hold the answer; `Truth` never reaches `predict`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.families import OFFICIAL

MOST_ANSWER_CHARACTERS = 10_000  # of an answer; the longest sensible ones have a tenth of it


class DataKind(StrEnum):
    """Whether the pixels come from patients; a folder that does not say is `UNDECLARED`, never assumed real."""

    SYNTHETIC = "synthetic"
    REAL = "real"
    UNDECLARED = "undeclared"

    @property
    def label(self) -> str:
        """As tables and pages write it: in capitals unless the images are real."""
        return str(self) if self is DataKind.REAL else str(self).upper()


class PromptSource(StrEnum):
    """What a method is given in addition to the image. Rows of different sources are not comparable."""

    QUESTION = "question"
    ORACLE_BOX = "oracle box"
    JITTERED_BOX = "jittered box"
    ORACLE_POINT = "oracle point"
    AUTOMATIC = "automatic"
    TRUTH = "truth"  # reference rows only: floors and ceilings computed from the answer
    NONE = "none"  # ignores image and question


class Weights(StrEnum):
    """Where a method's parameters come from."""

    TRAINED_HERE = "trained here"
    OFFICIAL = "official checkpoint"
    IMPORTED = "imported checkpoint"  # trained by this project, in another run
    PACKAGED = "packaged checkpoint"
    STATED = "stated by the user"  # of predictions made elsewhere: nothing of it can be checked
    RANDOM = "RANDOM"  # loud on purpose: nothing was loaded and nothing trained
    NONE = "none"


class TextSource(StrEnum):
    """Where the answer's text comes from."""

    GENERATED = "generated"
    OWN_MASK = "templated from own mask"
    CONSTANT = "constant"
    TRUTH = "truth"


@dataclass(frozen=True, slots=True)
class SeenData:
    """A data set of which a row's weights have seen images in training, elsewhere.

    split is what they saw of it: "train", "all", a part in words, or "unknown". source says where that is stated.
    """

    dataset: str
    split: str
    source: str


@dataclass(frozen=True, slots=True)
class Labels:
    """What every row discloses of its method. `notes` are further facts that a reader must see (stand-ins, missing packages).

    seen names the data sets that its weights have certainly seen, so that a report can leave the row out.
    """

    prompt_source: PromptSource
    weights: Weights
    text_source: TextSource
    notes: tuple[str, ...] = ()
    seen: tuple[SeenData, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; without `seen` if it is empty, as in labels of older versions."""
        names = ("prompt_source", "weights", "text_source")
        seen = {"seen": [asdict(data) for data in self.seen]} if self.seen else {}
        return {**{name: str(getattr(self, name)) for name in names}, "notes": list(self.notes), **seen}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        sources = PromptSource(data["prompt_source"]), Weights(data["weights"]), TextSource(data["text_source"])
        return cls(*sources, tuple(data["notes"]), tuple(SeenData(**seen) for seen in data.get("seen", ())))


@dataclass(frozen=True, slots=True)
class Point:
    """A point in the image frame: x right, y down, -1 to +1 from edge to edge, half-pixel centres."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in native pixels, half-open: columns [left, right), rows [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Query:
    """All that `predict` ever sees.

    image is (H, W, 3) uint8 at native size. box is None unless the row's prompt source is an oracle or jittered box, and point
    (x, y in native pixels) unless it is an oracle point.
    """

    sample_id: str
    image: NDArray[np.uint8]
    question: str
    modality: str
    box: Box | None = None
    point: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """The reference: goes to `fit` (train and val) and to metrics, never to `predict`.

    mask is (H, W) bool at native size, all False if there is nothing to find.
    position is the official label computed from the mask (`contract.position`), for example
    ("top left",) or ("top left", "bottom right") for the two-phrase rule; ("no mask",) if empty.
    near_centre is the official near/far flag. position_of_centroid is the zone of the true centroid, "no mask" if empty.
    spacing_mm is the height and width of a pixel, None if the data set does not state it. family is what kind of question the
    answer is to (`contract.families`).
    """

    mask: NDArray[np.bool_]
    answer: str
    position: tuple[str, ...]
    near_centre: bool
    position_of_centroid: str
    spacing_mm: tuple[float, float] | None = None
    family: str = OFFICIAL


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about one image. `group` is the patient, video or case: neither splits nor statistics divide it."""

    query: Query
    truth: Truth
    group: str
    split: str
    data_kind: DataKind

    @property
    def sample_id(self) -> str:
        return self.query.sample_id


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a method returns for one query.

    probability is (H, W) float32 in [0, 1] at the query's native size, unstretched. answer is the sentence ("" if none), of
    MOST_ANSWER_CHARACTERS at most.
    seconds is the method's wall time for this query, 0 or more.
    """

    probability: NDArray[np.float32]
    answer: str
    seconds: float


def check_labels(labels: object) -> None:
    """Raise ContractError unless these are Labels whose notes are texts."""
    if not isinstance(labels, Labels):
        raise ContractError(f"labels must be Labels, got {type(labels).__name__}. Correct the method's `labels`.")
    for name, kind in (("prompt_source", PromptSource), ("weights", Weights), ("text_source", TextSource)):
        value = getattr(labels, name)
        if value not in list(kind):
            raise ContractError(f"labels.{name} must be a {kind.__name__}, got {value!r}. Correct the method's `labels`.")
    notes = labels.notes
    if not isinstance(notes, tuple | list) or not all(isinstance(note, str) for note in notes):
        raise ContractError(f"labels.notes must be a tuple of texts, got {notes!r}. Correct the method's `labels`.")
    for note in notes:
        _check_text(note, "labels.notes")
    if not isinstance(labels.seen, tuple) or not all(isinstance(data, SeenData) for data in labels.seen):
        raise ContractError(f"labels.seen must be a tuple of SeenData, got {labels.seen!r}. Correct the method's `labels`.")
    for text in (text for data in labels.seen for text in astuple(data)):
        if not isinstance(text, str):
            raise ContractError(f"labels.seen must hold texts, got {text!r}. Correct the method's `labels`.")
        _check_text(text, "labels.seen")


def check_predictions(predictions: object, n: int) -> list[Prediction]:
    """The list that `predict` returned for n queries; ContractError unless it has n items."""
    if not isinstance(predictions, Sequence):
        raise ContractError(f"predict must return a list of predictions, got {type(predictions).__name__}.")
    if len(predictions) != n:
        raise ContractError(f"predict must return one prediction per query: expected {n}, got {len(predictions)}.")
    return list(predictions)


def check_prediction(query: Query, prediction: object) -> None:
    """Raise ContractError unless this is a prediction that fits its query (shape, dtype, range, finite, text, seconds)."""
    if not isinstance(prediction, Prediction):
        raise ContractError(f"expected a Prediction, got {type(prediction).__name__}. Correct the method's `predict`.")
    p, shape = prediction.probability, query.image.shape[:2]
    name = f"Sample '{query.sample_id}': probability"
    if not isinstance(p, np.ndarray):
        raise ContractError(f"{name} must be a NumPy array, got {type(p).__name__}. Convert it in `predict`.")
    if p.shape != shape:
        raise ContractError(f"{name} must have the image's shape {shape}, got {p.shape}. Resize it in `predict`.")
    if p.dtype != np.float32:
        raise ContractError(f"{name} must be float32, got {p.dtype}. Cast it in `predict`.")
    if not np.isfinite(p).all():
        raise ContractError(f"{name} must be finite, got {int((~np.isfinite(p)).sum())} NaN or infinite pixels.")
    if p.size and (p.min() < 0 or p.max() > 1):
        raise ContractError(f"{name} must lie in [0, 1], got [{p.min():.4g}, {p.max():.4g}]. Apply a sigmoid in `predict`.")
    if not isinstance(prediction.answer, str):
        raise ContractError(f"Sample '{query.sample_id}': answer must be a str, got {type(prediction.answer).__name__}.")
    if (n := len(prediction.answer)) > MOST_ANSWER_CHARACTERS:
        raise ContractError(
            f"Sample '{query.sample_id}': answer must have {MOST_ANSWER_CHARACTERS} characters at most, got {n}. "
            "Stop its generation earlier, for example with max_new_tokens."
        )
    _check_text(prediction.answer, f"Sample '{query.sample_id}': answer")
    seconds = prediction.seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | np.integer | np.floating):
        raise ContractError(f"Sample '{query.sample_id}': seconds must be a number, got {type(seconds).__name__}.")
    if not 0 <= seconds < inf:  # NaN too
        raise ContractError(f"Sample '{query.sample_id}': seconds must be 0 or more and finite, got {seconds}.")


def _check_text(text: str, name: str) -> None:
    """Raise ContractError if the text holds half a character, as byte-level tokenizers may decode it."""
    if found := re.search("[\ud800-\udfff]", text):
        where = f"{found.group()!r} at character {found.start()}"
        raise ContractError(f"{name} holds a lone surrogate, {where}, which no file can store. Decode with errors='replace'.")


@dataclass(frozen=True)
class FitContext:
    """What a training gets in addition to its samples.

    needs maps a need's role (as the config's `needs()` names it) to the sealed folder of that training.
    progress(done, total, message) may be called as often as you like.
    scratch is a folder that survives a kill: its content is from an interrupted attempt at the same training (code, config, data,
    seed). It is deleted when the training is sealed. None: save nothing.
    """

    seed: int
    device: str
    needs: Mapping[str, Path] = field(default_factory=dict)
    progress: Callable[[int, int, str], None] = lambda *_: None
    scratch: Path | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """A training that a method depends on: which trainable, with which config, on which split.

    seed None is the row's seed; a training without randomness names a fixed one, so that all seeds share it.
    """

    trainable: str
    config: Mapping[str, object]
    split: str = "train"
    seed: int | None = None


@runtime_checkable
class Trainable(Protocol):
    """Anything whose training is stored: a method, or a part that several methods share (language base, Text2Centroid).

    Constructed as `Factory(config)` with its validated pydantic config.
    """

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None: ...

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, device: str) -> None: ...


@runtime_checkable
class Method(Trainable, Protocol):
    """A positional-reasoning segmenter: image and question in, mask and sentence out."""

    @property
    def labels(self) -> Labels: ...

    def predict(self, queries: Sequence[Query]) -> list[Prediction]: ...


@runtime_checkable
class ReferenceRow(Trainable, Protocol):
    """A floor or ceiling computed from the truth. Separate from `Method`, so that no method can be handed the answer.

    It gets the samples batch by batch, and the reference answer of every sample of the split, by id (shuffling needs them).
    """

    @property
    def labels(self) -> Labels: ...

    def predict_from_truth(self, samples: Sequence[Sample], answers: Mapping[str, str]) -> list[Prediction]: ...

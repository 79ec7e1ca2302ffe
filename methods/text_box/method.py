"""Text-box rows: a SAM-family network prompted with a box around the point that CG-Reasoner's answer names.

They show what the words alone are worth to a segmenter.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import torch
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.geometry import tight_box
from prsbench.harness.contract.types import Box, FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.parts.sam.frozen_sam import FrozenSam, weights_of
from prsbench.methods.parts.sam.variants import VARIANTS
from prsbench.methods.parts.weights.exposure import exposure_note, seen_by
from prsbench.methods.text2centroid.model import Text2Centroid
from prsbench.methods.text_box.config import TextBoxConfig

REASONER = "prsbench.methods.cg_reasoner.method:CGReasonerMethod"  # used only through the `Method` interface
SIZES = "box_sizes.json"
ANY = "any"  # the size over all modalities


class TextBoxMethod:
    """The sentence is CG-Reasoner's. It gives no size, so the box has the median size of the modality's training boxes."""

    def __init__(self, config: TextBoxConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = (
            (
                f"{VARIANTS[self.config.variant].title}, frozen ({weights_of(self.config)}), prompted with a box around the "
                "point that Text2Centroid predicts from CG-Reasoner's answer"
            ),
            "box size: the median over the modality's training masks",
            exposure_note(self.config.variant),
        )
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, notes, seen_by(self.config.variant))

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        """Measure the median box sizes; CG-Reasoner and Text2Centroid are already trained.

        Raises:
            DataError: every training mask is empty.
        """
        self._sam = FrozenSam(self.config, context.device)
        self._sizes = median_sizes(train)
        self._load_needs(context.needs, context.device)

    def save(self, folder: Path) -> None:
        (folder / SIZES).write_text(json.dumps(self._sizes))
        for role, source in self._need_folders.items():
            shutil.copytree(source, folder / role)

    def load(self, folder: Path, device: str) -> None:
        self._sam = FrozenSam(self.config, device)
        self._sizes = json.loads((folder / SIZES).read_text())
        self._load_needs({role: folder / role for role in self.config.needs()}, device)

    def _load_needs(self, folders: Mapping[str, Path], device: str) -> None:
        self._need_folders = folders
        self._reasoner = resolve(REASONER)(self.config.reasoner)
        self._reasoner.load(folders["reasoner"], device)
        self._text2centroid = Text2Centroid.of(self.config.reasoner.text2centroid, folders.get("text2centroid"), device)

    @torch.inference_mode()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        reasoned = self._reasoner.predict(queries)
        return [self._segment(query, prediction) for query, prediction in zip(queries, reasoned, strict=True)]

    def _segment(self, query: Query, reasoned: Prediction) -> Prediction:
        start = time.perf_counter()
        x, y = self._text2centroid.locate([reasoned.answer])[0]
        seconds = reasoned.seconds + time.perf_counter() - start
        box = box_around(float(x), float(y), self._sizes.get(query.modality, self._sizes[ANY]), query.image.shape[:2])
        probability, segmenting_s = self._sam.segment_box(query.image, box)
        return Prediction(probability, reasoned.answer, seconds + segmenting_s)


def median_sizes(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """Median width and height of the masks' tight boxes, as shares of the image's, by modality and over all (`ANY`).

    Raises:
        DataError: every mask is empty.
    """
    sizes: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for sample in samples:
        box = tight_box(sample.truth.mask)
        if box is not None:
            height, width = sample.truth.mask.shape
            size = ((box.right - box.left) / width, (box.bottom - box.top) / height)
            for name in (sample.query.modality, ANY):
                sizes[name].append(size)
    if not sizes:
        raise DataError("Cannot measure the size of a text box: every training mask is empty. Check the masks.")
    return {name: (median(w for w, _ in pairs), median(h for _, h in pairs)) for name, pairs in sizes.items()}


def box_around(x: float, y: float, size: tuple[float, float], shape: tuple[int, int]) -> Box:
    """A box of this size (shares of width and height) around a point (-1 to 1), in whole pixels, cut to the image.

    Example:
        >>> box_around(-1.0, 0.0, (0.5, 0.5), (100, 200))
        Box(left=0, top=25, right=50, bottom=75)
    """
    sides = [
        _cut((position + 1) / 2 * side, share * side, side)
        for position, share, side in zip((x, y), size, shape[::-1], strict=True)
    ]
    (left, right), (top, bottom) = sides
    return Box(left, top, right, bottom)


def _cut(centre: float, length: float, side: int) -> tuple[int, int]:
    low = min(max(0, round(centre - length / 2)), side - 1)
    return low, min(max(low + 1, round(centre + length / 2)), side)

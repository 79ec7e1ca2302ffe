"""Grounding-DINO + SAM-Med2D: the best box detected for the question's target prompts SAM-Med2D."""

from __future__ import annotations

import math
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.types import Box, Labels, Prediction, Query, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.frozen import FrozenNetwork
from prsbench.methods.grounding_dino.config import GroundingDinoConfig
from prsbench.methods.parts.sam.frozen_sam import FrozenSam
from prsbench.methods.parts.weights.checkpoints import read_pretrained, required_folder
from prsbench.methods.parts.weights.exposure import exposure_note, seen_by
from prsbench.methods.targets import target_named
from transformers import AutoTokenizer, GroundingDinoForObjectDetection, GroundingDinoProcessor
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil


class GroundedSamMethod(FrozenNetwork):
    """Image and question to a mask, empty if nothing is detected. The sentence is templated from the mask."""

    def __init__(self, config: GroundingDinoConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = (
            (
                f"caption: the question's target; box threshold {self.config.box_threshold}, text {self.config.text_threshold}; "
                "the best box prompts SAM-Med2D, no box gives an empty mask"
            ),
            f"SAM-Med2D's {exposure_note('sam_med2d')}",
            f"Grounding-DINO's {exposure_note('grounding_dino')}",
        )
        return Labels(
            self.config.prompt_source,
            Weights.OFFICIAL,
            TextSource.OWN_MASK,
            notes,
            (*seen_by("sam_med2d"), *seen_by("grounding_dino")),
        )

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (the weights are the user's)
        """Build both frozen networks on `device`; `folder` is ignored.

        Raises:
            MissingPrerequisite: SAM-Med2D's checkpoint or the detector's folder is missing, or lacks tensors.
        """
        self._sam, self._device = FrozenSam(self.config, device), device
        self.matched = self._sam.matched
        self._identity = f"Grounding-DINO {uuid4()}"  # of this detector in the cache
        what = "your copy of Grounding-DINO, such as IDEA-Research/grounding-dino-base"
        detector = required_folder(self.config.row, "detector", self.config.detector, what, "config.json")
        self._detector = read_pretrained(GroundingDinoForObjectDetection, detector, torch.float32).eval().to(device)
        self._processor = GroundingDinoProcessor(
            GroundingDinoImageProcessorPil.from_pretrained(detector, local_files_only=True),
            AutoTokenizer.from_pretrained(detector, local_files_only=True),
        )

    def _predict_one(self, query: Query) -> Prediction:
        caption = f"{target_named(query.question, query.modality)}."  # the same for all questions that name one target
        identity = f"{self._identity} {caption}"
        [found] = cached_features(identity, [query.image], lambda images: [self._detect(images[0], caption)], self._device)
        box, detecting_s = found.features, found.seconds
        if box is None:
            probability, segmenting_s = np.zeros(query.image.shape[:2], np.float32), 0.0
        else:
            probability, segmenting_s = self._sam.segment_box(query.image, box)
        start = time.perf_counter()
        answer = answer_from_mask(probability, query.modality)
        return Prediction(probability, answer, detecting_s + segmenting_s + time.perf_counter() - start)

    def _detect(self, image: NDArray[np.uint8], caption: str) -> Box | None:
        """The box with the highest score, rounded outwards to whole pixels in the image; None if none passes the thresholds."""
        inputs = self._processor(images=image, text=caption, return_tensors="pt", input_data_format="channels_last")
        outputs = self._detector(**inputs.to(self._device))
        height, width = image.shape[:2]
        detections = self._processor.post_process_grounded_object_detection(
            outputs,
            inputs.input_ids,
            threshold=self.config.box_threshold,
            text_threshold=self.config.text_threshold,
            target_sizes=[(height, width)],
        )[0]
        labelled = [n for n, phrase in enumerate(detections["text_labels"]) if phrase]
        if not labelled:
            return None
        best = max(labelled, key=lambda n: float(detections["scores"][n]))
        return _whole_pixels(detections["boxes"][best].tolist(), height, width)


def _whole_pixels(corners: list[float], height: int, width: int) -> Box:
    left, top = (min(max(0, math.floor(value)), side - 1) for value, side in zip(corners[:2], (width, height), strict=True))
    right, bottom = (min(math.ceil(value), side) for value, side in zip(corners[2:], (width, height), strict=True))
    return Box(left, top, max(right, left + 1), max(bottom, top + 1))

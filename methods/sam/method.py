"""The rows of the SAM family: a frozen network prompted with a true or jittered box, a point, or a box from the image alone."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TypeVar

from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.types import Labels, Prediction, PromptSource, Query, TextSource
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.frozen import FrozenNetwork
from prsbench.methods.parts.sam.frozen_sam import Embedded, FrozenSam, weights_of
from prsbench.methods.parts.sam.processing import PaddedBGR
from prsbench.methods.parts.sam.variants import VARIANTS, processing_of
from prsbench.methods.parts.weights.exposure import exposure_note, seen_by
from prsbench.methods.sam.automatic_box import CHOSEN_WITH_TRUTH, best_candidate, candidate_boxes
from prsbench.methods.sam.config import LiteMedSAMConfig, SamCheckpointConfig
from torch import Tensor

Prompt = TypeVar("Prompt")


class SamMethod(FrozenNetwork):
    """Image and prompt to mask; the answer is a template filled from the mask."""

    def __init__(self, config: SamCheckpointConfig | LiteMedSAMConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = [VARIANTS[self.config.variant].title, exposure_note(self.config.variant)]
        if isinstance(processing_of(self.config), PaddedBGR):
            notes.append("preprocessed as by SAM-Med2D's test-set loader: BGR, small images padded")
        if self.config.prompt_source == PromptSource.AUTOMATIC:
            notes.append(CHOSEN_WITH_TRUTH)
        if self.config.prompt_source == PromptSource.JITTERED_BOX:
            notes.append(
                f"each edge of the box is shifted at random (seeded) by up to {self.config.box_jitter_fraction:.0%} of its side"
            )
        return Labels(
            self.config.prompt_source, weights_of(self.config), TextSource.OWN_MASK, tuple(notes), seen_by(self.config.variant)
        )

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (the weights lie elsewhere)
        """Build the frozen network on `device`; `folder` is not read. For errors see `variants.load_variant`."""
        self._sam = FrozenSam(self.config, device)
        self.matched = self._sam.matched

    def _predict_one(self, query: Query) -> Prediction:
        probability, seconds = self._sam.segment(query.image, partial(self._logits, query))
        start = time.perf_counter()
        answer = answer_from_mask(probability, query.modality)
        return Prediction(probability, answer, seconds + time.perf_counter() - start)

    def _logits(self, query: Query, embedded: Embedded) -> Tensor:
        """(L, L) of the chosen mask."""
        if self.config.prompt_source == PromptSource.AUTOMATIC:
            return self._automatic_logits(embedded)
        if self.config.prompt_source == PromptSource.ORACLE_POINT:
            return self._sam.point_logits(embedded, _given(query, query.point, "point"))
        return self._sam.box_logits(embedded, _given(query, query.box, "box"))

    def _automatic_logits(self, embedded: Embedded) -> Tensor:
        features, frame = embedded
        logits_NLL, iou_N = self._sam.best_masks(features, candidate_boxes(frame.height, frame.width))
        shrink = logits_NLL.shape[-1] / self._sam.processing.side_px
        height, width = (max(1, round(side * shrink)) for side in (frame.height, frame.width))
        return logits_NLL[best_candidate(logits_NLL, iou_N, features[0], height, width)]


def _given(query: Query, prompt: Prompt | None, what: str) -> Prompt:
    if prompt is None:
        raise ContractError(
            f"Sample '{query.sample_id}': the row's queries must have a {what}, got none. "
            "Leave the sample out, or set prompt_source to 'automatic'."
        )
    return prompt

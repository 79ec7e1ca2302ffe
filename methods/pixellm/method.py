"""PixelLM as a `Method`, from its official checkpoint."""

from __future__ import annotations

from weakref import proxy

import numpy as np
from numpy.typing import NDArray
from prsbench.methods.parts.sam.processing import LongestSide
from prsbench.methods.parts.seg_token.official_method import Decode, OfficialMethod, Patches
from prsbench.methods.parts.seg_token.official_weights import load_network, patch_width
from prsbench.methods.parts.weights.checkpoints import Matched
from prsbench.methods.pixellm.clip import read_patches, stretch_positions
from prsbench.methods.pixellm.decoder import MASK_TOKENS
from prsbench.methods.pixellm.network import PATCH_PX, SIDE_PX, PixelLM
from torch import Tensor
from transformers import CLIPVisionModel

PROCESSING = LongestSide(SIDE_PX)  # SAM's resizing, though CLIP reads the image


class PixelLMMethod(OfficialMethod):
    """Six [SEG] tokens prompt a mask. As in the official code, an incomplete group of six gives an empty mask."""

    tokens = MASK_TOKENS
    notes = ("no [SEG] tokens or an incomplete group give an empty mask, several groups give the union of their masks",)

    def _load(self, device: str) -> tuple[PixelLM, Matched]:
        return load_network(self.config, PixelLM, lambda: (patch_width(self.config), PROCESSING.side_px), device)

    def _adapt(self, vision: CLIPVisionModel) -> CLIPVisionModel:
        return stretch_positions(vision, PROCESSING.side_px)

    def _read(self, image: NDArray[np.uint8]) -> tuple[Patches, Decode]:
        square, frame = PROCESSING.prepare(image)
        patches, levels_LPC = read_patches(self._vision, square.to(self._device), frame, PATCH_PX)
        network = proxy(self._network)  # what is cached must not keep a dropped row in memory

        def masks(prompts_NC: Tensor) -> list[Tensor]:
            return [PROCESSING.probability(mask[0], frame) for mask in network.masks(levels_LPC, prompts_NC)]

        return patches, masks

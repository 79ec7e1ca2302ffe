"""LISA as a `Method`, from its official checkpoint."""

from __future__ import annotations

from functools import cache
from weakref import proxy

import numpy as np
from numpy.typing import NDArray
from prsbench.methods.lisa.network import LISA
from prsbench.methods.parts.sam.networks import VIT, SamNetwork, build_vit_sam
from prsbench.methods.parts.sam.processing import LongestSide
from prsbench.methods.parts.seg_token.official_method import Decode, OfficialMethod, Patches
from prsbench.methods.parts.seg_token.official_weights import folder_of, load_network, patch_width
from prsbench.methods.parts.weights.checkpoints import Matched
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionModel

PROCESSING = LongestSide()


def build_visual() -> SamNetwork:
    """SAM ViT-H at 1024 px."""
    return build_vit_sam(VIT["vit_h"])


class LISAMethod(OfficialMethod):
    """An answer without [SEG] gives an empty mask, several [SEG] the union of their masks (ours; the demo uses the first)."""

    tokens = ("[SEG]",)
    notes = ("an answer without [SEG] gives an empty mask, several [SEG] give the union of their masks",)

    def _load(self, device: str) -> tuple[LISA, Matched]:
        return load_network(self.config, LISA, lambda: (build_visual(), patch_width(self.config)), device)

    def _adapt(self, vision: CLIPVisionModel) -> CLIPVisionModel:
        self._clip = CLIPImageProcessorPil.from_pretrained(folder_of(self.config, "vision_tower"), local_files_only=True)
        return vision

    def _read(self, image: NDArray[np.uint8]) -> tuple[Patches, Decode]:
        """CLIP's states before its last layer, without the class token. As in the official code, it sees the central square."""
        pixels = self._clip(image, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        pixels = pixels.to(self._device, self._vision.dtype)
        square, frame = PROCESSING.prepare(image)
        network, device = proxy(self._network), self._device  # a proxy: what is cached must not keep a dropped row in memory
        features = cache(lambda: network.model.visual_model.image_encoder(square[None].to(device)))  # at the first [SEG], if any

        def masks(prompts_NC: Tensor) -> list[Tensor]:
            if not len(prompts_NC):
                return []
            logits_N1LL, _ = network.masks(features(), prompts_NC)
            return [PROCESSING.probability(mask[0], frame) for mask in logits_N1LL]

        return Patches(self._vision(pixels, output_hidden_states=True).hidden_states[-2][0, 1:]), masks

"""LiteMedSAM's image encoder at a reduced size: real medical features for methods that train here on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from prsbench.harness.contract.types import FitContext
from prsbench.methods.checkpoints import Matched, fill
from prsbench.methods.sam_config import LiteMedSAMConfig
from prsbench.methods.sam_networks import tiny_vit_blocks
from prsbench.methods.sam_variants import checkpoint_of
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4  # image pixels a feature, in each direction
CHANNELS, STAGE_CHANNELS = 256, 320  # after the neck, and of each of the last two stages before it


class LiteMedSAMEncoder(nn.Module):
    """Frozen; (B, 3, S, S) RGB in any range to (B, 256, S / 4, S / 4). At S = 256 it is LiteMedSAM's own.

    Its weights do not depend on S; at another S than it was trained at it is a stand-in, and rows must say so.
    """

    def __init__(self, side_px: int):
        super().__init__()
        self.side_px = side_px
        self.blocks = tiny_vit_blocks(side_px)

    def load_packaged(self) -> Matched:
        """See `sam_variants.load_variant` for errors."""
        state, source = checkpoint_of(LiteMedSAMConfig(prompt_source="automatic"))
        of_encoder = {key.removeprefix("image_encoder."): t for key, t in state.items() if key.startswith("image_encoder.")}
        return fill(self.blocks, of_encoder, source.split("@")[0])

    @torch.no_grad()
    def forward(self, image_B3SS: Tensor) -> Tensor:
        return self.blocks.neck(self._stages(image_B3SS)[-1])

    def _stages(self, image_B3SS: Tensor) -> list[Tensor]:
        """What the last two stages give, before the neck."""
        low, high = image_B3SS.amin((1, 2, 3), keepdim=True), image_B3SS.amax((1, 2, 3), keepdim=True)
        x = self.blocks.patch_embed((image_B3SS - low) / (high - low).clamp(min=1e-8))
        given = [x := layer(x) for layer in self.blocks.layers]
        side = self.side_px // STRIDE
        return [x.transpose(1, 2).reshape(len(x), -1, side, side) for x in given[-2:]]


class LiteMedSAMStages(LiteMedSAMEncoder):
    """Its last two stages side by side, (B, 3, S, S) to (B, 640, S / 4, S / 4); the second half is the last stage's."""

    @torch.no_grad()
    def forward(self, image_B3SS: Tensor) -> Tensor:
        return torch.cat(self._stages(image_B3SS), dim=1)


def embed(encoder: LiteMedSAMEncoder, image_B3SS: Tensor, feature_side: int) -> Tensor:
    """Frozen features (B, C, H, W), averaged down to feature_side."""
    return F.adaptive_avg_pool2d(encoder(image_B3SS.float()), feature_side)


def embed_both_ways(
    encoder: LiteMedSAMEncoder,
    images: Sequence[Tensor],
    feature_side: int,
    context: FitContext,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """(2, N, C, H, W) of N images (3, S, S), on the CPU: each as it is, and flipped left to right."""
    ways: tuple[list[Tensor], list[Tensor]] = ([], [])
    for number, image in enumerate(images):
        image_13SS = image[None].to(context.device)
        for way, turned in zip(ways, (image_13SS, image_13SS.flip(-1)), strict=True):
            way.append(embed(encoder, turned, feature_side).to("cpu", dtype))
        context.progress(number + 1, len(images), "images embedded")
    return torch.stack([torch.cat(way) for way in ways])

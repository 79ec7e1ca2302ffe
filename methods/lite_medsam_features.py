"""LiteMedSAM's image encoder at a reduced size: real medical features for methods that train here on a CPU."""

from __future__ import annotations

import torch
from prsbench.methods.checkpoints import Matched, fill
from prsbench.methods.sam_config import LiteMedSAMConfig
from prsbench.methods.sam_networks import tiny_vit_blocks
from prsbench.methods.sam_variants import checkpoint_of
from torch import Tensor, nn

STRIDE = 4  # image pixels a feature, in each direction
CHANNELS = 256


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
        low, high = image_B3SS.amin((1, 2, 3), keepdim=True), image_B3SS.amax((1, 2, 3), keepdim=True)
        x = self.blocks.patch_embed((image_B3SS - low) / (high - low).clamp(min=1e-8))
        for layer in self.blocks.layers:
            x = layer(x)
        side = self.side_px // STRIDE
        return self.blocks.neck(x.transpose(1, 2).reshape(len(x), -1, side, side))

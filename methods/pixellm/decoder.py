"""PixelLM's light decoder: one SAM-like two-way transformer per scale; the coarse mask guides the fine one.

Ren et al., "PixelLM: Pixel reasoning with large multimodal model", 2024. Submodule names are the official checkpoint's keys.
"""

from __future__ import annotations

import torch
from prsbench.methods.parts.sam.networks import EMBED
from segment_anything.modeling import TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.mask_decoder import MLP
from segment_anything.modeling.prompt_encoder import PositionEmbeddingRandom, PromptEncoder
from torch import Tensor, nn
from torch.nn import functional as F

SCALES, TOKENS_PER_SCALE = 2, 3
MASK_TOKENS = tuple(f"[SEG{n}]" for n in range(SCALES * TOKENS_PER_SCALE))  # scale by scale, in the order of the answer
_MASKS = 4  # SAM's: one for a clear prompt, three for an ambiguous one; only the first is used


def image_feature_neck(width: int) -> nn.Sequential:
    """Language width to decoder width, (B, D, H, W) to (B, 256, H, W)."""
    return nn.Sequential(
        nn.Conv2d(width, EMBED, 1, bias=False),
        LayerNorm2d(EMBED),
        nn.Conv2d(EMBED, EMBED, 3, padding=1, bias=False),
        LayerNorm2d(EMBED),
    )


def projector(patch_width: int, width: int) -> nn.Sequential:
    """Patch to language width."""
    return nn.Sequential(nn.Linear(patch_width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def fuse(token_MC: Tensor) -> Tensor:
    """Prompts of M [SEG] tokens, in the order of the answer, to (N, L, C): the mean over each scale's tokens.

    The official code weights them by numbers that its checkpoint does not hold and its training never changes: a third each.
    As in the official code, an answer with an incomplete group gives no prompts, (0, L, C).
    """
    if len(token_MC) % len(MASK_TOKENS):
        return token_MC.new_zeros(0, SCALES, token_MC.shape[1])
    return token_MC.view(-1, SCALES, TOKENS_PER_SCALE, token_MC.shape[1]).mean(2)


class MultiScaleMaskDecoder(nn.Module):
    """Scale 0 reads the features at their size, scale 1 at twice their side, weighted by scale 0's mask."""

    def __init__(self):
        super().__init__()
        self.transformer = nn.ModuleList(
            TwoWayTransformer(depth=2, embedding_dim=EMBED, mlp_dim=2048, num_heads=8) for _ in range(SCALES)
        )
        self.iou_token = nn.Embedding(1, EMBED)
        self.mask_tokens = nn.Embedding(_MASKS, EMBED)
        self.output_upscaling = _doubling(EMBED // 8)
        self.upsample_2x = _doubling(EMBED)
        self.pe1 = PositionEmbeddingRandom(EMBED // 2)
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(EMBED, EMBED, EMBED // 8, 3) for _ in range(_MASKS))
        self.iou_prediction_head = MLP(EMBED, EMBED, _MASKS, 3)
        self.level_embed = nn.Embedding(SCALES, EMBED)

    def forward(self, features: Tensor, place: Tensor, prompt_NC: Tensor, dense: Tensor, coarse_N1HH: Tensor | None) -> Tensor:
        """Mask logits (N, 1, 2H, 2W) of scale 0, (N, 1, 4H, 4W) of scale 1, which reads scale 0's logits.

        Args:
            features: (N, C, H, W), or (1, C, H, W) shared by all masks.
            place: (1, C, H, W), SAM's position encoding.
            dense: (1, C, H, W), SAM's dense prompt.
            coarse_N1HH: logits of scale 0, or None to compute them.
        """
        level = 0 if coarse_N1HH is None else 1
        count = len(prompt_NC)
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(count, -1, -1)
        tokens = torch.cat([output_tokens, prompt_NC[:, None]], dim=1) + self.level_embed.weight[level]
        source = features.expand(count, -1, -1, -1)
        if coarse_N1HH is not None:
            source = self.upsample_2x(source) * (1 + coarse_N1HH.sigmoid())
            size = source.shape[-2:]
            place = self.pe1(size)[None]
            dense = F.interpolate(dense, size=size, mode="bilinear", align_corners=False)
        source = source + dense
        states, seen = self.transformer[level](source, place.expand(count, -1, -1, -1), tokens)
        enlarged = self.output_upscaling(seen.transpose(1, 2).reshape(source.shape))
        return torch.einsum("nc,nchw->nhw", self.output_hypernetworks_mlps[0](states[:, 1]), enlarged)[:, None]


def decode_scales(prompts: PromptEncoder, decoder: MultiScaleMaskDecoder, levels: Tensor, prompt_NLC: Tensor) -> Tensor:
    """Mask logits (N, 1, 4H, 4W): the mean of both scales', at the finer one's size.

    Args:
        levels: (L, N, C, H, W), or (L, 1, C, H, W) shared by all masks.
    """
    _, dense = prompts(points=None, boxes=None, masks=None)
    coarse = decoder(levels[0], prompts.get_dense_pe(), prompt_NLC[:, 0], dense, None)
    fine = decoder(levels[1], prompts.get_dense_pe(), prompt_NLC[:, 1], dense, coarse)
    return (F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False) + fine) / SCALES


def _doubling(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(EMBED, channels, 2, stride=2), LayerNorm2d(channels), nn.GELU())

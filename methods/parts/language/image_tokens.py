"""Image tokens: feature maps projected into a language model's input, with LLaVA's feature alignment."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FINE = 8  # points along a token's side at which foreground is predicted


@dataclass(frozen=True, slots=True)
class PredictedLayout:
    """The layouts that the projector predicts for images, for `alignment_loss`.

    level_logits_BNK: logits of the layout character at each place. foreground_logits_B1FF: logits of the foreground, from which
    the characters are predicted, on a grid of `FINE` x `FINE` points per token.
    """

    level_logits_BNK: Tensor
    foreground_logits_B1FF: Tensor


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """Image tokens of B images.

    token_BND: used like word embeddings. layout: the layouts they were made from; None if the tokens come from no projector.
    """

    token_BND: Tensor
    layout: PredictedLayout | None


class ImageProjector(nn.Module):
    """Feature map to token_side x token_side image tokens of language width: pool, two-layer MLP (LLaVA 1.5).

    Added to the MLP's output are the layout characters of the token's places, each blended over the predicted levels of
    foreground (ours): the language model can read layouts, so only the position of the foreground is left to learn.
    """

    def __init__(self, channels: int, character_NKD: Tensor, token_side: int):
        super().__init__()
        places, levels, width = character_NKD.shape
        self.side, self.points = token_side, FINE * token_side // math.isqrt(places)
        self.character_NKD = nn.Parameter(character_NKD.detach().clone(), requires_grad=False)
        self.foreground = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, 1, 1))
        self.level = nn.Sequential(nn.Linear(2, 32), nn.GELU(), nn.Linear(32, levels))
        first, last = nn.Linear(channels, width), nn.Linear(width, width)
        nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(first, nn.GELU(), last)

    def forward(self, features_BCHW: Tensor) -> ImageTokens:
        logits_B1FF = self._enlarged(self.foreground(features_BCHW))
        share_B1FF = logits_B1FF.sigmoid()
        # Mean and peak: a place is empty only if it has no foreground at all, however little.
        seen_B2NN = torch.cat([F.avg_pool2d(share_B1FF, self.points), F.max_pool2d(share_B1FF, self.points)], dim=1)
        level_BNK = self.level(6 * _as_sequence(seen_B2NN) - 3)  # widened to -3..3, as a level is only a third of a share
        layout_BTD = layout_tokens(level_BNK.softmax(-1), self.character_NKD, self.side)
        pooled_BTC = _as_sequence(F.avg_pool2d(self._enlarged(features_BCHW, 2), 2))
        return ImageTokens(layout_BTD + self.mlp(pooled_BTC), PredictedLayout(level_BNK, logits_B1FF))

    def _enlarged(self, x_BCHW: Tensor, points: int = FINE) -> Tensor:
        """Resized to `points` x `points` per token, so that pooling stays within a token whatever the map's size."""
        side = points * self.side
        return F.interpolate(x_BCHW, size=(side, side), mode="bilinear", align_corners=False)


def layout_tokens(share_BNK: Tensor, character_NKD: Tensor, token_side: int) -> Tensor:
    """(B, T, D): T = token_side squared tokens, each the sum of the characters in its part of the layout.

    share_BNK: each place's share of every level, one for a drawn layout and blends for a predicted one; places row by row.
    """
    character_BND = torch.einsum("bnk,nkd->bnd", share_BNK, character_NKD)
    parts = (token_side, math.isqrt(len(character_NKD)) // token_side)
    return character_BND.unflatten(1, (*parts, *parts)).sum((2, 4)).flatten(1, 2)


def alignment_loss(image: ImageTokens, layout_BNN: Tensor, mask_B1SS: Tensor) -> Tensor:
    """LLaVA's feature alignment, here to layouts: cross-entropy of the places' characters plus that of the foreground.

    image: tokens made by an `ImageProjector`. layout_BNN: the masks' layouts, `small_llama.layout_of`.
    """
    assert image.layout is not None, "the image tokens come from no projector"
    share_B1FF = F.adaptive_avg_pool2d(mask_B1SS, image.layout.foreground_logits_B1FF.shape[-1])
    characters = F.cross_entropy(image.layout.level_logits_BNK.float().flatten(0, 1), layout_BNN.flatten())
    return characters + F.binary_cross_entropy_with_logits(image.layout.foreground_logits_B1FF.float(), share_B1FF)


def _as_sequence(x_BCNN: Tensor) -> Tensor:
    return x_BCNN.flatten(2).transpose(1, 2)

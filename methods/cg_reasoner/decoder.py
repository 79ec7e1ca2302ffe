"""CG-Reasoner's FiLM mask decoder. Submodule names are the public checkpoint's keys, so it loads without translation."""

from __future__ import annotations

import torch
from prsbench.methods.parts.training.recompute import recomputed
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm2d(nn.Module):
    """As in the public code: normalises each channel over H and W. SAM's layer of this name normalises over channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.instance_norm(x_BCHW, weight=self.weight, bias=self.bias, eps=1e-6)


class MixFFN(nn.Module):
    """Depthwise 3x3, norm, 1x1, GELU, 1x1, layer scale, residual."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = LayerNorm2d(channels)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = recomputed(lambda h: self.fc1(self.norm(h)), self.dwconv(x))
        return x + self.gamma * recomputed(lambda h: self.fc2(F.gelu(h)), hidden)


class DepthwiseSeparableConv(nn.Module):
    """Depthwise 3x3, pointwise, BN, GELU."""

    def __init__(self, channels: int):
        super().__init__()
        self.dw = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pw = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.bn(self.pw(self.dw(x))))


class FiLM(nn.Module):
    """Prompt vector (B, C) to a scale and shift of every feature channel: x = F * (1 + gamma) + beta."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, 2 * channels))

    def forward(self, features_BCHW: Tensor, prompt_BC: Tensor) -> Tensor:
        gamma, beta = self.mlp(prompt_BC)[:, :, None, None].chunk(2, dim=1)
        return features_BCHW * (1 + gamma) + beta


class MaskDecoder(nn.Module):
    """Features and prompt embeddings to mask logits at four times the feature size."""

    def __init__(self, prompt_width: int, channels: int = 256, hidden: int = 512):
        super().__init__()
        self.prompt_proj = nn.Sequential(
            nn.Linear(prompt_width, hidden),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Linear(hidden, channels),
            nn.LayerNorm(channels),
        )
        self.film = FiLM(channels, hidden)
        self.ds1 = DepthwiseSeparableConv(channels)
        self.mffn1 = MixFFN(channels, 2 * channels)
        self.up1 = nn.Sequential(nn.ConvTranspose2d(channels, channels // 2, 2, stride=2), LayerNorm2d(channels // 2), nn.GELU())
        self.mffn2 = MixFFN(channels // 2, channels)
        self.up2 = nn.Sequential(
            nn.ConvTranspose2d(channels // 2, channels // 4, 2, stride=2), LayerNorm2d(channels // 4), nn.GELU()
        )
        self.final = nn.Sequential(
            nn.Conv2d(channels // 4, channels // 8, 3, padding=1), nn.GELU(), nn.Conv2d(channels // 8, 1, 1)
        )

    def forward(self, features_BCHW: Tensor, prompt_BTD: Tensor, is_prompt_BT: Tensor | None = None) -> Tensor:
        """Mask logits (B, 1, 4H, 4W).

        is_prompt_BT marks the tokens to average. None averages every token, including padding, as the public code does.
        The public code shrinks the result back to (H, W) bilinearly; this code does not.
        """
        token_BTC = self.prompt_proj(prompt_BTD)
        prompt_BC = token_BTC.mean(1) if is_prompt_BT is None else masked_mean(token_BTC, is_prompt_BT)
        x = self.mffn1(self.ds1(self.film(features_BCHW, prompt_BC)))
        x = self.up2[0](self.mffn2(self.up1(x)))
        # The largest maps: between two convolutions only the first one's result is stored for the backward pass.
        x = recomputed(lambda x: self.final[0](self.up2[1:](x)), x)
        return recomputed(lambda x: self.final[2](self.final[1](x)), x)


def masked_mean(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """(B, D) mean over the tokens where mask_BT is true; zeros where there is none."""
    mask_BT1 = mask_BT[..., None].to(x_BTD.dtype)
    return (x_BTD * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1)

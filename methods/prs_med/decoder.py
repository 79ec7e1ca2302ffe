"""PRS-Med's mask decoder, versions 5 (the current one) and 6 of the official code. Submodule names are the checkpoint's keys."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F


class MaskDecoder(nn.Module):
    """Features and prompt embeddings to mask logits at 16 times the feature size.

    Version 6 does not normalise the inputs of the cross-attention and has no residual around it.
    """

    def __init__(self, prompt_width: int, channels: int = 256, hidden: int = 512, version: Literal[5, 6] = 5):
        super().__init__()
        self.version = version
        self.prompt_projection = nn.Sequential(
            nn.Linear(prompt_width, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, channels),
            nn.LayerNorm(channels),
            nn.ReLU(),
        )
        if version == 5:
            self.image_norm = nn.LayerNorm(channels)
            self.prompt_norm = nn.LayerNorm(channels)
        self.attn = nn.MultiheadAttention(channels, num_heads=8, batch_first=True)
        self.norm1 = nn.LayerNorm(channels)
        self.encoder_layer = nn.TransformerEncoderLayer(channels, nhead=16, dim_feedforward=512, batch_first=True)
        self.ffn = FeedForward(channels)
        self.mask_generation = nn.Sequential(
            BasicBlock(channels, channels), BasicBlock(channels, channels // 2), BasicBlock(channels // 2, channels // 4)
        )
        self.out_dec = nn.Conv2d(channels // 4, 1, 1)

    def forward(self, features_BCHW: Tensor, prompt_BTD: Tensor, is_prompt_BT: Tensor | None = None) -> Tensor:
        """Mask logits (B, 1, 16H, 16W).

        is_prompt_BT marks the tokens to attend to. None attends to every token, including padding, as the official code does.
        """
        image_BNC = features_BCHW.flatten(2).transpose(1, 2)
        prompt_BTC = self.prompt_projection(prompt_BTD)
        if self.version == 5:
            image_BNC, prompt_BTC = self.image_norm(image_BNC), self.prompt_norm(prompt_BTC)
        ignored = None if is_prompt_BT is None else ~is_prompt_BT
        attended_BNC, _ = self.attn(image_BNC, prompt_BTC, prompt_BTC, key_padding_mask=ignored, need_weights=False)
        if self.version == 5:
            attended_BNC = attended_BNC + image_BNC
        tokens_BNC = self.ffn(self.encoder_layer(self.norm1(attended_BNC)))
        fused_BCHW = tokens_BNC.transpose(1, 2).reshape(features_BCHW.shape) + features_BCHW
        logits = self.out_dec(self.mask_generation(fused_BCHW))
        return F.interpolate(logits, scale_factor=16, mode="bilinear", align_corners=True)


class FeedForward(nn.Module):
    """Two linear layers with a residual between them. norm1 is in the checkpoint but unused."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, channels)
        self.fc2 = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.norm1 = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.relu(self.fc2(F.relu(self.fc1(x)) + x)))


class BasicBlock(nn.Module):
    """3x3 with residual, 1x1 that grows the map by a pixel on each side (padding 1), 3x3 that removes that pixel again."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = nn.Conv2d(channels, out_channels, 1, padding=1)
        self.bn2 = nn.InstanceNorm2d(out_channels, affine=True)
        self.conv3 = nn.Conv2d(out_channels, out_channels, 3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x_BCHW))) + x_BCHW
        return self.conv3(self.bn2(self.conv2(x)))

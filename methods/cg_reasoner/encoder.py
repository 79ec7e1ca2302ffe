"""CG-Reasoner's visual encoder: three stages, refinement, fusion, channel attention."""

from __future__ import annotations

from prsbench.methods.images import z_score
from prsbench.methods.parts.weights.timm_backbone import freeze_statistics
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelAttention(nn.Module):
    """Global average pool -> 1x1 conv -> sigmoid -> reweight."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW * self.conv(x_BCHW.mean((2, 3), keepdim=True)).sigmoid()


class VisualEncoder(nn.Module):
    """Image (B, 3, S, S) in [0, 1] to features (B, C, H, W) at the finest chosen stage.

    Each stage goes through Conv-BN-ReLU to R_i; all R_i are resized bilinearly to the finest, summed and reweighted by channel.
    keeps_statistics: freeze the batch-norm statistics of a pre-trained backbone; the paper's ConvNeXt has none.
    """

    def __init__(self, backbone: nn.Module, stage_channels: list[int], channels: int, keeps_statistics: bool = False):
        super().__init__()
        self.backbone = backbone
        self._keeps_statistics = keeps_statistics
        self.refine = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
            for c in stage_channels
        )
        self.attention = ChannelAttention(channels)

    def train(self, mode: bool = True) -> VisualEncoder:
        super().train(mode)
        if self._keeps_statistics:
            freeze_statistics(self.backbone)
        return self

    def forward(self, image_B3SS: Tensor) -> Tensor:
        stages = self.backbone(z_score(image_B3SS))
        refined = [refine(stage) for refine, stage in zip(self.refine, stages, strict=True)]
        size = refined[0].shape[-2:]
        fused = refined[0]
        for r in refined[1:]:
            fused = fused + F.interpolate(r, size=size, mode="bilinear", align_corners=False)
        return self.attention(fused)

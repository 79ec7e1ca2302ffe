"""MedSeg-R-style: a report becomes priors of location, texture and shape, which steer a mask decoder on SAM's features.

Based on the abstract of "MedSeg-R: Medical image segmentation with clinical reasoning" (arXiv 2506.18669); the layers are ours.
"""

from __future__ import annotations

import math

import torch
from prsbench.methods.medseg_r.config import MedSegRConfig
from prsbench.methods.parts.frozen_features.lite_medsam import CHANNELS
from prsbench.methods.parts.language.sentence_bert import WIDTH
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F


class MedSegR(nn.Module):
    """The trainable network; it takes the outputs of the frozen image encoder and sentence encoder."""

    def __init__(self, config: MedSegRConfig):
        super().__init__()
        width = config.width
        self.neck = nn.Sequential(nn.Conv2d(CHANNELS, width, 1), LayerNorm2d(width))
        self.place = nn.Sequential(nn.Conv2d(2, width, 1), nn.GELU(), nn.Conv2d(width, width, 1))
        self.reader = ReportReader(width)
        self.attention = SpatialAttention(width)
        self.convolution = DynamicConvolution(width, config.kernels)
        self.sampling = DeformableSampling(width, config.points)
        self.head = MaskHead(width)

    def forward(self, features_BCHW: Tensor, report_BRE: Tensor) -> Tensor:
        """Mask logits (B, 1, 4H, 4W)."""
        x = self.neck(features_BCHW)
        placed = x + self.place(places(x.shape[-2], x.shape[-1], x))
        location_BD, texture_BD, shape_BD = priors = self.reader(placed, report_BRE)
        x = self.attention(x, placed, location_BD)
        x = self.convolution(x, texture_BD)
        x = self.sampling(x, shape_BD)
        return self.head(x, torch.cat(priors, dim=1))


class ReportReader(nn.Module):
    """Three learned queries read the report's sentences and the image in a transformer block."""

    def __init__(self, width: int):
        super().__init__()
        self.query_3D = nn.Parameter(torch.randn(3, width))
        self.sentence = nn.Linear(WIDTH, width)
        self.block = nn.TransformerDecoderLayer(width, nhead=4, dim_feedforward=2 * width, dropout=0.0, batch_first=True)

    def forward(self, placed_BDHW: Tensor, report_BRE: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Location, texture and shape, (B, D) each."""
        read_BND = torch.cat([self.sentence(report_BRE), placed_BDHW.flatten(2).transpose(1, 2)], dim=1)
        return self.block(self.query_3D.expand(len(read_BND), -1, -1), read_BND).unbind(1)


class SpatialAttention(nn.Module):
    """Scales each position by 1 to 2, by its fit to the location prior."""

    def __init__(self, width: int):
        super().__init__()
        self.key = nn.Conv2d(width, width, 1)
        self.query = nn.Linear(width, width)

    def forward(self, x_BDHW: Tensor, placed_BDHW: Tensor, location_BD: Tensor) -> Tensor:
        fit_BHW = torch.einsum("bd,bdhw->bhw", self.query(location_BD), self.key(placed_BDHW)) / math.sqrt(x_BDHW.shape[1])
        return x_BDHW * (1 + fit_BHW.sigmoid()[:, None])


class DynamicConvolution(nn.Module):
    """Depthwise 3 x 3 whose kernel is mixed from K by the texture prior, then 1 x 1, residual."""

    def __init__(self, width: int, kernels: int):
        super().__init__()
        self.kernel_KD = nn.Parameter(torch.randn(kernels, width * 9) / 3)
        self.mixture = nn.Linear(width, kernels)
        self.pointwise = nn.Sequential(LayerNorm2d(width), nn.GELU(), nn.Conv2d(width, width, 1))

    def forward(self, x_BDHW: Tensor, texture_BD: Tensor) -> Tensor:
        batch, width, *size = x_BDHW.shape
        kernel = (self.mixture(texture_BD).softmax(-1) @ self.kernel_KD).reshape(batch * width, 1, 3, 3)
        filtered = F.conv2d(x_BDHW.reshape(1, batch * width, *size), kernel, padding=1, groups=batch * width)
        return x_BDHW + self.pointwise(filtered.reshape(x_BDHW.shape))


class DeformableSampling(nn.Module):
    """Each position reads a weighted sum of P points chosen by its features and the shape prior, then 1 x 1, residual."""

    def __init__(self, width: int, points: int):
        super().__init__()
        self.points = points
        self.shape = nn.Linear(width, width)
        self.choose = nn.Conv2d(width, 3 * points, 1)
        nn.init.zeros_(self.choose.weight)
        angle_P = torch.arange(points) * (2 * math.pi / points)
        assert self.choose.bias is not None  # Conv2d has one by default
        with torch.no_grad():  # starts as a ring with a radius of two feature pixels, all weights equal
            self.choose.bias.copy_(torch.cat([2 * angle_P.cos(), 2 * angle_P.sin(), torch.zeros(points)]))
        self.pointwise = nn.Sequential(LayerNorm2d(width), nn.GELU(), nn.Conv2d(width, width, 1))

    def forward(self, x_BDHW: Tensor, shape_BD: Tensor) -> Tensor:
        batch, width, height, columns = x_BDHW.shape
        chosen = self.choose(x_BDHW + self.shape(shape_BD)[:, :, None, None])
        chosen_B3PHW = chosen.reshape(batch, 3, self.points, height, columns)
        pixel = x_BDHW.new_tensor([2 / columns, 2 / height])  # size of a feature pixel in frame units
        offset_BPHW2 = chosen_B3PHW[:, :2].permute(0, 2, 3, 4, 1) * pixel
        point_BPHW2 = places(height, columns, x_BDHW)[0].permute(1, 2, 0) + offset_BPHW2
        read = F.grid_sample(x_BDHW, point_BPHW2.flatten(1, 2), padding_mode="border", align_corners=False)
        read_BDPHW = read.reshape(batch, width, self.points, height, columns)
        weight_B1PHW = chosen_B3PHW[:, 2:].softmax(2)
        return x_BDHW + self.pointwise((read_BDPHW * weight_B1PHW).sum(2))


class MaskHead(nn.Module):
    """SAM's output head: the map enlarged four times; each pixel's dot product with a vector made from the priors."""

    def __init__(self, width: int):
        super().__init__()
        self.enlarge = nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, 2, stride=2),
            LayerNorm2d(width // 2),
            nn.GELU(),
            nn.ConvTranspose2d(width // 2, width // 4, 2, stride=2),
            nn.GELU(),
        )
        self.vector = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Linear(width, width // 4 + 1))

    def forward(self, x_BDHW: Tensor, priors_BD: Tensor) -> Tensor:
        vector_BD = self.vector(priors_BD)
        logits = torch.einsum("bd,bdhw->bhw", vector_BD[:, 1:], self.enlarge(x_BDHW)) + vector_BD[:, 0, None, None]
        return logits[:, None]


def places(height: int, width: int, like: Tensor) -> Tensor:
    """(1, 2, H, W): x and y of each pixel's centre in the frame, -1 to 1."""
    x_W, y_H = ((2 * torch.arange(side, device=like.device, dtype=like.dtype) + 1) / side - 1 for side in (width, height))
    return torch.stack([x_W.expand(height, -1), y_H[:, None].expand(-1, width)])[None]

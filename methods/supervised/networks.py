"""MONAI's U-Net, nnU-Net's planned U-Net, Swin-UNETR and a U-Net on an ImageNet encoder: z-scored RGB (B, 3, S, S) to logits."""

from __future__ import annotations

from dataclasses import dataclass

from prsbench.harness.contract.types import Weights
from prsbench.methods.parts.weights.timm_backbone import build_backbone, freeze_statistics
from prsbench.methods.supervised.config import SupervisedConfig
from torch import Tensor, nn

_SMALLEST_EDGE_PX = 4  # nnU-Net: the smallest feature map


@dataclass(frozen=True, slots=True)
class NNUNetPlan:
    """nnU-Net's 2-D plan. features and strides have one entry per stage; kernels are 3 x 3 throughout (isotropic pixels)."""

    features: tuple[int, ...]
    strides: tuple[int, ...]


def nnunet_plan(side_px: int, base_features: int, max_features: int) -> NNUNetPlan:
    """Halve while the edge stays at 4 or more, double the features up to the limit (Isensee et al., Nature Methods 2021).

    Example:
        >>> nnunet_plan(512, 32, 512).features
        (32, 64, 128, 256, 512, 512, 512, 512)
    """
    halvings, edge = 0, side_px
    while edge % 2 == 0 and edge // 2 >= _SMALLEST_EDGE_PX:
        halvings, edge = halvings + 1, edge // 2
    features = tuple(min(base_features * 2**stage, max_features) for stage in range(halvings + 1))
    return NNUNetPlan(features, (1,) + (2,) * halvings)


def deep_supervision_weights(count: int) -> list[float]:
    """Weight of each supervised resolution, finest first: halved each time, sum 1 (nnU-Net)."""
    raw = [0.5**k for k in range(count)]
    return [weight / sum(raw) for weight in raw]


def build_network(config: SupervisedConfig) -> nn.Module:
    """A config's network with random weights. In training mode nnU-Net returns (B, K, 1, S, S), the others (B, 1, S, S)."""
    from monai.networks.nets import DynUNet, SwinUNETR, UNet

    base = config.base_features
    if config.network == "unet_imagenet":
        return ImageNetUNet(config.base_features)
    if config.network == "unet":
        channels = [min(base * 2**stage, config.max_features) for stage in range(5)]
        return UNet(2, 3, 1, channels, strides=[2] * 4, norm=("instance", {"affine": True}))
    if config.network == "swin_unet":
        return SwinUNETR(in_channels=3, out_channels=1, feature_size=base, spatial_dims=2)
    plan = nnunet_plan(config.image_size_px, base, config.max_features)
    stages = len(plan.strides)
    return DynUNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=1,
        kernel_size=[3] * stages,
        strides=plan.strides,
        upsample_kernel_size=plan.strides[1:],
        filters=plan.features,
        deep_supervision=True,
        deep_supr_num=max(1, stages - 3),  # all but the two coarsest, as nnU-Net supervises
        trans_bias=True,
    )


class ImageNetUNet(nn.Module):
    """A U-Net on CG-Reasoner's backbone, EfficientNet-Lite0 from ImageNet, with the decoder of MONAI's FlexibleUNet.

    As in CG-Reasoner, the batch-norm statistics of a pre-trained encoder are frozen. With random weights they are not.
    """

    def __init__(self, base_features: int):
        super().__init__()
        from monai.networks.nets.flexible_unet import SegmentationHead, UNetDecoder

        self.encoder, source, self.note = build_backbone("tf_efficientnet_lite0", (0, 1, 2, 3, 4), "packaged")
        self.is_pretrained = source != Weights.RANDOM
        channels = [base_features * 2**stage for stage in (4, 3, 2, 1, 0)]
        self.decoder = UNetDecoder(
            spatial_dims=2,
            encoder_channels=(3, *self.encoder.feature_info.channels()),
            decoder_channels=channels,
            act=("relu", {"inplace": True}),
            norm="batch",
            dropout=0.0,
            bias=False,
            upsample="nontrainable",
            pre_conv="default",
            interp_mode="nearest",
            align_corners=None,
            is_pad=True,
        )
        self.head = SegmentationHead(2, channels[-1], 1)

    def train(self, mode: bool = True) -> ImageNetUNet:
        super().train(mode)
        if self.is_pretrained:
            freeze_statistics(self.encoder)
        return self

    def forward(self, image_B3SS: Tensor) -> Tensor:
        return self.head(self.decoder([image_B3SS, *self.encoder(image_B3SS)]))

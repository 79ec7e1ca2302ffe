"""CLIP as PixelLM reads it: at 448 px, padding unseen, two layers, its position table stretched as released."""

# P patches, H W their grid, C channels

from __future__ import annotations

import math

import torch
from prsbench.methods.mask_tokens.release_method import Patches
from prsbench.methods.sam_processing import Frame
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

LAYERS = (-2, -11)  # of the hidden states: the coarse scale's and the fine one's; the first is also the language model's
LANGUAGE_SIDE = 16  # the language model reads the patches on this grid


def stretch_positions(vision: CLIPVisionModel, side_px: int) -> CLIPVisionModel:
    """CLIP for squares of another size, in place.

    As released: the last row of the position table is kept for the class token and the others are stretched. CLIP keeps that row
    first, so every patch, and the class token, stands one place off. The release was trained this way.
    """
    inner = getattr(vision, "vision_model", vision).embeddings
    table = inner.position_embedding.weight.detach()
    old, new = math.isqrt(len(table) - 1), side_px // inner.patch_size
    patches = table[:-1].T.reshape(1, -1, old, old).float()
    stretched = F.interpolate(patches, size=(new, new), mode="bilinear", align_corners=False)[0].flatten(1).T
    inner.position_embedding = nn.Embedding.from_pretrained(torch.cat([stretched.to(table), table[-1:]]))
    inner.position_ids = torch.arange(new * new + 1, device=table.device)[None]
    inner.image_size, inner.num_patches, inner.num_positions = side_px, new * new, new * new + 1
    return vision


def see(vision: CLIPVisionModel, square_3SS: Tensor, frame: Frame, patch_px: int) -> Patches:
    """Patches on the language model's grid, and of both layers on CLIP's own; padding is attended by neither model."""
    seen_HW = _inside(frame, square_3SS.shape[-1], patch_px)
    is_key = torch.cat([seen_HW.new_ones(1), seen_HW.flatten()]).to(square_3SS.device)
    barred = torch.zeros(1, 1, 1, len(is_key), dtype=vision.dtype, device=square_3SS.device)
    barred = barred.masked_fill(~is_key, torch.finfo(vision.dtype).min).expand(-1, -1, len(is_key), -1)
    pixels = square_3SS[None].to(vision.dtype)
    states = vision(pixels, attention_mask=barred, output_hidden_states=True).hidden_states
    levels_LPC = torch.stack([states[layer][0, 1:] for layer in LAYERS])
    grid = levels_LPC[0].T.unflatten(1, seen_HW.shape)[None].float()
    coarse = F.interpolate(grid, size=(LANGUAGE_SIDE, LANGUAGE_SIDE), mode="bilinear", align_corners=False)
    read = F.interpolate(seen_HW[None, None].float(), size=(LANGUAGE_SIDE, LANGUAGE_SIDE), mode="nearest").flatten() > 0
    return Patches(coarse[0].flatten(1).T.to(vision.dtype), read.to(square_3SS.device), levels_LPC)


def _inside(frame: Frame, side_px: int, patch_px: int) -> Tensor:
    """(H, W) bool: whether a patch's first pixel is image."""
    starts = torch.arange(0, side_px, patch_px)
    return (starts < frame.height)[:, None] & (starts < frame.width)

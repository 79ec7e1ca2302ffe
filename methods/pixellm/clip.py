"""PixelLM's CLIP: 448 px, padding masked, two hidden layers, position table resized as in the official code."""

from __future__ import annotations

import math
from typing import Any

import torch
from prsbench.methods.parts.sam.processing import Frame
from prsbench.methods.parts.seg_token.official_method import Patches
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

LAYERS = (-2, -11)  # hidden states of the coarse and the fine scale; the language model reads the first too
LANGUAGE_SIDE = 16  # side of the grid on which the language model reads the patches


def stretch_positions(vision: CLIPVisionModel, side_px: int) -> CLIPVisionModel:
    """Resize CLIP's position table in place for squares of another size.

    As in the official code, the table's last entry is taken for the class token and the others are resized. CLIP stores the
    class token first, so all entries are off by one. The official weights were trained this way.
    """
    embeddings: Any = getattr(vision, "vision_model", vision).embeddings
    table = embeddings.position_embedding.weight.detach()
    old, new = math.isqrt(len(table) - 1), side_px // embeddings.patch_size
    patches = table[:-1].T.reshape(1, -1, old, old).float()
    resized = F.interpolate(patches, size=(new, new), mode="bilinear", align_corners=False)[0].flatten(1).T
    embeddings.position_embedding = nn.Embedding.from_pretrained(torch.cat([resized.to(table), table[-1:]]))
    embeddings.position_ids = torch.arange(new * new + 1, device=table.device)[None]
    embeddings.image_size, embeddings.num_patches, embeddings.num_positions = side_px, new * new, new * new + 1
    return vision


def read_patches(vision: CLIPVisionModel, square_3SS: Tensor, frame: Frame, patch_px: int) -> tuple[Patches, Tensor]:
    """Patches on the language model's grid, and (L, P, C) of both layers on CLIP's grid; neither model attends to padding."""
    seen_HW = _inside(frame, square_3SS.shape[-1], patch_px)
    is_key = torch.cat([seen_HW.new_ones(1), seen_HW.flatten()]).to(square_3SS.device)
    attention_mask = torch.zeros(1, 1, 1, len(is_key), dtype=vision.dtype, device=square_3SS.device)
    attention_mask = attention_mask.masked_fill(~is_key, torch.finfo(vision.dtype).min).expand(-1, -1, len(is_key), -1)
    pixels = square_3SS[None].to(vision.dtype)
    states = vision(pixels, attention_mask=attention_mask, output_hidden_states=True).hidden_states
    levels_LPC = torch.stack([states[layer][0, 1:] for layer in LAYERS])
    grid = levels_LPC[0].T.unflatten(1, seen_HW.shape)[None].float()
    coarse = F.interpolate(grid, size=(LANGUAGE_SIDE, LANGUAGE_SIDE), mode="bilinear", align_corners=False)
    is_read_P = F.interpolate(seen_HW[None, None].float(), size=(LANGUAGE_SIDE, LANGUAGE_SIDE), mode="nearest").flatten() > 0
    return Patches(coarse[0].flatten(1).T.to(vision.dtype), is_read_P.to(square_3SS.device)), levels_LPC


def _inside(frame: Frame, side_px: int, patch_px: int) -> Tensor:
    """(H, W) bool: whether a patch's first pixel is image."""
    starts = torch.arange(0, side_px, patch_px)
    return (starts < frame.height)[:, None] & (starts < frame.width)

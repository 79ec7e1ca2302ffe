"""CLIP as PixelLM reads it, by hand."""

import pytest
import torch
from official_folders import small_clip
from prsbench.methods.parts.sam.processing import Frame
from prsbench.methods.pixellm import clip as clip_module
from prsbench.methods.pixellm.clip import read_patches, stretch_positions
from transformers import CLIPVisionModel


@pytest.fixture
def clip():
    torch.manual_seed(0)
    return CLIPVisionModel(small_clip(layers=12)).eval()


def embeddings(vision):
    return getattr(vision, "vision_model", vision).embeddings


def test_the_position_table_is_stretched_one_place_off_as_officially(clip):
    table = torch.arange(5.0)[:, None].expand(5, 8).clone()  # CLIP's: class 0, patches 1 2 / 3 4
    embeddings(clip).position_embedding.weight.data.copy_(table)
    stretched = embeddings(stretch_positions(clip, 56)).position_embedding.weight[:, 0]
    rows = torch.tensor([[0.0, 0.25, 0.75, 1], [0.5, 0.75, 1.25, 1.5], [1.5, 1.75, 2.25, 2.5], [2, 2.25, 2.75, 3]])
    assert torch.allclose(stretched, torch.cat([rows.flatten(), torch.tensor([4.0])]))


@torch.inference_mode()
def test_padding_is_seen_by_nobody(clip, monkeypatch):
    monkeypatch.setattr(clip_module, "LANGUAGE_SIDE", 2)
    stretch_positions(clip, 56)
    frame, square = Frame((28, 56), 28, 56), torch.randn(3, 56, 56)
    first, first_levels = read_patches(clip, square, frame, 14)
    other = square.clone()
    other[:, 28:] += 5
    _, second_levels = read_patches(clip, other, frame, 14)
    inside = torch.arange(16) < 8
    assert torch.allclose(first_levels[:, inside], second_levels[:, inside], atol=1e-5)
    assert not torch.allclose(first_levels[:, ~inside], second_levels[:, ~inside], atol=1e-2)
    assert first.is_seen_P.tolist() == [True, True, False, False]


@torch.inference_mode()
def test_for_a_square_image_it_reads_the_layer_before_the_last_and_the_eleventh_from_the_end(clip, monkeypatch):
    monkeypatch.setattr(clip_module, "LANGUAGE_SIDE", 2)
    stretch_positions(clip, 56)
    square = torch.randn(3, 56, 56)
    inner = getattr(clip, "vision_model", clip)
    state, states = inner.pre_layrnorm(inner.embeddings(square[None])), []
    for layer in inner.encoder.layers:
        states.append(state)
        out = layer(state, attention_mask=None)
        state = out if torch.is_tensor(out) else out[0]
    states.append(state)  # of 13: before the first layer, and after each
    got, levels = read_patches(clip, square, Frame((56, 56), 56, 56), 14)
    assert torch.allclose(levels[0], states[11][0, 1:], atol=1e-5)
    assert torch.allclose(levels[1], states[2][0, 1:], atol=1e-5)
    by_four = states[11][0, 1:].view(2, 2, 2, 2, 8).mean((1, 3)).view(4, 8)  # halving bilinearly is averaging by four
    assert torch.allclose(got.patch_PC, by_four, atol=1e-5) and got.is_seen_P.all()

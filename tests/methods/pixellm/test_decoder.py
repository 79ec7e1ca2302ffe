"""PixelLM's decoder against the public schedule written out, and what becomes of the tokens."""

import pytest
import torch
from prsbench.methods.pixellm.decoder import MASK_TOKENS, MultiScaleMaskDecoder, decode_scales, fuse
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from torch.nn import functional as F


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    return PromptEncoder(256, (4, 4), (56, 56), mask_in_chans=16).eval(), MultiScaleMaskDecoder().eval()


def written_out(prompts, decoder, level_1CHW, prompt_C, level, coarse_1HW=None):
    """One mask of one scale, as the public code computes it: all four masks, the first taken."""
    tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight, prompt_C[None]]) + decoder.level_embed.weight[level]
    dense = prompts.no_mask_embed.weight.reshape(1, 256, 1, 1).expand(1, 256, 4, 4)
    place, source = prompts.get_dense_pe(), level_1CHW
    if level:
        source = decoder.upsample_2x(source)
        source = (coarse_1HW.unsqueeze(1).repeat(1, 256, 1, 1).sigmoid() + 1) * source
        place = decoder.pe1(source.shape[-2:]).unsqueeze(0)
        dense = F.interpolate(dense, size=source.shape[-2:], mode="bilinear", align_corners=False)
    states, seen = decoder.transformer[level](source + dense, place, tokens[None])
    up = decoder.output_upscaling(seen.transpose(1, 2).view(source.shape))[0]
    weights = torch.stack([mlp(states[0, 1 + n]) for n, mlp in enumerate(decoder.output_hypernetworks_mlps)])
    return (weights @ up.flatten(1)).view(4, *up.shape[-2:])[:1]


@torch.inference_mode()
def test_it_computes_what_the_public_schedule_computes(parts):
    levels, prompt_NLC = torch.randn(2, 1, 256, 4, 4), torch.randn(3, 2, 256)
    got = decode_scales(*parts, levels, prompt_NLC)
    assert got.shape == (3, 1, 16, 16)
    for n in range(3):
        coarse = written_out(*parts, levels[0], prompt_NLC[n, 0], 0)
        fine = written_out(*parts, levels[1], prompt_NLC[n, 1], 1, coarse)
        enlarged = F.interpolate(coarse[None], (16, 16), mode="bilinear", align_corners=False)[0]
        assert torch.allclose(got[n], 0.5 * enlarged + 0.5 * fine, atol=1e-4)


@torch.inference_mode()
def test_features_of_their_own_give_each_mask_what_it_gets_alone(parts):
    levels, prompt_NLC = torch.randn(2, 3, 256, 4, 4), torch.randn(3, 2, 256)
    together = decode_scales(*parts, levels, prompt_NLC)
    for n in range(3):
        alone = decode_scales(*parts, levels[:, n : n + 1], prompt_NLC[n : n + 1])
        assert torch.allclose(together[n], alone[0], atol=1e-4)


@torch.inference_mode()
def test_the_fine_scale_listens_to_the_coarse_mask_and_each_scale_to_its_own_tokens(parts):
    levels, prompt_NLC = torch.randn(2, 1, 256, 4, 4), torch.randn(1, 2, 256)
    before = decode_scales(*parts, levels, prompt_NLC)
    for scale in range(2):
        other = prompt_NLC.clone()
        other[:, scale] += 1
        assert not torch.allclose(before, decode_scales(*parts, levels, other), atol=1e-3)


def test_the_tokens_of_a_scale_are_averaged_in_the_order_of_generation():
    assert MASK_TOKENS == ("[SEG0]", "[SEG1]", "[SEG2]", "[SEG3]", "[SEG4]", "[SEG5]")
    said = torch.tensor([1.0, 2, 6, 10, 20, 60, 0, 0, 3, 0, 0, 30])[:, None]
    assert torch.equal(fuse(said)[..., 0], torch.tensor([[3.0, 30], [1, 10]]))


@pytest.mark.parametrize("count", [0, 1, 5, 7])
def test_a_broken_group_of_tokens_asks_for_nothing(count):
    assert fuse(torch.randn(count, 256)).shape == (0, 2, 256)


def test_its_transformers_and_heads_carry_metas_names_and_what_is_new_the_public_ones():
    keys = {key: tuple(tensor.shape) for key, tensor in MultiScaleMaskDecoder().state_dict().items()}
    block = TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8)
    meta = {key: tuple(t.shape) for key, t in MaskDecoder(transformer_dim=256, transformer=block).state_dict().items()}
    expected = {key: shape for key, shape in meta.items() if not key.startswith(("transformer.", "output_upscaling."))}
    for scale in range(2):
        expected |= {f"transformer.{scale}.{key}": tuple(tensor.shape) for key, tensor in block.state_dict().items()}
    expected |= {"level_embed.weight": (2, 256), "pe1.positional_encoding_gaussian_matrix": (2, 128)}
    for name, channels in (("output_upscaling", 32), ("upsample_2x", 256)):
        expected |= {f"{name}.0.weight": (256, channels, 2, 2), f"{name}.0.bias": (channels,)}
        expected |= {f"{name}.1.weight": (channels,), f"{name}.1.bias": (channels,)}
    assert keys == expected

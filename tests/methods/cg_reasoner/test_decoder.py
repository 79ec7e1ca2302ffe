import pytest
import torch
from parity import Parity, needs
from prsbench.methods.cg_reasoner.decoder import LayerNorm2d, MaskDecoder, masked_mean
from torch.nn import functional as F


@needs("cg_reasoner_decoder")
@pytest.mark.parametrize("grid", ["grid16", "grid64"])
def test_the_public_decoders_weights_load_by_key_and_give_its_numbers(grid):
    parity = Parity("cg_reasoner_decoder")
    decoder = MaskDecoder(prompt_width=128)
    decoder.load_state_dict(parity.weights() | {"ds1.bn.num_batches_tracked": torch.tensor(0)})
    decoder.eval()
    features, prompt = (parity.tensor(parity.json["inputs"][grid][name]) for name in ("image_feat", "prompt_feat"))
    with torch.no_grad():
        logits = decoder(features, prompt)
    published = F.interpolate(logits, size=features.shape[-2:], mode="bilinear", align_corners=False)
    parity.check(f"{grid}/mask_logits", published)


def test_tokens_that_are_not_prompt_do_not_move_the_mask():
    torch.manual_seed(0)
    decoder = MaskDecoder(prompt_width=12, channels=16, hidden=24).eval()
    features, prompt = torch.randn(2, 16, 8, 8), torch.randn(2, 5, 12)
    keep = torch.tensor([[True, True, False, True, False]] * 2)
    changed = prompt.masked_fill(~keep[..., None], 99.0)
    assert torch.equal(decoder(features, prompt, keep), decoder(features, changed, keep))
    assert not torch.equal(decoder(features, prompt), decoder(features, changed))


def test_the_mask_has_four_times_the_feature_size_and_hears_the_prompt():
    torch.manual_seed(0)
    decoder = MaskDecoder(prompt_width=12, channels=16, hidden=24).eval()
    features = torch.randn(1, 16, 6, 10)
    first, second = (decoder(features, torch.randn(1, 3, 12)) for _ in range(2))
    assert first.shape == (1, 1, 24, 40) and not torch.allclose(first, second)


def test_layer_norm_2d_normalises_each_channel_over_its_pixels():
    x = torch.randn(2, 3, 5, 7) * 4 + 2
    y = LayerNorm2d(3)(x)
    assert torch.allclose(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-5)
    by_hand = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, correction=0) + 1e-6).sqrt()
    assert torch.allclose(y, by_hand, atol=1e-5)


def test_a_mean_over_no_token_is_zero():
    assert torch.equal(masked_mean(torch.ones(1, 3, 2), torch.zeros(1, 3, dtype=torch.bool)), torch.zeros(1, 2))

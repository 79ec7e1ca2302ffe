import pytest
import torch
from parity import Parity, needs
from prsbench.methods.prs_med.decoder import MaskDecoder
from prsbench.methods.prs_med.official_weights import load_decoder


@torch.inference_mode()
@pytest.mark.parametrize("grid", ["small", "full"])
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("prs_med_decoder", "prs_med_decoder_v6")])
def test_the_public_decoders_weights_load_by_key_and_give_its_numbers(name, grid, tmp_path):
    parity = Parity(name)
    torch.save(parity.weights(), tmp_path / "mask_decoder.pth")
    decoder, matched = load_decoder(tmp_path, prompt_width=128)
    assert matched.found == matched.expected == len(parity.keys)
    features, prompt = (parity.tensor(parity.json["inputs"][grid][name]) for name in ("image_feat", "prompt_feat"))
    parity.check(f"{grid}/mask_logits", decoder(features, prompt))


@needs("prs_med_checkpoint")
def test_at_full_size_it_has_every_key_and_shape_of_the_official_file():
    official = Parity("prs_med_checkpoint").json["folder"]["mask_decoder.pth"]
    with torch.device("meta"):
        ours = MaskDecoder(prompt_width=4096).state_dict()
    assert {key: list(tensor.shape) for key, tensor in ours.items()} == official


def test_tokens_that_are_not_prompt_do_not_move_the_mask_unless_the_public_behaviour_is_asked_for():
    torch.manual_seed(0)
    decoder = MaskDecoder(prompt_width=12, channels=16, hidden=24).eval()
    features, prompt = torch.randn(2, 16, 4, 4), torch.randn(2, 5, 12)
    keep = torch.tensor([[True, True, False, True, False]] * 2)
    changed = prompt.masked_fill(~keep[..., None], 99.0)
    assert torch.equal(decoder(features, prompt, keep), decoder(features, changed, keep))
    assert not torch.allclose(decoder(features, prompt), decoder(features, changed))


def test_the_mask_has_sixteen_times_the_feature_size():
    decoder = MaskDecoder(prompt_width=12, channels=16, hidden=24).eval()
    assert decoder(torch.randn(1, 16, 3, 5), torch.randn(1, 2, 12)).shape == (1, 1, 48, 80)

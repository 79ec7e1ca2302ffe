"""Parity with the official code on pseudo-weights, by official key; the official size on the meta device."""

import pytest
import torch
from parity import Parity, needs
from prsbench.methods.lisa.method import build_visual
from prsbench.methods.lisa.network import LISA
from prsbench.methods.parts.language.continuation import continued
from prsbench.methods.parts.sam.networks import ViT, build_vit_sam
from prsbench.methods.parts.sam.processing import Frame, LongestSide
from prsbench.methods.parts.seg_token.prompt import mask_token_states
from transformers import LlamaConfig

SHAPES = {"7b": (4096, 11008, 32, 32), "13b": (5120, 13824, 40, 40)}


def of_official_size(size):
    width, feed_forward, layers, heads = SHAPES[size]
    shape = LlamaConfig(
        vocab_size=32003,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        return LISA(shape, build_visual()).eval()


def shapes_of(network):
    return {key: list(tensor.shape) for key, tensor in network.state_dict().items()}


def without_constants(keys):
    return {key: shape for key, shape in keys.items() if not key.endswith("rotary_emb.inv_freq")}


@needs("lisa")
def test_the_7b_network_has_every_key_and_shape_of_the_official_file():
    official = without_constants(Parity("lisa").json["keys_lisa_7b"])
    assert len(official) == 923 - 32
    assert shapes_of(of_official_size("7b")) == official


@needs("lisa")
def test_the_13b_network_differs_by_depth_and_width_of_its_language_model_alone():
    small = without_constants(Parity("lisa").json["keys_lisa_7b"])
    swap = {4096: 5120, 11008: 13824}
    expected = {}
    for key, shape in small.items():
        expected[key] = shape if ".visual_model." in key else [swap.get(side, side) for side in shape]
        if key.startswith("model.layers.0."):
            for layer in range(32, 40):
                expected[key.replace("layers.0.", f"layers.{layer}.", 1)] = expected[key]
    assert shapes_of(of_official_size("13b")) == expected


@needs("lisa")
@torch.inference_mode()
def test_from_a_state_to_the_masks_it_gives_the_official_numbers():
    parity = Parity("lisa")
    parity.keys = parity.json["numeric_keys"]
    network = of_official_size("7b")
    assert not network.load_state_dict(parity.weights(), strict=False, assign=True).unexpected_keys
    inputs = parity.json["inputs"]
    prompts = network.text_prompts(parity.tensor(inputs["hidden_states"]))
    parity.check("text_hidden_fcs", prompts)
    logits, iou = network.masks(parity.tensor(inputs["image_embeddings"]), prompts[0, inputs["seg_rows"]])
    parity.check("low_res_logits", logits)
    parity.check("iou", iou)
    frame = Frame(tuple(inputs["original_hw"]), *inputs["resize_hw"])
    native = torch.stack([LongestSide().probability(mask[0], frame).logit() for mask in logits])
    parity.check("postprocessed_logits", native[:, None])
    parity.check("mask", native > 0)


@needs("lisa")
def test_the_states_that_predict_a_mask_are_the_official_ones():
    fixture = Parity("lisa").json["seg_selection"]
    seg = fixture["ids"]["[SEG]"]
    for case in fixture["generation"]:
        assert mask_token_states(case["output_ids"], {seg}, 256) == case["selected_expanded_indices"], case["name"]
    for case in fixture["examples"]:
        found = [place for row in case["input_ids"] for place in mask_token_states(row, {seg}, 256)]
        assert found == case["inference"]["selected_expanded_indices"], case["name"]


def test_with_four_patches_a_seg_right_after_the_question_is_predicted_by_the_questions_last_state():
    image, seg = -200, 9
    # 1 P P P P 2 | 9: the patches lie at 1 to 4, the last word of the question at 5
    assert mask_token_states([1, image, 2, seg], {seg}, patches=4) == [5]
    assert mask_token_states([1, image, 2, 3], {seg}, patches=4) == []


@pytest.fixture
def small():
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=12, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, tie_word_embeddings=False
    )
    return LISA(shape, build_vit_sam(ViT(32, 1, 2, (0,)), side_px=64), patch_width=8).eval()


@torch.inference_mode()
def test_the_states_of_generation_are_those_of_reading_the_full_answer_at_once(small):
    patches = torch.randn(4, 8)
    small.generation_config.sequence_bias = [[[3], -1e9]]  # never ends early
    [said] = continued(small, [small.prompt([1, 2], patches, [5, 6, 7])], answer_tokens=5, end=3)
    embed = small.get_input_embeddings()
    words = [embed(torch.tensor(ids)) for ids in ([1, 2], [5, 6, 7, *said.ids[:-1]])]
    embedded = torch.cat([words[0], small.model.mm_projector(patches), words[1]])
    at_once = small.model(inputs_embeds=embedded[None]).last_hidden_state[0]
    assert len(said.ids) == 5 and said.states_TD.shape == at_once.shape
    assert torch.allclose(said.states_TD, at_once, atol=1e-5)


@torch.inference_mode()
def test_each_text_gets_the_mask_it_gets_alone(small):
    features, prompts = torch.randn(1, 256, 4, 4), torch.randn(3, 256)
    together, iou = small.masks(features, prompts)
    assert together.shape == (3, 1, 16, 16) and iou.shape == (3, 1)
    for n in range(3):
        assert torch.allclose(together[n], small.masks(features, prompts[n : n + 1])[0][0], atol=1e-5)

"""The lean pass gives transformers' states, and an answer with LoRA merged is that without."""

from types import SimpleNamespace

import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.language import multimodal_llm
from prsbench.methods.parts.language.image_tokens import ImageTokens
from prsbench.methods.parts.language.multimodal_llm import AdaptedLLM
from prsbench.methods.parts.language.shared_prefix import SharedPrefixDecoder
from transformers import LlamaConfig, LlamaForCausalLM

LENGTHS = (5, 2, 4, 3)  # of four rows about two images
ROW_IMAGE = torch.tensor([0, 1, 0, 0])


class Plain(AdaptedLLM):
    """Sees image tokens as they are; a question is its characters."""

    def _image_tokens(self, seen):
        return ImageTokens(seen, None)

    def _question_ids(self, question):
        return [ord(letter) % 29 + 1 for letter in question]

    @property
    def _decoder(self):
        return self.language.get_base_model().model


@pytest.fixture(params=[4, 2], ids=["as many keys as queries", "grouped"])
def llm(request):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=30, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=request.param, pad_token_id=0, eos_token_id=29,
    )  # fmt: skip
    spelled = SimpleNamespace(
        pad_token_id=0, eos_token_id=29, batch_decode=lambda ids, **_: [" ".join(map(str, row.tolist())) for row in ids]
    )
    llm = Plain(spelled, LlamaForCausalLM(config), 4, 8, 0.0)
    for name, tensor in llm.named_parameters():
        if "lora_B" in name:  # 0 at first: LoRA would do nothing
            torch.nn.init.normal_(tensor, std=0.3)
    return llm.eval()


on_either_device = pytest.mark.parametrize("is_on_gpu", [False, True], ids=["as on a CPU", "as on a GPU"])


@on_either_device
def test_states_and_gradients_are_transformers_own_row_by_row(llm, is_on_gpu):
    image, text = torch.randn(2, 6, 32), torch.randn(4, 5, 32)
    is_text = torch.arange(5)[None] < torch.tensor(LENGTHS)[:, None]
    adapters = [p for name, p in llm.named_parameters() if "lora_" in name]
    decoder = SharedPrefixDecoder(llm._decoder)
    decoder._is_on_gpu = is_on_gpu
    ours = decoder.read(image, text, is_text, ROW_IMAGE)
    theirs = torch.zeros_like(ours)
    for row, (shown, length) in enumerate(zip(ROW_IMAGE, LENGTHS, strict=True)):
        whole = torch.cat([image[shown], text[row, :length]])[None]
        theirs[row, :length] = llm._decoder(inputs_embeds=whole).last_hidden_state[0, 6:]
    assert torch.allclose(ours, theirs, atol=1e-5) and not ours[~is_text].any()
    weight = torch.randn_like(ours)
    gradients = [torch.autograd.grad((states * weight).sum(), adapters) for states in (ours, theirs)]
    assert all(torch.allclose(*pair, atol=1e-4, rtol=1e-4) for pair in zip(*gradients, strict=True))


@on_either_device
def test_an_answer_with_merged_lora_is_that_without_and_leaves_every_weight_bit_for_bit(llm, is_on_gpu):
    llm._merged_decoder()._is_on_gpu = is_on_gpu
    before = {name: tensor.clone() for name, tensor in llm.state_dict().items()}
    image, asked = torch.randn(3, 6, 32), ["where?", "in which part?", "x"]
    said = llm.generate(image, asked, 7)
    assert all(torch.equal(tensor, before[name]) for name, tensor in llm.state_dict().items())
    for row, question in enumerate(asked):
        told = torch.cat([llm._embed(torch.tensor(llm._question_ids(question))), llm._embed(said.ids_BA[row])])
        whole = torch.cat([image[row], told])[None]
        states = llm._decoder(inputs_embeds=whole).last_hidden_state[0, 6:]
        question_TD = said.states_BTD[row][said.is_question_BT[row]]
        behind = states[len(question_TD) - 1 : -1]
        ended = (said.ids_BA[row] == 29).cumsum(0)
        there = (ended - (said.ids_BA[row] == 29).long()) == 0
        assert torch.allclose(question_TD, states[: len(question_TD)], atol=1e-5)
        assert torch.allclose(said.answer_states_BAD[row][there], behind[there], atol=1e-5)
        assert torch.equal(said.ids_BA[row][there], llm._head(behind).argmax(-1)[there])


def test_lora_is_merged_once_until_a_weight_changes_and_no_copy_is_pickled_or_held_in_training(llm, monkeypatch):
    asked = torch.randn(1, 6, 32), ["Where?"], 3
    built, reader = [], multimodal_llm.SharedPrefixDecoder
    monkeypatch.setattr(multimodal_llm, "SharedPrefixDecoder", lambda *a, **k: built.append(1) or reader(*a, **k))
    before = llm.generate(*asked).states_BTD
    assert torch.equal(llm.generate(*asked).states_BTD, before) and len(built) == 1
    lora_b = next(p for name, p in llm.named_parameters() if "lora_B" in name)
    with torch.no_grad():
        lora_b.mul_(2)
    doubled = llm.generate(*asked).states_BTD
    assert not torch.allclose(doubled, before, atol=1e-4) and len(built) == 2
    with llm.language.disable_adapter():
        assert not torch.allclose(llm.generate(*asked).states_BTD, doubled, atol=1e-4)
    assert torch.equal(llm.generate(*asked).states_BTD, doubled)
    lora_b.data = lora_b.data / 2  # replaced: no write is counted
    assert torch.allclose(llm.generate(*asked).states_BTD, before, atol=1e-6)
    assert llm._merged is not None and llm.__getstate__()["_merged"] is None
    assert llm.train()._merged is None


def test_it_stops_when_every_row_has_ended_and_pads_behind_an_end(llm, monkeypatch):
    turns = iter([[3, 29, 4], [29, 9, 5], [7, 7, 29], [1, 1, 1]])
    monkeypatch.setattr(llm, "_choose", lambda logits_BV: torch.tensor(next(turns)))
    said = llm.generate(torch.randn(3, 6, 32), ["a", "bc", "def"], 9)
    assert said.ids_BA.tolist() == [[3, 29, 0], [29, 0, 0], [4, 5, 29]]
    assert said.answer_states_BAD.shape[:2] == (3, 3)


def test_weights_of_less_than_float32_are_not_merged_as_that_would_round_lora_away(llm):
    q = llm.bfloat16()._decoder.layers[0].self_attn.q_proj
    assert SharedPrefixDecoder(llm._decoder, merged=True)._projections[0][0] is q


def test_a_decoder_of_another_form_and_text_beyond_the_window_are_refused(llm):
    class Qwen3Model(torch.nn.Module):
        """Norms queries and keys: read as a Llama it would give other states, without a word."""

    with pytest.raises(PrsbenchError, match="Qwen3Model is not supported; expected one of LlamaModel, MistralModel"):
        SharedPrefixDecoder(Qwen3Model())
    llm._decoder.config.sliding_window = 7
    with pytest.raises(PrsbenchError, match="8 tokens of image and text are more than the model's window of 7"):
        SharedPrefixDecoder(llm._decoder).read(
            torch.randn(1, 6, 32), torch.randn(1, 2, 32), torch.ones(1, 2, dtype=torch.bool), torch.tensor([0])
        )

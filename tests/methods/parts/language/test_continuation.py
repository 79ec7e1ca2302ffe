"""Prompts read as one batch against each read alone, with a small Llama."""

import pytest
import torch
from prsbench.methods.parts.language.continuation import Prompt, batched, continued
from transformers import LlamaConfig, LlamaForCausalLM

END = 3


@pytest.fixture
def llama():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=12, **sizes)).eval()


@torch.inference_mode()
def test_padding_and_longer_neighbours_change_no_answer_and_no_state(llama):
    is_seen = torch.tensor([True, False, True, True, True])
    prompts = [Prompt(torch.randn(length, 16), is_seen if length == 5 else None) for length in (7, 5, 2)]
    together = continued(llama, prompts, 6, END)
    for prompt, answer in zip(prompts, together, strict=True):
        [alone] = continued(llama, [prompt], 6, END)
        assert answer.ids == alone.ids and answer.states_TD.shape == alone.states_TD.shape
        assert len(answer.states_TD) == len(prompt.embedded_TD) + len(answer.ids) - 1
        seen = torch.ones(len(answer.states_TD), dtype=torch.bool)
        if prompt.is_seen_T is not None:
            seen[: len(is_seen)] = is_seen
        assert torch.allclose(answer.states_TD[seen], alone.states_TD[seen], atol=1e-5)


@torch.inference_mode()
def test_an_answer_ends_with_its_end_token_however_long_the_others_are(llama):
    prompts = [Prompt(torch.randn(4, 16)) for _ in range(8)]
    free = [answer.ids for answer in continued(llama, prompts, 4, END)]
    end = next(ids[1] for ids in free if ids[1] != ids[0])
    answers = continued(llama, prompts, 4, end)
    lengths = [len(answer.ids) for answer in answers]
    assert min(lengths) < max(lengths), "some rows end early"
    assert all(end not in answer.ids[:-1] for answer in answers)


def test_batches_keep_the_order_and_the_last_one_is_shorter():
    assert list(batched([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]

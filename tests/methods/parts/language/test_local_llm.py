"""A judge from a local folder: deterministic, and only what is new is returned."""

import shutil

import pytest
import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.methods.parts.language.local_llm import LocalCausalLM
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random Llama with a word tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("judge")
    words = {word: i for i, word in enumerate(["<unk>", "<eos>", "yes", "no", "Reply", ":", "left", "top"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>").save_pretrained(place)
    torch.manual_seed(3)
    shape = dict(vocab_size=8, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    LlamaForCausalLM(LlamaConfig(**shape, bos_token_id=1, eos_token_id=1)).save_pretrained(place)
    return place


def test_the_same_prompt_gets_the_same_new_text_whatever_else_is_asked(folder):
    prompts = ["Reply : top left", "left", "Reply : no"]
    together = LocalCausalLM(folder).complete(prompts)
    assert [LocalCausalLM(folder).complete([prompt])[0] for prompt in prompts] == together
    assert all(len(text.split()) <= 4 for text in together)


def test_loading_it_leaves_the_random_state_and_refuses_weights_that_lack_a_tensor(folder, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    LocalCausalLM(folder)
    assert torch.equal(torch.get_rng_state(), before)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    state = load_file(folder / "model.safetensors")
    del state["model.layers.0.mlp.up_proj.weight"]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(MissingPrerequisite, match="do not match config.json: .*missing_keys.*mlp.up_proj"):
        LocalCausalLM(tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(MissingPrerequisite, match="no config.json found"):
        LocalCausalLM(tmp_path)

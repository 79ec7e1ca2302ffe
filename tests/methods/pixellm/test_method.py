"""PixelLM's row over a small official folder made here, and the size of the real one on the meta device."""

import gc
import weakref

import numpy as np
import pytest
import torch
from official_folders import PATCH_WIDTH, PLAIN, make_official_folders, speaking
from prsbench.harness.contract.catalog import Entry
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import Query
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.parts.language.continuation import continued
from prsbench.methods.parts.sam.processing import LongestSide
from prsbench.methods.pixellm import method as method_module
from prsbench.methods.pixellm.config import PixelLMConfig
from prsbench.methods.pixellm.decoder import MASK_TOKENS
from prsbench.methods.pixellm.method import PixelLMMethod
from prsbench.methods.pixellm.network import PixelLM
from transformers import LlamaConfig

ASKING = list(range(len(PLAIN), len(PLAIN) + len(MASK_TOKENS)))


@pytest.fixture
def official(tmp_path, monkeypatch):
    monkeypatch.setattr(method_module, "PROCESSING", LongestSide(56))
    given = make_official_folders(
        tmp_path, monkeypatch, MASK_TOKENS, lambda shape: PixelLM(shape, PATCH_WIDTH, 56), clip_layers=12
    )
    return {**given, "answer_tokens": 6}


def loaded(official, monkeypatch, ids):
    monkeypatch.setattr(method_module, "PixelLM", speaking(PixelLM, ids))
    method = PixelLMMethod(PixelLMConfig(**official))
    method.load(None, "cpu")
    return method


def query():
    return Query("one", np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8), "Where is the lesion", "skin_rgb")


def test_with_its_folders_it_passes_the_suite(official, tmp_path, monkeypatch):
    monkeypatch.setattr(method_module, "PixelLM", speaking(PixelLM, ASKING))
    entry = METHODS["pixellm_7b"]
    entry = Entry("pixellm_7b", entry.summary, entry.factory, entry.config, official, trains=False)
    (tmp_path / "subject").mkdir()
    subject = Subject(entry, tmp_path / "subject")
    assert all(p.probability.any() for p in subject.predictions)
    assert [f for f in (run_check(check, subject) for check in CHECKS) if f.verdict is Verdict.FAILED] == []


def test_six_tokens_ask_for_a_mask_and_are_no_words_and_a_broken_group_asks_for_none(official, monkeypatch):
    whole = loaded(official, monkeypatch, ASKING).predict([query()])[0]
    assert whole.probability.any() and whole.answer == ""
    broken = loaded({**official, "answer_tokens": 5}, monkeypatch, ASKING).predict([query()])[0]
    assert not broken.probability.any()


def test_the_features_of_its_images_do_not_keep_a_dropped_network_in_memory(official, monkeypatch):
    method = loaded(official, monkeypatch, ASKING)
    method.predict([query()])
    network = weakref.ref(method._network)
    del method
    gc.collect()
    assert network() is None


@torch.inference_mode()
def test_a_masked_patch_stays_in_its_place_and_changes_nothing(official, monkeypatch):
    network = loaded(official, monkeypatch, ASKING)._network
    network.generation_config.sequence_bias = [[[2], -1e9]]  # never ends early
    patches = torch.randn(4, PATCH_WIDTH)
    is_seen = torch.tensor([True, True, False, True])
    other = patches.clone()
    other[2] += 9
    first, second = (continued(network, [network.prompt([1], p, [5, 6], is_seen)], 4, 2)[0] for p in (patches, other))
    kept = [n for n in range(len(first.states_TD)) if n != 1 + 2]
    assert first.ids == second.ids and torch.allclose(first.states_TD[kept], second.states_TD[kept], atol=1e-5)
    embed = network.get_input_embeddings()
    words = [embed(torch.tensor(ids)) for ids in ([1], [5, 6, *first.ids[:-1]])]
    embedded = torch.cat([words[0], network.model.mm_projector(patches), words[1]])[None]
    length = embedded.shape[1]
    read = torch.ones(1, length, dtype=torch.long)
    read[0, 3] = 0
    at_once = network.model(inputs_embeds=embedded, attention_mask=read, position_ids=torch.arange(length)[None])
    assert torch.allclose(first.states_TD[kept], at_once.last_hidden_state[0, kept], atol=1e-5)


def test_a_tokenizer_without_the_codebook_is_refused(official, tmp_path, monkeypatch):
    monkeypatch.setattr(PixelLMMethod, "tokens", (*MASK_TOKENS, "[SEG6]"))
    with pytest.raises(PrsbenchError, match=r"pixellm_7b: its tokenizer must know .* lacks \[SEG6\]"):
        loaded(official, monkeypatch, ASKING)


def test_without_a_folder_it_is_skipped_with_instructions_that_name_the_official_one():
    with pytest.raises(MissingPrerequisite, match="methods.pixellm_7b.checkpoint to your copy of maverickrzw/PixelLM-7B"):
        PixelLMMethod(PixelLMConfig(size="7b")).load(None, "cpu")


def test_at_its_official_size_what_is_not_llamas_has_the_public_names_and_shapes():
    shape = LlamaConfig(vocab_size=32008, hidden_size=4096, intermediate_size=11008, num_hidden_layers=1, num_attention_heads=32)
    with torch.device("meta"):
        keys = {key: tuple(tensor.shape) for key, tensor in PixelLM(shape).state_dict().items()}
    expected = {}
    for name in ("mm_projector", "out_mm_projector"):
        expected |= {f"model.{name}.0.weight": (8192, 1024), f"model.{name}.0.bias": (8192,)}
        expected |= {f"model.{name}.2.weight": (4096, 8192), f"model.{name}.2.bias": (4096,)}
    neck = "model.image_feature_neck"
    expected |= {f"{neck}.0.weight": (256, 4096, 1, 1), f"{neck}.2.weight": (256, 256, 3, 3)}
    expected |= {f"{neck}.{n}.{kind}": (256,) for n in (1, 3) for kind in ("weight", "bias")}
    states = "model.text_hidden_fcs.0"
    expected |= {f"{states}.0.weight": (4096, 4096), f"{states}.0.bias": (4096,)}
    expected |= {f"{states}.2.weight": (256, 4096), f"{states}.2.bias": (256,)}
    others = ("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.", "model.mask_decoder.", "model.prompt_encoder.")
    assert {key: shape for key, shape in keys.items() if not key.startswith(others)} == expected
    assert sum(key.startswith("model.prompt_encoder.") for key in keys) == 17  # as LISA's official file has

"""The row over a small release made here: its suite, its empty mask, its cures."""

import json

import numpy as np
import pytest
import torch
from prsbench.harness.contract.catalog import Entry
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import PromptSource, Query, TextSource, Weights
from prsbench.methods.catalog import METHODS
from prsbench.methods.conformance import CHECKS, FAILED, Subject, verdict
from prsbench.methods.lisa import adapter
from prsbench.methods.lisa.adapter import LISAMethod
from prsbench.methods.lisa.config import LISAConfig
from prsbench.methods.lisa.network import LISA
from prsbench.methods.mask_tokens.config import WIDTHS
from prsbench.methods.mask_tokens.prompt import IMAGE, prompt_ids
from prsbench.methods.sam_networks import ViT, build_vit_sam
from prsbench.methods.sam_processing import LongestSide
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, PreTrainedTokenizerFast

WORDS = ("<unk>", "<s>", "</s>", "[SEG]", "<im_start>", "<im_end>", "USER", "ASSISTANT", "Where", "is", "the", "lesion")


@pytest.fixture
def release(tmp_path, monkeypatch):
    """Folders of a small LISA and its CLIP; `adapter` and `checkpoint` are made small alike."""
    monkeypatch.setitem(WIDTHS, "7b", 16)
    monkeypatch.setattr(adapter, "build_visual", lambda: build_vit_sam(ViT(32, 1, 2, (0,)), side_px=64))
    monkeypatch.setattr(adapter, "PROCESSING", LongestSide(64))
    torch.manual_seed(0)
    shape = LlamaConfig(vocab_size=len(WORDS), hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    shape.save_pretrained(tmp_path / "lisa")
    state = LISA(shape, adapter.build_visual(), patch_width=8).state_dict()
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    for part in range(2):  # the release comes in several files
        torch.save(dict(list(state.items())[part::2]), tmp_path / "lisa" / f"pytorch_model-{part}.bin")
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="</s>").save_pretrained(tmp_path / "lisa")
    vision = CLIPVisionConfig(
        hidden_size=8, intermediate_size=12, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=14
    )
    CLIPVisionModel(vision).save_pretrained(tmp_path / "clip")
    size = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
    CLIPImageProcessorPil(**size).save_pretrained(tmp_path / "clip")
    folders = {"checkpoint": str(tmp_path / "lisa"), "vision_tower": str(tmp_path / "clip")}
    return {"size": "7b", **folders, "answer_tokens": 3, "precision": "fp32"}


def speaking(monkeypatch, word):
    """Every network loaded from here on says this word and no other."""

    class Biased(LISA):
        def __init__(self, *args):
            super().__init__(*args)
            self.generation_config.sequence_bias = [[[WORDS.index(word)], 1e3]]

    monkeypatch.setattr(adapter, "LISA", Biased)


def loaded(release):
    method = LISAMethod(LISAConfig(**release))
    method.load(None, "cpu")
    return method


def query(shape=(40, 60)):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    return Query("one", image, "Where is the lesion", "skin_rgb")


def test_with_its_folders_it_passes_the_suite(release, tmp_path, monkeypatch):
    speaking(monkeypatch, "[SEG]")
    entry = METHODS["lisa_7b"]
    entry = Entry("lisa_7b", entry.summary, entry.factory, entry.config, entry.sources, release, trains=False)
    (tmp_path / "subject").mkdir()
    subject = Subject(entry, tmp_path / "subject")
    assert all(p.probability.any() for p in subject.predictions)
    assert [f for f in (verdict(check, subject) for check in CHECKS) if f.status == FAILED] == []


def test_without_seg_in_the_answer_the_mask_is_empty_and_the_sentence_stays(release, monkeypatch):
    speaking(monkeypatch, "lesion")
    prediction = loaded(release).predict([query()])[0]
    assert prediction.probability.shape == (40, 60) and prediction.probability.dtype == np.float32
    assert not prediction.probability.any()
    assert prediction.answer == "lesion lesion lesion"


def test_several_seg_give_the_union_of_their_masks(release, monkeypatch):
    speaking(monkeypatch, "[SEG]")
    method, seen = loaded(release), []
    masks = method._network.masks
    monkeypatch.setattr(method._network, "masks", lambda *args: seen.append(masks(*args)) or seen[-1])
    prediction = method.predict([query()])[0]
    assert prediction.answer == ""  # mask tokens are no words
    _, frame = LongestSide(64).prepare(query().image)
    each = [LongestSide(64).probability(logits[0], frame).numpy() for logits in seen[0][0]]
    assert len(each) == 3 and np.array_equal(prediction.probability, np.maximum.reduce(each))


def test_its_prompt_holds_the_image_once_between_its_marks_and_ends_where_the_answer_begins(release):
    ids = prompt_ids(loaded(release)._tokenizer, "Where is the lesion")
    place = ids.index(IMAGE)
    assert ids.count(IMAGE) == 1
    assert [WORDS[n] for n in (ids[place - 1], ids[place + 1])] == ["<im_start>", "<im_end>"]
    assert [WORDS[n] for n in ids[place + 2 : -1]] == ["Where", "is", "the", "lesion"]


def test_it_says_what_it_is(release):
    labels = LISAMethod(LISAConfig(**release)).labels
    assert labels.prompt_source == PromptSource.QUESTION
    assert (labels.weights, labels.text_source) == (Weights.OFFICIAL, TextSource.GENERATED)
    assert any("exposure to the test data: unknown" in note for note in labels.notes)


@pytest.mark.parametrize("size", WIDTHS)
def test_without_a_folder_it_is_skipped_and_the_cure_names_the_release(size, tmp_path):
    official = LISAConfig.official_folders[size]
    with pytest.raises(MissingPrerequisite, match=f"methods.lisa_{size}.checkpoint to your copy of {official}"):
        LISAMethod(LISAConfig(size=size)).load(None, "cpu")


def test_without_clip_it_is_skipped_and_the_cure_names_it(release):
    with pytest.raises(MissingPrerequisite, match=r"methods.lisa_7b.vision_tower to your copy of openai/clip"):
        loaded({**release, "vision_tower": None})


def test_a_release_of_the_other_size_or_with_a_tensor_less_is_refused(release, tmp_path):
    torch.save({}, tmp_path / "lisa" / "pytorch_model-1.bin")
    with pytest.raises(PrsbenchError, match="tensors missing"):
        loaded(release)
    shape = json.loads((tmp_path / "lisa" / "config.json").read_text()) | {"hidden_size": 24}
    (tmp_path / "lisa" / "config.json").write_text(json.dumps(shape))
    with pytest.raises(PrsbenchError, match="must be 16 wide, got 24"):
        loaded(release)


def test_in_half_precision_sams_part_stays_in_float32(release, monkeypatch):
    speaking(monkeypatch, "[SEG]")
    method = loaded({**release, "precision": "bf16"})
    assert {p.dtype for p in method._network.model.visual_model.parameters()} == {torch.float32}
    assert {method._network.lm_head.weight.dtype, method._vision.dtype} == {torch.bfloat16}
    assert method._network.model.rotary_emb.inv_freq.dtype == torch.float32
    assert method.predict([query()])[0].probability.any()

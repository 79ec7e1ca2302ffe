"""The row on a small folder in the official layout: conformance suite, empty mask, instructions."""

import gc
import json
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from official_folders import PATCH_WIDTH, PLAIN, make_official_folders, speaking
from prsbench.harness.contract.catalog import Entry
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import PromptSource, Query, TextSource, Weights
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.lisa import method as method_module
from prsbench.methods.lisa.config import LISAConfig
from prsbench.methods.lisa.method import LISAMethod
from prsbench.methods.lisa.network import LISA
from prsbench.methods.parts.sam.networks import ViT, build_vit_sam
from prsbench.methods.parts.sam.processing import LongestSide
from prsbench.methods.parts.seg_token import official_weights
from prsbench.methods.parts.seg_token.config import WIDTHS
from prsbench.methods.parts.seg_token.prompt import IMAGE, prompt_ids

WORDS = (*PLAIN, "[SEG]")


def say(monkeypatch, word):
    """Every network loaded from here on generates this word and no other."""
    monkeypatch.setattr(method_module, "LISA", speaking(LISA, [WORDS.index(word)]))


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A small official folder, and the values that name its folders; the adapter is made small alike."""
    monkeypatch.setattr(method_module, "build_visual", lambda: build_vit_sam(ViT(32, 1, 2, (0,)), side_px=64))
    monkeypatch.setattr(method_module, "PROCESSING", LongestSide(64))
    given = make_official_folders(
        tmp_path, monkeypatch, ("[SEG]",), lambda shape: LISA(shape, method_module.build_visual(), PATCH_WIDTH)
    )
    return {**given, "answer_tokens": 3}


def loaded(official):
    method = LISAMethod(LISAConfig(**official))
    method.load(None, "cpu")
    return method


def query(shape=(40, 60)):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    return Query("one", image, "Where is the lesion", "skin_rgb")


def test_with_its_folders_it_passes_the_suite(official, tmp_path, monkeypatch):
    say(monkeypatch, "[SEG]")
    entry = METHODS["lisa_7b"]
    entry = Entry("lisa_7b", entry.summary, entry.factory, entry.config, official, trains=False)
    (tmp_path / "subject").mkdir()
    subject = Subject(entry, tmp_path / "subject")
    assert all(p.probability.any() for p in subject.predictions)
    assert [f for f in (run_check(check, subject) for check in CHECKS) if f.verdict is Verdict.FAILED] == []


def test_without_seg_in_the_answer_the_mask_is_empty_and_the_sentence_stays(official, monkeypatch):
    say(monkeypatch, "lesion")
    prediction = loaded(official).predict([query()])[0]
    assert prediction.probability.shape == (40, 60) and prediction.probability.dtype == np.float32
    assert not prediction.probability.any()
    assert prediction.answer == "lesion lesion lesion"


def test_several_seg_give_the_union_of_their_masks_and_are_no_words(official, monkeypatch):
    say(monkeypatch, "[SEG]")
    method, seen = loaded(official), []
    masks = method._network.masks
    monkeypatch.setattr(method._network, "masks", lambda *args: seen.append(masks(*args)) or seen[-1])
    prediction = method.predict([query()])[0]
    assert prediction.answer == ""
    _, frame = LongestSide(64).prepare(query().image)
    each = [LongestSide(64).probability(logits[0], frame).numpy() for logits in seen[0][0]]
    assert len(each) == 3 and np.array_equal(prediction.probability, np.maximum.reduce(each))


def test_questions_read_at_once_get_the_sentences_and_masks_that_each_gets_alone(official, monkeypatch):
    say(monkeypatch, "[SEG]")
    other = Query("two", query((30, 30)).image, "Where is the lesion the lesion", "skin_rgb")
    asked = [query(), replace(query(), sample_id="longer", question=other.question), other]
    alone, together = (loaded({**official, "llm_batch_size": size}) for size in (1, 2))
    assert "reads 2 questions at once" in " ".join(together.labels.notes) and len(together.labels.notes) > len(alone.labels.notes)
    encoded = []
    together._network.model.visual_model.image_encoder.register_forward_hook(lambda *_: encoded.append(1))
    predicted = [p for one in asked for p in alone.predict([one])], alone.predict(asked), together.predict(asked)
    assert len(encoded) == 2, "one embedding for both questions about an image"
    for by_itself, first, second in zip(*predicted, strict=True):
        assert by_itself.answer == first.answer == second.answer
        assert np.array_equal(by_itself.probability, first.probability)
        assert np.allclose(first.probability, second.probability, atol=1e-5) and second.probability.any()


def test_the_features_of_its_images_do_not_keep_a_dropped_network_in_memory(official):
    method = loaded(official)
    method.predict([query()])
    network = weakref.ref(method._network)
    del method
    gc.collect()
    assert network() is None


def test_an_image_whose_questions_are_in_two_batches_is_encoded_once(official, monkeypatch):
    say(monkeypatch, "[SEG]")
    other, method, encoded = Query("two", query((30, 30)).image, "Where is the lesion", "skin_rgb"), loaded(official), []
    method._network.model.visual_model.image_encoder.register_forward_hook(lambda *_: encoded.append(1))
    first, second = method.predict([other, query()]), method.predict([query(), query()])
    assert len(encoded) == 2
    assert np.array_equal(first[1].probability, second[0].probability) and first[1].answer == second[1].answer


def test_its_prompt_holds_the_image_once_between_its_marks_and_ends_where_the_answer_begins(official):
    ids = prompt_ids(loaded(official)._tokenizer, "Where is the lesion")
    place = ids.index(IMAGE)
    assert ids.count(IMAGE) == 1
    assert [WORDS[n] for n in (ids[place - 1], ids[place + 1])] == ["<im_start>", "<im_end>"]
    assert [WORDS[n] for n in ids[place + 2 : -1]] == ["Where", "is", "the", "lesion"]


def test_its_labels_and_notes_are_disclosed(official):
    labels = LISAMethod(LISAConfig(**official)).labels
    assert labels.prompt_source == PromptSource.QUESTION
    assert (labels.weights, labels.text_source) == (Weights.OFFICIAL, TextSource.GENERATED)
    assert any("exposure to the test data: unknown" in note for note in labels.notes)


@pytest.mark.parametrize("size", WIDTHS)
def test_without_a_folder_it_is_skipped_with_instructions_that_name_the_official_one(size):
    official = LISAConfig.official_folders[size]
    with pytest.raises(MissingPrerequisite, match=f"methods.lisa_{size}.checkpoint to your copy of {official}"):
        LISAMethod(LISAConfig(size=size)).load(None, "cpu")


def test_without_clip_it_is_skipped_with_instructions_that_name_it(official):
    with pytest.raises(MissingPrerequisite, match=r"methods.lisa_7b.vision_tower to your copy of openai/clip"):
        loaded({**official, "vision_tower": None})


def test_a_folder_of_the_other_size_or_with_a_tensor_less_is_refused(official, tmp_path):
    torch.save({}, tmp_path / "official" / "pytorch_model-1.bin")
    with pytest.raises(PrsbenchError, match="tensors missing"):
        loaded(official)
    shape = json.loads((tmp_path / "official" / "config.json").read_text()) | {"hidden_size": 24}
    (tmp_path / "official" / "config.json").write_text(json.dumps(shape))
    with pytest.raises(PrsbenchError, match="must be 16 wide, got 24"):
        loaded(official)


def test_in_half_precision_sams_part_stays_in_float32(official, monkeypatch):
    say(monkeypatch, "[SEG]")
    method = loaded({**official, "precision": "bf16"})
    assert {p.dtype for p in method._network.model.visual_model.parameters()} == {torch.float32}
    assert {method._network.lm_head.weight.dtype, method._vision.dtype} == {torch.bfloat16}
    assert method._network.model.rotary_emb.inv_freq.dtype == torch.float32
    assert method.predict([query()])[0].probability.any()


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_without_bitsandbytes_a_quantised_row_is_skipped_with_instructions(official, monkeypatch, bits):
    monkeypatch.setattr(official_weights, "find_spec", lambda name: None)
    with pytest.raises(MissingPrerequisite, match=f"load_in {bits} needs bitsandbytes. pip install bitsandbytes"):
        loaded({**official, "load_in": bits})


@pytest.mark.parametrize(("bits", "flag"), [("8bit", "load_in_8bit"), ("4bit", "load_in_4bit")])
def test_what_is_asked_for_reaches_transformers_and_the_label(official, monkeypatch, bits, flag):
    asked = {}

    def record(cls, *args, **given):
        asked.update(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(official_weights, "find_spec", lambda name: True)
    monkeypatch.setattr(LISA, "from_pretrained", classmethod(record))
    with pytest.raises(KeyboardInterrupt):
        loaded({**official, "load_in": bits})
    config = asked["quantization_config"]
    assert getattr(config, flag) and config.load_in_8bit != config.load_in_4bit
    assert {"lm_head", "model.visual_model", "model.text_hidden_fcs"} <= set(config.llm_int8_skip_modules)
    assert asked["device_map"] == {"": "cpu"}
    assert f"loaded in {bits}" in LISAMethod(LISAConfig(**official, load_in=bits)).labels.notes[0]


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_with_bitsandbytes_the_language_models_layers_alone_are_quantised(official, monkeypatch, bits, tmp_path):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    say(monkeypatch, "[SEG]")
    whole, network = loaded(official)._network, loaded({**official, "load_in": bits})._network
    kind = {"8bit": bitsandbytes.nn.Linear8bitLt, "4bit": bitsandbytes.nn.Linear4bit}[bits]
    found = {name for name, module in network.named_modules() if isinstance(module, kind)}
    assert found == {
        name for name, m in whole.named_modules() if name.startswith("model.layers.") and isinstance(m, torch.nn.Linear)
    }
    expected = whole.model.visual_model.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in network.model.visual_model.state_dict().items())
    torch.save({}, tmp_path / "official" / "pytorch_model-1.bin")
    with pytest.raises(PrsbenchError, match="missing keys"):
        loaded({**official, "load_in": bits})

"""The row on a small folder in the official layout: conformance suite, adapter, prompt, map, instructions."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from parity import Parity, needs
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import Query, TextSource, Weights
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.parts.sam.networks import tiny_vit
from prsbench.methods.prs_med import official, official_weights
from prsbench.methods.prs_med.config import PRSMedOfficialConfig
from prsbench.methods.prs_med.decoder import MaskDecoder
from prsbench.methods.prs_med.model import modality_head
from prsbench.methods.prs_med.official import PRSMedOfficialMethod, clip_input, encoder_input, parsed
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    PreTrainedTokenizerFast,
)

WORDS = ("<unk>", "<s>", "</s>", "<image>", "top", "left", "lesion", "Where", "is", "the")
WIDTH, TOWER = 16, 8
LANGUAGE = "base_model.model.model.layers.{}.self_attn.{}"
VISION = "base_model.model.model.vision_tower.vision_tower.vision_model.encoder.layers.{}.self_attn.{}"


def small_encoder():
    return nn.Sequential(nn.Conv2d(3, 256, 16, stride=16))


def adapter_of(llava, gain):
    """A LoRA pair for each projection that the published adapter holds one for, under its names."""
    state = {}
    for name, layer in llava.named_modules():
        number, _, projection = name.rpartition(".self_attn.")
        if isinstance(layer, nn.Linear) and projection in ("q_proj", "k_proj", "v_proj", "o_proj"):
            key = (VISION if "vision_tower" in name else LANGUAGE).format(number.rpartition(".")[2], projection)
            state[f"{key}.lora_A.weight"] = gain * torch.randn(2, layer.in_features)
            state[f"{key}.lora_B.weight"] = gain * torch.randn(layer.out_features, 2)
    return state


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    torch.manual_seed(0)
    text = {"hidden_size": WIDTH, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = MistralConfig(vocab_size=len(WORDS), num_key_value_heads=1, bos_token_id=1, eos_token_id=2, **text)
    vision = {"hidden_size": TOWER, "intermediate_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2}
    vision = CLIPVisionConfig(image_size=28, patch_size=14, **vision)
    llava = LlavaForConditionalGeneration(LlavaConfig(text_config=text, vision_config=vision, image_token_index=3))
    llava.save_pretrained(folder / "llava")
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+"), "removed")
    marks = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **marks)
    tokenizer.save_pretrained(folder / "llava")

    place = folder / "published"
    (place / "lora_adapter").mkdir(parents=True)
    encoder = small_encoder().state_dict()
    both = {f"image_encoder.{k}": t for k, t in encoder.items()} | {f"sam.image_encoder.{k}": t for k, t in encoder.items()}
    torch.save({**both, "sam.mask_decoder.x": torch.zeros(1)}, place / "image_encoder.pth")
    torch.save(MaskDecoder(WIDTH).state_dict(), place / "mask_decoder.pth")
    save_file(adapter_of(llava, gain=1.0), place / "lora_adapter" / "adapter_model.safetensors")
    (place / "lora_adapter" / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 3}))
    return folder


@pytest.fixture
def given(made, tmp_path, monkeypatch):
    """A copy of the folders that a test may spoil; encoder and image are made small alike."""
    monkeypatch.setattr(official_weights, "tiny_vit", small_encoder)
    monkeypatch.setattr(official, "SIDE_PX", 64)
    shutil.copytree(made, tmp_path / "given")
    folders = {"checkpoint": str(tmp_path / "given" / "published"), "llava": str(tmp_path / "given" / "llava")}
    return {**folders, "answer_tokens": 3, "precision": "fp32"}


def loaded(given):
    method = PRSMedOfficialMethod(PRSMedOfficialConfig(**given))
    method.load(None, "cpu")
    return method


def query(shape=(40, 60)):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    return Query("one", image, "Where is the lesion", "skin_rgb")


def test_with_its_folders_it_passes_the_suite(given, tmp_path):
    entry = replace(METHODS["prs_med_official"], defaults=given)
    (tmp_path / "subject").mkdir()
    subject = Subject(entry, tmp_path / "subject")
    assert (subject.method.labels.weights, subject.method.labels.text_source) == (Weights.OFFICIAL, TextSource.GENERATED)
    assert [f for f in (run_check(check, subject) for check in CHECKS) if f.verdict is Verdict.FAILED] == []


def test_every_pair_of_the_adapter_is_added_at_alpha_over_r_and_as_released_none_is(given):
    state = load_file(f"{given['checkpoint']}/lora_adapter/adapter_model.safetensors")
    adapted, plain = loaded(given), loaded({**given, "as_released": True})
    before = dict(plain._llava.named_modules())
    moved = 0
    for name, layer in adapted._llava.named_modules():
        if not isinstance(layer, nn.Linear):
            continue
        number, _, projection = name.rpartition(".self_attn.")
        key = (VISION if "vision_tower" in name else LANGUAGE).format(number.rpartition(".")[2], projection)
        delta = torch.zeros_like(layer.weight)
        if f"{key}.lora_A.weight" in state:
            delta = 1.5 * state[f"{key}.lora_B.weight"] @ state[f"{key}.lora_A.weight"]
            moved += 1
        assert torch.allclose(layer.weight, before[name].weight + delta, atol=1e-5), name
    assert moved == 2 * 4 + 3 * 3 == len(state) // 2
    assert not np.array_equal(*(each.predict([query()])[0].probability for each in (adapted, plain)))
    assert "without its LoRA adapter" in plain.labels.notes[0]


def test_the_mask_is_prompted_by_the_states_of_the_full_prompt_including_image_tokens(given, monkeypatch):
    method, seen = loaded(given), []
    decode = method._decoder.forward
    monkeypatch.setattr(method._decoder, "forward", lambda f, states: seen.append(states) or decode(f, states))
    got = method.predict([query()])[0]
    text = method._tokenizer(official.PROMPT.format(question=query().question), add_special_tokens=False).input_ids
    ids = torch.tensor([[1, 3, 3, 3, 3, *text]])  # 28 / 14 squared patches
    with torch.inference_mode():
        whole = method._llava.model(input_ids=ids, pixel_values=clip_input(query().image, 28)[None])
        assert torch.allclose(seen[0], whole.last_hidden_state, atol=1e-5)
        logits = decode(method._encoder(encoder_input(query().image)[None]), seen[0])
    rows, columns = np.arange(40) * 64 // 40, np.arange(60) * 64 // 60
    assert np.allclose(got.probability, logits[0, 0].sigmoid().numpy()[rows][:, columns], atol=1e-6)


def test_questions_read_at_once_get_the_sentences_and_masks_that_each_gets_alone(given):
    asked = [query(), replace(query(), question="Where is the lesion the lesion top"), query((30, 30))]
    alone, together = (loaded({**given, "llm_batch_size": size}) for size in (1, 3))
    assert "reads 3 questions at once" in " ".join(together.labels.notes) and len(together.labels.notes) > len(alone.labels.notes)
    encoded = []
    together._encoder.register_forward_hook(lambda *_: encoded.append(1))
    predicted = [p for one in asked for p in alone.predict([one])], alone.predict(asked), together.predict(asked)
    assert len(encoded) == 2, "one embedding for both questions about an image"
    for by_itself, first, second in zip(*predicted, strict=True):
        assert by_itself.answer == first.answer == second.answer
        assert np.array_equal(by_itself.probability, first.probability)
        assert np.allclose(first.probability, second.probability, atol=1e-5)


def test_the_prompt_is_the_official_one():
    assert official.PROMPT.format(question="Where?") == "\n### User: As a doctor, and you are seeing the image, Where?\n"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("### Assistant: The tumor\nis left. ### Student: why", "The tumor is left."),
        ("It is left.\n### User: and", "It is left. and"),
        ("", ""),
    ],
)
def test_of_the_generated_text_only_the_assistants_turn_is_returned_on_one_line(said, answer):
    assert parsed(said) == answer


def test_clip_sees_the_full_image_in_a_padded_square():
    image = np.full((20, 40, 3), 255, np.uint8)
    seen = clip_input(image, 40)
    assert seen.shape == (3, 40, 40)
    assert seen[:, :8].abs().max() < 0.02 and seen[:, 32:].abs().max() < 0.02, "the mean colour, which is 0"
    assert seen[:, 13:27].min() > 1


def test_without_a_folder_it_is_skipped_with_instructions_that_name_the_key(given):
    for key in ("checkpoint", "llava"):
        with pytest.raises(MissingPrerequisite, match=f"methods.prs_med_official.{key} to"):
            loaded({**given, key: None})


@pytest.mark.parametrize("name", ["image_encoder.pth", "mask_decoder.pth", "lora_adapter/adapter_model.safetensors"])
def test_a_folder_that_lacks_a_file_is_skipped_and_named(given, tmp_path, name):
    (tmp_path / "given" / "published" / name).unlink()
    with pytest.raises(MissingPrerequisite, match=name.rpartition("/")[2]):
        loaded(given)


def test_a_head_of_another_model_is_refused_and_a_right_one_taken(given, tmp_path):
    place = tmp_path / "given" / "published" / "cls.pth"
    torch.save(modality_head().state_dict(), place)
    loaded(given)
    torch.save(nn.Linear(2, 2).state_dict(), place)
    with pytest.raises(PrsbenchError, match="cls.pth: does not fit"):
        loaded(given)


def test_a_decoder_of_the_other_version_is_known_by_its_tensors(given, tmp_path):
    torch.save(MaskDecoder(WIDTH, version=6).state_dict(), tmp_path / "given" / "published" / "mask_decoder.pth")
    method = loaded(given)
    assert method._decoder.version == 6
    assert method.predict([query()])[0].probability.any()


@pytest.mark.parametrize("fault", ["half a pair", "a layer more", "another name"])
def test_an_adapter_that_does_not_fit_is_refused_and_never_dropped_in_silence(given, fault):
    file = f"{given['checkpoint']}/lora_adapter/adapter_model.safetensors"
    state = load_file(file)
    first = next(iter(state))
    if fault == "half a pair":
        state.pop(first)
    elif fault == "a layer more":
        state |= {LANGUAGE.format(9, "q_proj") + f".lora_{part}.weight": torch.zeros(2, 2) for part in "AB"}
    else:
        state["lm_head.lora_A.weight"] = state.pop(first)
    save_file(state, file)
    with pytest.raises(PrsbenchError, match="does not fit the LLaVA folder|not part of PRS-Med's adapter"):
        loaded(given)


@needs("prs_med_checkpoint")
def test_the_published_folders_keys_and_shapes_are_those_that_are_read():
    folder = Parity("prs_med_checkpoint").json["folder"]
    encoder = {
        key.removeprefix("image_encoder."): shape
        for key, shape in folder["image_encoder.pth"].items()
        if key.startswith("image_encoder.")
    }
    own = tiny_vit().state_dict()
    with torch.device("meta"):
        decoder, head = MaskDecoder(4096).state_dict(), modality_head().state_dict()
    assert {key: list(t.shape) for key, t in own.items()} == encoder
    assert {key: list(t.shape) for key, t in decoder.items()} == folder["mask_decoder.pth"]
    assert {key: list(t.shape) for key, t in head.items()} == folder["cls.pth"]


@needs("prs_med_checkpoint")
def test_the_published_adapter_has_its_place_in_a_llava_of_full_size():
    adapter = Parity("prs_med_checkpoint").json["folder"]["lora_adapter/adapter_model.safetensors"]
    with torch.device("meta"):
        vision = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16)
        llava = LlavaForConditionalGeneration(LlavaConfig(text_config=MistralConfig(), vision_config=vision))
    places = official_weights._adaptable(llava)
    pairs = {key.rpartition(".lora_")[0] for key in adapter}
    layers = {pair: official_weights._LORA.fullmatch(f"{pair}.lora_A.weight")["layer"] for pair in pairs}
    assert len(pairs) == len(set(layers.values())) == len(adapter) // 2 == 200
    assert sum(layer.startswith(official_weights._TOWER) for layer in layers.values()) == 72
    for pair in pairs:
        layer = places[layers[pair]]
        assert list(layer.weight.shape) == [adapter[f"{pair}.lora_B.weight"][0], adapter[f"{pair}.lora_A.weight"][1]], pair

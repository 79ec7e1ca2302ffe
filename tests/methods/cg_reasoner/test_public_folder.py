"""The public layout: written, read back bit for bit, and a release without our config.yaml read as the paper's size."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from cg_tiny import fitted
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import FitContext, Weights
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.cg_reasoner.config import CGReasonerCheckpointConfig, CGReasonerConfig
from prsbench.methods.cg_reasoner.method import CGReasonerCheckpoint, CGReasonerMethod
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def queries(disc):
    return [disc(i).query for i in range(3)]


@pytest.fixture(scope="module")
def tiny(samples, needs):
    return fitted(samples[:8], needs, epochs=1)


@pytest.fixture
def exported(tiny, tmp_path):
    (saved := tmp_path / "saved").mkdir()
    tiny.save(saved)
    again = CGReasonerMethod(tiny.config)
    again.load(saved, "cpu")
    (folder := tmp_path / "public").mkdir()
    again.export(folder)
    return folder


def read(folder, **given) -> CGReasonerCheckpoint:
    method = CGReasonerCheckpoint(CGReasonerCheckpointConfig(checkpoint=str(folder), **given))
    method.load(folder, "cpu")
    return method


def same(first, second, queries):
    for a, b in zip(first.predict(queries), second.predict(queries), strict=True):
        assert a.answer == b.answer and np.array_equal(a.probability, b.probability)


def test_what_is_exported_and_read_again_predicts_the_same_bits(tiny, exported, queries):
    again = read(exported)
    same(tiny, again, queries)
    assert again.labels.weights == Weights.IMPORTED and again.labels.notes[1:] == tiny.labels.notes
    assert again.matched.found == again.matched.expected > 100


def test_the_files_are_the_public_releases_and_hold_tensors_alone(exported):
    names = {path.name for path in exported.iterdir()}
    assert names == {"image_encoder.pth", "mask_decoder.pth", "lora_adapter", "tokenizer", "rest.safetensors", "small_llama", "config.yaml"}  # fmt: skip # noqa: E501
    said = json.loads((exported / "lora_adapter" / "adapter_config.json").read_text())
    assert (said["r"], said["base_model_name_or_path"]) == (16, "small_llama")  # no path of the machine that wrote it
    decoder = torch.load(exported / "mask_decoder.pth", weights_only=True)
    assert "prompt_proj.0.weight" in decoder and "final.2.bias" in decoder and "film.mlp.0.weight" in decoder
    assert "backbone.conv_stem.weight" in torch.load(exported / "image_encoder.pth", weights_only=True)
    rest = load_file(exported / "rest.safetensors")
    assert {name.split(".")[0] for name in rest} == {"llm", "bridge"} and all("projector" in n for n in rest if n[0] == "l")


def test_peft_itself_reads_base_and_adapter_and_has_our_states(tiny, exported):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(exported / "small_llama", dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, exported / "lora_adapter").eval()
    ids = torch.tensor([[1, 9, 30, 4, 3]])
    with torch.no_grad():
        assert torch.equal(theirs(input_ids=ids).logits, tiny._model.llm.language(input_ids=ids).logits)
        with theirs.disable_adapter():
            assert not torch.equal(theirs(input_ids=ids).logits, tiny._model.llm.language(input_ids=ids).logits)


@pytest.mark.parametrize(
    "file", ["mask_decoder.pth", "image_encoder.pth", "lora_adapter/adapter_model.safetensors", "rest.safetensors"]
)
def test_a_changed_or_missing_file_is_refused_by_name(exported, file):
    data = bytearray((exported / file).read_bytes())
    data[-1] ^= 1
    (exported / file).write_bytes(data)
    with pytest.raises(PrsbenchError, match=file):
        read(exported)
    (exported / file).unlink()
    with pytest.raises(PrsbenchError, match=file):
        read(exported)


class Trap:
    def __reduce__(self):
        return os.system, ("touch sprung",)


@pytest.fixture(scope="module")
def paper(disc, tiny, tmp_path_factory):
    """The paper's size at reduced width, trained, and the folder of its LLaVA."""
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, MistralConfig

    torch.manual_seed(0)
    text = MistralConfig(vocab_size=len(tiny._model.llm.tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=None)  # fmt: skip
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=28,
                              patch_size=14)  # fmt: skip
    folder = tmp_path_factory.mktemp("llava")
    LlavaForConditionalGeneration(LlavaConfig(text_config=text, vision_config=vision, image_token_index=5)).save_pretrained(
        folder
    )
    tiny._model.llm.tokenizer.save_pretrained(folder)
    given = {"image_size_px": 64, "epochs": 1, "answer_tokens": 40, "batch_size": 4}
    method = CGReasonerMethod(
        CGReasonerConfig(
            size="paper", language_model=str(folder), bridge="none", backbone={"name": "convnext_atto", "weights": None}, **given
        )
    )
    method.fit([disc(i) for i in range(4)], [], FitContext(0, "cpu"))
    return method, folder


@pytest.fixture
def release(paper, tmp_path):
    """As the public code saves: no config.yaml, LLaVA's original names in the adapter."""
    (folder := tmp_path / "release").mkdir()
    paper[0].export(folder)
    for name in ("config.yaml", "rest.safetensors"):
        (folder / name).unlink()
    adapter = folder / "lora_adapter" / "adapter_model.safetensors"
    tower = re.compile(r"model\.vision_tower\.(?:vision_model\.)?encoder")
    state = {
        tower.sub("model.vision_tower.vision_tower.vision_model.encoder", name).replace("model.language_model.", "model."): tensor
        for name, tensor in load_file(adapter).items()
    }
    assert "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" in state
    assert any("vision_tower.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.lora_A.weight" in name for name in state)
    save_file(state, adapter)
    return folder


def reduced(monkeypatch):
    from prsbench.harness.contract.config import merged
    from prsbench.methods.cg_reasoner import config

    monkeypatch.setattr(
        config, "SIZES", {"paper": merged(config.PAPER, {"image_size_px": 64, "backbone": {"name": "convnext_atto"}})}
    )


def test_a_release_without_config_yaml_is_the_papers_size_with_official_weights(paper, release, queries, monkeypatch):
    reduced(monkeypatch)
    method, llava = paper
    again = read(release, language_model=str(llava))
    same(method, again, queries)
    assert again.labels.weights == Weights.OFFICIAL and again.matched.found == again.matched.expected


def test_a_release_with_a_missing_tensor_or_code_inside_is_refused(paper, release, monkeypatch, tmp_path):
    reduced(monkeypatch)
    monkeypatch.chdir(tmp_path)
    decoder = torch.load(release / "mask_decoder.pth", weights_only=True)
    torch.save({n: t for n, t in decoder.items() if n != "film.mlp.2.bias"}, release / "mask_decoder.pth")
    with pytest.raises(PrsbenchError, match=r"1 tensors missing \(decoder.film.mlp.2.bias\)"):
        read(release, language_model=str(paper[1]))
    torch.save({**decoder, "trap": Trap()}, release / "mask_decoder.pth")
    with pytest.raises(PrsbenchError, match="holds pickled objects besides tensors"):
        read(release, language_model=str(paper[1]))
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_not_read_are_listed_and_a_tensor_that_comes_twice_is_refused(paper, release, monkeypatch):
    reduced(monkeypatch)
    torch.save({"weight": torch.zeros(6, 256)}, release / "cls.pth")  # the public code's modality head
    notes = read(release, language_model=str(paper[1])).labels.notes
    assert "not read: cls.pth" in notes and any(note.endswith(" tensors matched") for note in notes)
    adapter = release / "lora_adapter" / "adapter_model.safetensors"
    state = load_file(adapter)
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    save_file({**state, name.replace("model.layers", "model.language_model.layers"): state[name].clone()}, adapter)
    with pytest.raises(PrsbenchError, match=r"1 tensors come twice \(llm.language.*layers.0.self_attn.q_proj.lora_A"):
        read(release, language_model=str(paper[1]))


def test_an_adapter_that_is_not_our_lora_is_refused(release):
    path = release / "lora_adapter" / "adapter_config.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "target_modules": ["q_proj"]}))
    with pytest.raises(PrsbenchError, match=r"expected plain LoRA on q_proj, k_proj, v_proj, o_proj, got \['q_proj'\]"):
        read(release)
    for key, value in {"use_dora": True, "alpha_pattern": {"q_proj": 32}, "bias": "all"}.items():
        path.write_text(json.dumps({**said, key: value}))
        with pytest.raises(PrsbenchError, match=key):
            read(release)


def test_another_llava_than_that_of_the_training_is_refused(paper, tmp_path, monkeypatch):
    import shutil

    method, llava = paper
    method.export(tmp_path)
    shutil.copytree(llava, other := tmp_path / "other")
    state = load_file(other / "model.safetensors")
    name = next(name for name in state if "layers.1.mlp.up_proj" in name)
    save_file({**state, name: state[name] * 1.5}, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(PrsbenchError, match="Set `language_model` to the one it was trained on"):
        read(tmp_path, language_model=str(other))
    assert read(tmp_path).labels.weights == Weights.IMPORTED


def test_a_missing_folder_is_a_skip_with_instructions_and_its_bytes_are_part_of_the_identity(tmp_path):
    with pytest.raises(MissingPrerequisite, match="methods.cg_reasoner_checkpoint.checkpoint to a folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(MissingPrerequisite, match="no folder with image_encoder.pth and mask_decoder.pth and lora_adapter at"):
        read(tmp_path)
    config = CGReasonerCheckpointConfig(checkpoint=str(tmp_path), language_model="x")
    assert set(config.checkpoints()) == {"checkpoint", "language_model"}


def test_the_row_passes_the_suite(exported, tmp_path):
    entry = METHODS["cg_reasoner_checkpoint"]
    subject = Subject(replace(entry, defaults={"checkpoint": str(exported)}), tmp_path)
    assert [finding for finding in (run_check(check, subject) for check in CHECKS) if finding.verdict is Verdict.FAILED] == []


def test_config_yaml_can_be_read_without_us(exported):
    said = yaml.safe_load((exported / "config.yaml").read_text())
    assert said["config"]["image_size_px"] == 64 and "mask_decoder.pth" in said["sha256"]

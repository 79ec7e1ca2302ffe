"""The paper's size: every shape of it on the meta device, and the same code and values end to end at reduced width."""

import dataclasses
import shutil
import warnings

import numpy as np
import parity
import pytest
import torch
from parity import Parity
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.types import FitContext, check_prediction
from prsbench.methods.cg_reasoner import training
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.method import CGReasonerMethod
from prsbench.methods.cg_reasoner.model import build
from prsbench.methods.cg_reasoner.public_folder import lora_name
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.language.llava_med import LlavaBase, PaperMultimodalLLM
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.model import CentroidHead, Text2Centroid
from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, MistralConfig

WHOLE = CGReasonerConfig(size="paper", backbone={"weights": None})
REDUCED = CGReasonerConfig(
    size="paper", image_size_px=64, backbone={"name": "convnext_atto", "weights": None, "feature_channels": 32}, epochs=1,
    answer_tokens=4, bridge="none",
)  # fmt: skip


def llava_config(text: dict, vision: dict) -> LlavaConfig:
    return LlavaConfig(
        text_config=MistralConfig(sliding_window=None, **text), vision_config=CLIPVisionConfig(**vision), image_token_index=5
    )


@pytest.fixture(scope="module")
def samples():
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("discs", Path(__file__).parents[1] / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return [module.disc_sample(i) for i in range(8)]


@pytest.fixture(scope="module")
def tokenizer(samples):
    part = SmallLlama(SmallLlamaConfig(weights="retrain", vocabulary=300, width=16, layers=1, heads=2, feed_forward=16, steps=1))
    part.fit(samples, [], FitContext(0, "cpu"))
    return part.tokenizer


@pytest.fixture(scope="module")
def whole(tokenizer):
    """LLaVA-Med v1.5 by its public numbers: Mistral-7B, CLIP ViT-L/14-336, two-layer projector; no memory is taken."""
    text = {"vocab_size": 32000}  # the rest are MistralConfig's defaults, asserted below
    vision = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
              "image_size": 336, "patch_size": 14}  # fmt: skip
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # copying to meta tensors does nothing, which is meant
        base = LlavaBase(tokenizer, LlavaForConditionalGeneration(llava_config(text, vision)).bfloat16())
        return build(WHOLE, base, CentroidHead(WHOLE.text2centroid.hidden))[0]


def count(module, keep=lambda name: True) -> int:
    return sum(p.numel() for name, p in module.named_parameters() if keep(name))


def test_the_frozen_language_model_is_llava_med_of_seven_billion(whole):
    llava = whole.llm.language.get_base_model()
    frozen = lambda name: "lora_" not in name  # noqa: E731 - one predicate, used thrice
    width, hidden, keys, vocabulary, tower = 4096, 14336, 8 * 128, 32000, 1024
    layer = 2 * width * width + 2 * width * keys + 3 * width * hidden + 2 * width
    assert count(llava.model.language_model, frozen) + count(llava.lm_head) == 32 * layer + 2 * vocabulary * width + width
    assert count(llava.model.multi_modal_projector) == tower * width + width + width * width + width
    block = 4 * (tower * tower + tower) + 2 * 4 * tower * tower + 5 * tower + 4 * tower
    assert count(llava.model.vision_tower, frozen) == 24 * block + tower * (3 * 14**2 + 1 + 24**2 + 1) + 4 * tower
    assert {p.dtype for n, p in llava.named_parameters() if frozen(n)} == {torch.bfloat16}


def test_lora_is_the_public_adapters_400_tensors_of_rank_16(whole):
    lora = {name: p for name, p in whole.llm.named_parameters() if "lora_" in name}
    tower = {name: p for name, p in lora.items() if "vision_tower" in name}
    assert (len(lora), len(tower)) == (400, 144)
    assert {min(p.shape) for p in lora.values()} == {16} and {p.dtype for p in lora.values()} == {torch.float32}
    assert sum(p.numel() for p in tower.values()) == 24 * 3 * 16 * (1024 + 1024)
    q_and_o, k_and_v = 2 * 16 * (4096 + 4096), 2 * 16 * (4096 + 1024)
    assert sum(p.numel() for p in lora.values()) - sum(p.numel() for p in tower.values()) == 32 * (q_and_o + k_and_v)
    assert {n for n, p in whole.llm.named_parameters() if p.requires_grad} == set(lora)


def test_encoder_and_decoder_have_the_papers_shapes_at_1024_px(whole):
    assert whole.llm.width == 4096 and whole.decoder.prompt_proj[0].weight.shape == (512, 4096)
    assert whole.encoder.backbone.feature_info.channels() == [192, 384, 768]  # ConvNeXt-Tiny
    with torch.device("meta"):
        features = whole.encoder.eval()(torch.empty(1, 3, 1024, 1024))
        logits = whole.decoder.eval()(features, torch.empty(1, 12, 4096), torch.ones(1, 12, dtype=torch.bool))
    assert features.shape == (1, 256, 128, 128) and logits.shape == (1, 1, 512, 512)


def test_less_than_a_hundredth_of_the_papers_size_is_trained(whole):
    trained = sum(p.numel() for p in whole.parameters() if p.requires_grad)
    assert trained == count(whole.encoder) + count(whole.decoder) + count(whole.llm, lambda name: "lora_" in name)
    assert 0.006 < trained / count(whole) < 0.01


@parity.needs("prs_med_checkpoint")
def test_every_tensor_of_the_published_adapter_has_its_place(whole):
    official = Parity("prs_med_checkpoint").json["folder"]["lora_adapter/adapter_model.safetensors"]
    ours = {name: tuple(t.shape) for name, t in whole.state_dict().items() if "lora_" in name}
    assert {lora_name(name, ours): tuple(shape) for name, shape in official.items()} == ours


@parity.needs("cg_reasoner_decoder")
def test_the_decoder_has_the_public_decoders_names_and_shapes_at_the_papers_width(whole):
    said = Parity("cg_reasoner_decoder").json
    ours = {name: list(tensor.shape) for name, tensor in whole.decoder.state_dict().items()}
    assert {name for name in ours if name not in said["keys_prompt_dim_4096"]} == set(said["integer_keys"])
    assert {name: ours[name] for name in said["keys_prompt_dim_4096"]} == said["keys_prompt_dim_4096"]


def test_two_gpus_of_ten_gib_hold_it_cut_between_layers(whole):
    from accelerate import infer_auto_device_map

    layers = ["MistralDecoderLayer", "CLIPEncoderLayer"]
    cut = infer_auto_device_map(whole, {0: "10GiB", 1: "10GiB", "cpu": "0GiB"}, no_split_module_classes=layers)
    assert set(cut.values()) == {0, 1}
    inside = [name for name in cut if ".layers." in name and not name.rpartition(".layers.")[2].isdigit()]
    assert inside == []
    assert sum(p.numel() * p.element_size() for p in whole.parameters()) < 16 * 2**30


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    text = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
              "image_size": 28, "patch_size": 14}  # fmt: skip
    path = tmp_path_factory.mktemp("llava")
    LlavaForConditionalGeneration(llava_config(text, vision)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module", params=["none", "hidden"])
def fitted(folder, samples, tmp_path_factory, request):
    part = Text2Centroid(Text2CentroidConfig(steps=5))
    part.fit(samples, [], FitContext(0, "cpu"))
    part.save(head := tmp_path_factory.mktemp("text2centroid"))
    method = CGReasonerMethod(REDUCED.model_copy(update={"language_model": str(folder), "bridge": request.param}))
    method.fit(samples[:8], [], FitContext(0, "cpu", {"text2centroid": head}))
    assert ("spatial" in method._history[0]) == (request.param == "hidden")
    return method


def test_the_reduced_size_trains_lora_and_keeps_llava_frozen(fitted, folder):
    assert folder.name in fitted.labels.notes[0]
    assert "size paper with another image_size_px, backbone, epochs" in fitted.labels.notes
    assert all(np.isfinite(list(row.values())).all() and "alignment" not in row for row in fitted._history)
    given = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).state_dict()
    ours = {n.replace(".base_layer", ""): p for n, p in fitted._model.llm.language.get_base_model().state_dict().items()}
    assert all(torch.equal(ours[name], tensor) for name, tensor in given.items())
    grown = {n for n, p in ours.items() if "lora_B" in n and p.abs().sum() > 0}
    assert any("language_model" in n for n in grown) and any("vision_tower" in n for n in grown)


def test_the_reduced_size_comes_back_from_a_file_without_the_frozen_weights(fitted, samples, tmp_path):
    from safetensors.torch import load_file

    fitted.save(tmp_path)
    state = load_file(tmp_path / "cg_reasoner.safetensors")
    assert not [n for n in state if n.startswith("llm.language") and "lora_" not in n]
    again = CGReasonerMethod(fitted.config)
    again.load(tmp_path, "cpu")
    queries = [s.query for s in samples[:3]]
    for query, first, second in zip(queries, fitted.predict(queries), again.predict(queries), strict=True):
        check_prediction(query, first)
        assert first.answer == second.answer and np.array_equal(first.probability, second.probability)


@pytest.mark.parametrize(("bridge", "condition"), [("hidden", "question"), ("soft_tokens", "generated")])
def test_the_spatial_loss_changes_lora_and_bridge_and_nothing_else(folder, samples, bridge, condition):
    torch.manual_seed(0)
    base = LlavaBase.read(folder, "bfloat16", "cpu")
    config = REDUCED.model_copy(update={"bridge": bridge, "mask_condition": condition})
    model = build(config, base, CentroidHead((8,)))[0].train()
    images = training.prepare(samples[:3], REDUCED.image_size_px)
    shown = training.augment(images, REDUCED, np.random.default_rng(0))
    batch = training.collate(shown, REDUCED.language.layout_side, "cpu", with_reference=False)
    batch = dataclasses.replace(batch, reference_RE=torch.nn.functional.normalize(torch.ones(len(batch.answers), 384), dim=1))
    model.losses(batch)["spatial"].backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any("lora_B" in name for name in moved) and ("bridge.linear.weight" in moved) == (bridge == "hidden")
    assert all("lora_" in name or name.startswith("bridge.linear") for name in moved)


def llm_of(folder, gradient_checkpointing: bool) -> PaperMultimodalLLM:
    torch.manual_seed(1)
    return PaperMultimodalLLM(LlavaBase.read(folder, "float32", "cpu"), 16, 16, 0.0, gradient_checkpointing)


def test_training_and_generation_see_the_same_question_and_image(folder):
    llm = llm_of(folder, gradient_checkpointing=False).eval()
    image, questions = torch.rand(2, 3, 40, 40), ["Where is it?", "Where in this picture is the lesion, please?"]
    with torch.no_grad():
        text = llm.teacher_forced(image, torch.arange(2), questions, ["Top left.", "Bottom right."])
        told = llm.generate(image, questions, 3)
        other = llm.teacher_forced(image.flip(-1), torch.arange(2), questions, ["Top left.", "Bottom right."])
    states = text.states_BTD[text.is_question_BT]
    assert torch.allclose(states, told.states_BTD[told.is_question_BT], atol=1e-5)
    assert not torch.allclose(states, other.states_BTD[other.is_question_BT], atol=1e-5)


def test_gradient_checkpointing_changes_no_gradient(folder):
    gradients = []
    for checkpointing in (False, True):
        llm = llm_of(folder, checkpointing).train()
        assert llm.language.get_base_model().is_gradient_checkpointing == checkpointing
        loss = llm.teacher_forced(torch.full((1, 3, 40, 40), 0.3), torch.zeros(1, dtype=int), ["Where?"], ["Top."]).text_loss
        passes: list[int] = []
        for layer in llm._decoder.layers:
            layer.input_layernorm.register_forward_hook(lambda *_, passes=passes: passes.append(1))
        loss.backward()
        assert len(passes) == (len(llm._decoder.layers) if checkpointing else 0), "each layer is computed again"
        gradients.append({n: p.grad for n, p in llm.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and gradients[0]
    assert all(torch.allclose(gradients[0][n], gradients[1][n], atol=1e-7) for n in gradients[0])


def test_a_llava_folder_that_lacks_a_tensor_is_refused_and_not_filled_at_random(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    state = load_file(tmp_path / "model.safetensors")
    lost = next(name for name in state if "layers.1.self_attn.v_proj.weight" in name)
    save_file({n: t for n, t in state.items() if n != lost}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(MissingPrerequisite, match=r"missing_keys.*layers\.1\.self_attn\.v_proj"):
        LlavaBase.read(tmp_path, "float32", "cpu")


def test_the_llava_folder_is_a_checkpoint_in_place_of_the_embedded_base(folder, samples):
    config = CGReasonerConfig(size="paper", language_model=str(folder), backbone={"weights": "convnext.safetensors"})
    assert set(config.checkpoints()) == {"language_model", "backbone.weights"} and not config.needs()
    method = CGReasonerMethod(REDUCED.model_copy(update={"language_model": str(folder / "none")}))
    with pytest.raises(MissingPrerequisite, match="Set `language_model` to a folder"):
        method.fit(samples, [], FitContext(0, "cpu"))


@pytest.mark.parametrize("given", [{}, {"backbone": {"weights": "convnext.safetensors"}, "language_model": "llava"}])
def test_the_note_on_which_published_numbers_are_compared_is_that_of_the_papers_size(given):
    from prsbench.harness.report.tables.published import PAPER_SIZE

    assert PAPER_SIZE in CGReasonerConfig(size="paper", **given).size_note


@pytest.mark.parametrize("given", [{}, {"size": "small"}, {"size": "paper", "backbone": {"feature_channels": 64}}])
def test_no_other_size_has_that_note(given):
    from prsbench.harness.report.tables.published import PAPER_SIZE

    assert PAPER_SIZE not in CGReasonerConfig(**given).size_note

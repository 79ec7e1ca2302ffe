"""LISA and PixelLM at the embedded size: the suite with masks asked for, and what is trained on what."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.parts.frozen_features.batches import sample_batch
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews
from prsbench.methods.parts.seg_token import tiny_network, tiny_training
from prsbench.methods.parts.seg_token.tiny_network import MaskTokenLLM, with_mask_tokens
from prsbench.methods.parts.seg_token.tiny_training import train
from prsbench.methods.parts.training.augmentation import IDENTITY, prepare
from prsbench.methods.parts.training.config import NO_AUGMENTATION

SMALL = {"image_size_px": 64, "feature_side": 4, "answer_tokens": 12, "epochs": 1}


class Asks(MaskTokenLLM):
    """Generates its mask tokens first, whatever the prompt."""

    def __init__(self, base, channels, tokens, config):
        super().__init__(base, channels, tokens, config)
        self._first = base.tokenizer.convert_tokens_to_ids(list(tokens))

    def generate(self, *asked):
        self._next = iter(self._first)
        return super().generate(*asked)

    def _choose(self, logits_BV):
        freely = super()._choose(logits_BV)
        token = next(self._next, None)
        return freely if token is None else torch.full_like(freely, token)


@pytest.fixture(scope="module", params=["lisa_tiny", pytest.param("pixellm_tiny", marks=pytest.mark.slow)])
def subject(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_network, "MaskTokenLLM", Asks)
        entry = METHODS[request.param]
        yield Subject(replace(entry, defaults={**entry.defaults, **SMALL}), tmp_path_factory.mktemp("subject"))


def features_of(chunk):
    return FeatureViews([[IDENTITY] * len(chunk)] * chunk.shape[1], [chunk])


def batch(subject, discs, empty=()):
    images = prepare(discs(3, empty=empty), 64)
    channels = subject.method._encoder(torch.zeros(1, 3, 64, 64)).shape[1]
    features = features_of(torch.randn(1, 3, channels, 4, 4, generator=torch.Generator().manual_seed(0)))
    config = subject.config.model_copy(update={"augmentation": NO_AUGMENTATION})
    return sample_batch(images, features, [0, 1, 2], config, np.random.default_rng(0), "cpu")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_asking_for_a_mask_it_passes_the_suite(subject, check):
    finding = run_check(check, subject)
    assert finding.verdict is not Verdict.FAILED, finding.reason


def test_it_predicts_masks_and_its_sentences_hold_no_mask_token(subject):
    assert all(p.probability.any() and "[SEG" not in p.answer for p in subject.predictions)


def test_an_answer_without_mask_tokens_gives_an_empty_mask(subject, monkeypatch):
    end = subject.method._language.tokenizer.eos_token_id
    monkeypatch.setattr(subject.method._model.llm, "_choose", lambda logits_BV: torch.full((len(logits_BV),), end))
    prediction = subject.method.predict(subject.queries()[:1])[0]
    assert prediction.answer == "" and not prediction.probability.any()


def test_training_answers_ask_for_a_mask_where_there_is_one(subject, discs, monkeypatch):
    model, given, read = subject.method._model, batch(subject, discs, empty=(1,)), []
    forced = model.llm.teacher_forced
    monkeypatch.setattr(model.llm, "teacher_forced", lambda *asked: read.extend(asked[-1]) or forced(*asked))
    model.losses(given)
    for image, answer in zip(given.row_image_R.tolist(), read, strict=True):
        assert ("[SEG" in answer) == (image != 1) and answer.endswith("".join(model.decoder.tokens)) == (image != 1)
    assert with_mask_tokens("At the top.", ("[A]", "[B]")) == "At the top. [A][B]"


def test_the_mask_in_training_is_asked_for_by_the_states_generation_uses(subject, discs):
    """Reading an answer and saying it give the same prompts: what is trained is what is tested."""
    model, given = subject.method._model, batch(subject, discs)
    seen, ask = [], model.decoder.forward
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(tiny_network, "with_mask_tokens", lambda answer, tokens: "".join(tokens))
        patch.setattr(model.decoder, "forward", lambda f, p: seen.append(p) or ask(f, p))
        model.answer(given.features_BCHW, given.questions[:3], len(model.decoder.tokens), 64)
        spoken = torch.cat(seen)
        seen.clear()
        model.losses(given)
    assert torch.allclose(spoken, seen[0], atol=1e-4)


def test_what_is_frozen_stays_and_what_the_public_code_trains_gets_a_gradient(subject, discs):
    model = subject.method._model
    subject.fitted._model.zero_grad()
    terms = subject.fitted._model.losses(batch(subject, discs))
    sum(terms.values()).backward()
    moved = {name for name, p in subject.fitted._model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    frozen = {name for name in moved if "prompt_encoder" in name or ("language" in name and "lora" not in name)}
    assert all("embed_tokens" in name for name in frozen)
    for part in ("lora_", "embed_tokens", "text_hidden_fcs", "mask_decoder.", "llm.projector"):
        assert any(part in name for name in moved), part
    assert len(model.llm.tokenizer) == model.llm.language.get_input_embeddings().num_embeddings


def test_all_of_the_language_model_is_trained_at_its_own_rate(subject, monkeypatch):
    """The pre-trained embedding included: at the rate of new modules it spoils the masks."""
    monkeypatch.setattr(tiny_training, "train_on_features", lambda _, optimizer, *rest: optimizer)
    config = type(subject.config).model_validate({"learning_rate": 3e-3, "lora": {"learning_rate": 2e-3}})
    model = subject.fitted._model
    optimizer: torch.optim.Optimizer = train(model, config, [], features_of(torch.zeros(1, 0, 1, 4, 4)), FitContext(0, "cpu"))
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    trained = {name: rates[id(p)] for name, p in model.named_parameters() if p.requires_grad}
    assert {rate for name, rate in trained.items() if ".language." in name} == {2e-3}
    assert all(trained[name] == 3e-3 for name in trained if name.startswith(("llm.projector", "text_hidden_fcs")))
    assert any("embed_tokens" in name for name in trained) and any("text_hidden_fcs" in name for name in trained)


def test_without_any_foreground_there_is_no_mask_loss(subject, discs):
    terms = subject.method._model.losses(batch(subject, discs, empty=(0, 1, 2)))
    assert terms["bce"] == 0 and terms["dice"] == 0 and terms["text"] > 0


def test_a_loss_that_is_not_finite_stops_and_names_the_images(subject, discs, monkeypatch):
    monkeypatch.setattr(tiny_training, "weighted", lambda terms, weight: terms["text"] * float("nan"))
    images = prepare(discs(2), 64)
    channels = subject.method._encoder(torch.zeros(1, 3, 64, 64)).shape[1]
    with pytest.raises(PrsbenchError, match=r"not finite.*skin_rgb/"):
        train(subject.fitted._model, subject.config, images, features_of(torch.zeros(1, 2, channels, 4, 4)), FitContext(0, "cpu"))

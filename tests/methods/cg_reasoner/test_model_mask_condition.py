"""Whose words ask for the mask: the question's or the model's own answer's, and never the reference's."""

import dataclasses

import numpy as np
import pytest
import torch
from cg_tiny import batch_of, fitted

CONDITIONS = ("question", "generated")


@pytest.fixture(scope="module")
def methods(samples, needs):
    return {condition: fitted(samples, needs, mask_condition=condition, epochs=1) for condition in CONDITIONS}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_mask_never_hears_the_reference_answer(methods, samples, condition):
    model, batch = methods[condition]._model, batch_of(samples[:4])
    masks = []
    for answers in (batch.answers, tuple("" for _ in batch.answers), (*batch.answers[1:], batch.answers[0])):
        with torch.no_grad():
            terms = model.losses(dataclasses.replace(batch, answers=answers))
        masks.append(terms["segmentation"])
    assert torch.allclose(masks[0], masks[1], atol=1e-6) and torch.allclose(masks[0], masks[2], atol=1e-6)


def test_generated_hears_the_answer_the_model_gives_and_question_does_not(methods, samples, monkeypatch):
    query = samples[0].query
    for condition, hears in (("question", False), ("generated", True)):
        method = methods[condition]
        plain = method.predict([query])[0].probability
        generate = method._model.llm.generate

        def other(*arguments, generate=generate):
            return dataclasses.replace(generate(*arguments), answers=["The lesion is at the bottom right."])

        monkeypatch.setattr(method._model.llm, "generate", other)
        assert np.array_equal(method.predict([query])[0].probability, plain) != hears
        monkeypatch.undo()


def test_training_conditions_on_the_very_states_that_exist_at_test_time(methods, samples, monkeypatch):
    model, batch = methods["generated"]._model, batch_of(samples[:3])
    asked = batch.questions[:3]
    seen = []
    real = type(model.decoder).forward

    def note(self, features, states, is_prompt):
        seen.append(states[is_prompt])
        return real(self, features, states, is_prompt)

    monkeypatch.setattr(type(model.decoder), "forward", note)
    with torch.no_grad():
        model.losses(batch)
        model.answer(batch.image_B3SS, torch.arange(len(asked)), asked)
    assert not model.training and torch.equal(*seen)


def test_answering_for_itself_takes_no_dropout_along_and_leaves_the_model_in_training(methods, samples):
    model, batch = methods["generated"]._model.train(), batch_of(samples[:2])
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model._generated(model.encoder(batch.image_B3SS).detach(), ["Where?", "Where is it?"])
    assert model.llm.training and model.training and torch.equal(torch.get_rng_state(), before)
    model.eval()


def test_the_segmentation_loss_reaches_lora_through_the_answer(methods, samples):
    model = methods["generated"]._model.train()
    model.zero_grad()
    model.losses(batch_of(samples[:3]))["segmentation"].backward()
    assert any("lora_" in name and p.grad is not None and p.grad.abs().sum() > 0 for name, p in model.named_parameters())
    model.zero_grad(), model.eval()


def test_a_batch_of_one_and_a_batch_of_many_agree(methods, samples):
    queries = [s.query for s in samples[:3]]
    queries[1] = dataclasses.replace(queries[1], question="Where in this picture is the lesion, please?")
    for query, row in zip(queries, methods["generated"].predict(queries), strict=True):
        alone = methods["generated"].predict([query])[0]
        assert alone.answer == row.answer and np.abs(alone.probability - row.probability).max() < 1e-4

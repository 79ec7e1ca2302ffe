"""How Text2Centroid reaches the language model: what each bridge reads, and what the spatial loss may change."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from cg_tiny import CONFIG, batch_of, fitted
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import Query
from prsbench.methods.cg_reasoner import training
from prsbench.methods.cg_reasoner.bridge import Vocabulary
from prsbench.methods.cg_reasoner.losses import mask_centroid, restrict_gradient_to, sampled_spatial_loss, spatial_loss
from prsbench.methods.cg_reasoner.model import build
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.language.text_rows import answer_ids
from prsbench.methods.parts.training.config import NO_AUGMENTATION
from prsbench.methods.text2centroid.model import Text2Centroid

BRIDGES = pytest.mark.parametrize("bridge", ["hidden", "soft_tokens", "sampled"])


@pytest.fixture(scope="module")
def parts(needs):
    base, text2centroid = SmallLlama(CONFIG.language), Text2Centroid(CONFIG.text2centroid)
    base.load(needs["small_llama"], "cpu")
    text2centroid.load(needs["text2centroid"], "cpu")
    return base, text2centroid.head


@pytest.fixture
def model_of(parts):
    def make(**changes):
        """A network as it stands after some steps: LoRA's second factors begin at 0 and would stop every gradient."""
        torch.manual_seed(0)
        model, _ = build(CONFIG.model_copy(update=changes), *copy.deepcopy(parts))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.2)
        return model.train()

    return make


def moved_by(loss, model):
    """Parameters that one plain step down this loss alone would change."""
    model.zero_grad()
    loss.backward()
    return {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def is_adapter(name):
    return "lora_" in name or name.startswith("bridge.linear")


@BRIDGES
def test_the_spatial_loss_changes_lora_and_bridge_and_nothing_else(model_of, samples, bridge):
    model = model_of(bridge=bridge)
    moved = moved_by(model.losses(batch_of(samples[:4]))["spatial"], model)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert moved == {name for name in trained if is_adapter(name)}
    assert any("lora_" in name for name in moved) and (bridge != "hidden" or "bridge.linear.weight" in moved)


@BRIDGES
def test_it_can_be_let_through_to_the_image_path_but_never_to_base_head_or_decoder(model_of, samples, bridge):
    model = model_of(bridge=bridge, spatial_reaches="image_path")
    moved = moved_by(model.losses(batch_of(samples[:4]))["spatial"], model)
    others = {name.split(".")[0] if not name.startswith("llm.") else name.split(".")[1] for name in moved if not is_adapter(name)}
    assert others == {"encoder", "projector"}


def test_an_end_put_to_a_gradient_changes_neither_the_loss_nor_what_may_still_move(model_of, samples):
    model, batch = model_of(), batch_of(samples[:4])
    adapters = [p for name, p in model.named_parameters() if is_adapter(name) and p.requires_grad]
    torch.manual_seed(1)
    whole = model.losses(batch)["spatial"]
    ended = restrict_gradient_to(adapters, whole)
    assert ended.item() == whole.item()
    gradients = torch.autograd.grad(whole, adapters, retain_graph=True)
    for one, other in zip(torch.autograd.grad(3 * ended, adapters), gradients, strict=True):
        torch.testing.assert_close(one, 3 * other)


def test_soft_tokens_read_what_the_answers_tokens_spell(parts, samples):
    encoder, tokenizer = sentence_encoder(), parts[0].tokenizer
    answers = [*dict.fromkeys(s.truth.answer for s in samples), "It is unhighlighted, at 3 o'clock."]
    vocabulary = Vocabulary(tokenizer, len(tokenizer), encoder)
    rows = [answer_ids(tokenizer, answer) for answer in answers]
    read = encoder.encode_words([vocabulary.spell(ids, torch.zeros(len(ids), len(tokenizer))) for ids in rows])
    torch.testing.assert_close(read, encoder.encode(answers), atol=1e-5, rtol=0)


def test_soft_tokens_pass_back_the_gradient_of_the_expected_embedding(parts):
    tokenizer = parts[0].tokenizer
    vocabulary = Vocabulary(tokenizer, len(tokenizer), sentence_encoder())
    whole_word = tokenizer.convert_tokens_to_ids("Ġlesion")
    logits = torch.randn(1, len(tokenizer), generator=torch.Generator().manual_seed(0))
    logits[0, whole_word] = 6.0
    logits.requires_grad_()
    onto = torch.randn(384, generator=torch.Generator().manual_seed(1))
    spelled = vocabulary.spell([whole_word], logits)
    torch.testing.assert_close(spelled, sentence_encoder().read("lesion")[0])
    (straight,) = torch.autograd.grad(spelled.mean(0) @ onto, logits)  # of all its pieces
    (expected,) = torch.autograd.grad((logits.softmax(-1) @ vocabulary._mean_VE).sum(0) @ onto, logits)
    torch.testing.assert_close(straight, expected)
    assert straight.abs().sum() > 0


def test_tokens_that_spell_nothing_make_an_empty_sentence_and_no_nan(parts):
    tokenizer = parts[0].tokenizer
    vocabulary = Vocabulary(tokenizer, len(tokenizer) + 5, sentence_encoder())  # an output layer may be larger than its tokenizer
    assert vocabulary._mean_VE.isfinite().all()
    for ids in ([tokenizer.eos_token_id] * 3, [len(tokenizer) + 2], []):
        read = sentence_encoder().encode_words([vocabulary.spell(ids, torch.zeros(len(ids), len(tokenizer) + 5))])
        torch.testing.assert_close(read, sentence_encoder().encode([""]), atol=1e-5, rtol=0)


def test_a_random_sentence_encoder_serves_soft_tokens_too(monkeypatch):
    from prsbench.methods.parts.language.sentence_bert import SentenceEncoder

    monkeypatch.setattr("prsbench.methods.parts.language.sentence_bert.locate", lambda file: None)
    encoder = SentenceEncoder()
    texts = ["The lesion is at the top left.", "", "here"]
    read = encoder.encode_words([encoder.read(text)[0] for text in texts])
    torch.testing.assert_close(read, encoder.encode(texts), atol=1e-5, rtol=0)


@pytest.mark.parametrize("bridge", ["soft_tokens", "sampled"])
def test_bridges_on_own_answers_train_save_and_load_without_weights_of_their_own(samples, needs, tmp_path, bridge):
    method = fitted(samples, needs, bridge=bridge, epochs=1)
    assert {"spatial", "text"} < set(method._history[0]) and "distillation" not in method._history[0]
    method.save(tmp_path)
    again = type(method)(method.config)
    again.load(tmp_path, "cpu")
    first, second = method.predict([samples[0].query])[0], again.predict([samples[0].query])[0]
    assert first.answer == second.answer and np.array_equal(first.probability, second.probability)


def test_the_sampled_loss_is_the_mean_and_its_gradient_on_average_that_of_the_expected_loss():
    """Three possible answers, two samples: the average over all nine pairs of samples, each with its probability."""
    places, target = torch.tensor([[0.8, 0.0], [-0.3, 0.4], [0.0, -0.9]]), torch.tensor([[0.1, 0.2]])
    logits = torch.tensor([0.3, -0.5, 0.9], requires_grad=True)
    costs = torch.nn.functional.smooth_l1_loss(places, target.expand(3, 2), reduction="none").mean(1)
    (expected,) = torch.autograd.grad((logits.softmax(0) * costs).sum(), logits)
    average = torch.zeros(3)
    for pair in ([a, b] for a in range(3) for b in range(3)):
        loss = sampled_spatial_loss(places[None, pair], target, torch.tensor([True]), logits.log_softmax(0)[None, pair])
        assert loss.item() == pytest.approx(costs[pair].mean().item())
        average += logits.softmax(0)[pair].prod().item() * torch.autograd.grad(loss, logits)[0]
    torch.testing.assert_close(average, expected)


def test_steps_down_the_sampled_loss_move_the_answers_to_the_place_without_any_reference(model_of, samples, monkeypatch):
    """T2C is replaced by a reader of one letter, so that the place is a known function of the text."""
    model, batch = model_of(bridge="sampled", bridge_samples=8, spatial_reaches="image_path"), batch_of(samples[:4])
    batch = replace(batch, answers=(None,) * len(batch.answers), centroid_B2=torch.tensor([[1.0, 0.0]]).repeat(4, 1))
    read = lambda self, answers, device: torch.tensor([[1.0 if "e" in answer else -1.0, 0.0] for answer in answers])  # noqa: E731
    monkeypatch.setattr(type(model.bridge), "forward", read)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        terms = model.losses(batch)
        terms["spatial"].backward()
        optimizer.step()
        losses.append(terms["spatial"].item())
    assert terms["text"].item() == 0.0
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@BRIDGES
def test_an_answer_that_is_not_to_be_read_has_no_influence(model_of, samples, bridge):
    model = model_of(bridge=bridge).eval()
    images = training.prepare(samples[:4], CONFIG.image_size_px)
    lying = [(image, replace(scene, pairs=tuple((q, "It is nowhere.") for q, _ in scene.pairs))) for image, scene in images]
    answered = {images[0][0].image_id}
    config = CONFIG.model_copy(update={"augmentation": NO_AUGMENTATION})
    terms = []
    for shown in (images, [images[0], *lying[1:]]):
        augmented = training.augment(shown, config, np.random.default_rng(0), answered)
        torch.manual_seed(0)
        terms.append(model.losses(training.collate(augmented, CONFIG.language.layout_side, "cpu", with_reference=True)))
    assert terms[0] == terms[1] and terms[0]["text"] > 0 and terms[0]["spatial"] > 0


@BRIDGES
def test_an_answer_that_names_no_zone_has_no_spatial_loss(model_of, samples, bridge):
    model = model_of(bridge=bridge).eval()
    of_family = [[replace(s, truth=replace(s.truth, family=family)) for s in samples[:4]] for family in ("where", "count")]
    terms = []
    for asked in of_family:
        torch.manual_seed(0)
        terms.append(model.losses(batch_of(asked)))
    assert terms[0]["spatial"] > 0 == terms[1]["spatial"] and terms[0]["text"] == terms[1]["text"]


def test_the_answered_share_is_chosen_in_each_modality_by_the_seed(samples):
    (of_first,) = samples[:1]
    queries = [Query(f"{name}/{i}#0", of_first.query.image, "?", name) for name in ("skin_rgb", "breast_us") for i in range(20)]
    samples = [replace(of_first, query=query) for query in queries]
    chosen = training.answered_images(samples, 0.1, seed=3)
    assert sorted(one.partition("/")[0] for one in chosen) == ["breast_us"] * 2 + ["skin_rgb"] * 2
    assert chosen == training.answered_images(samples, 0.1, seed=3) != training.answered_images(samples, 0.1, seed=4)


def test_a_place_that_is_not_defined_has_no_spatial_loss():
    points = torch.tensor([[0.5, 0.0], [0.0, 0.0]], requires_grad=True)
    nowhere = torch.full((1, 2), float("nan"))
    places = torch.cat([torch.zeros(1, 2), nowhere])
    assert spatial_loss(points, places, torch.tensor([True, False])).item() == pytest.approx(0.5 * 0.25 / 2)
    assert spatial_loss(points, places, torch.tensor([True, True])).item() == pytest.approx(0.5 * 0.25 / 2 / 2)
    alone = spatial_loss(points[:1], nowhere, torch.tensor([False]))
    assert alone.item() == 0.0
    alone.backward()


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_centroid_of_a_predicted_mask_is_that_of_the_metrics(mask):
    logits = torch.where(torch.from_numpy(mask), 0.0, -1.0)[None, None].requires_grad_()  # 0 is probability 0.5: foreground
    found, expected = mask_centroid(logits), centroid(mask)
    assert not found.requires_grad
    if expected is None:
        assert found.isnan().all()
    else:
        np.testing.assert_allclose(found[0].numpy(), (expected.x, expected.y), atol=1e-5)


def test_its_own_mask_as_target_pulls_the_text_there_and_leaves_the_mask_alone(model_of, samples, monkeypatch):
    model, batch = model_of(spatial_target="predicted_mask_centroid"), batch_of([samples[0], samples[5]])  # 5 has no lesion
    assert batch.centroid_B2[1].isnan().all()
    full = lambda self, features, states, is_prompt: torch.ones(len(features), 1, 4, 4)  # noqa: E731
    monkeypatch.setattr(type(model.decoder), "forward", full)  # a mask of everything: its centroid is (0, 0)
    seen = []
    monkeypatch.setattr(
        "prsbench.methods.cg_reasoner.model.spatial_loss",
        lambda *given: seen.append(given[1:]) or spatial_loss(*given),
    )
    model.losses(batch)
    [(target_R2, counts_R)] = seen
    with_lesion = batch.row_image_R == 0
    torch.testing.assert_close(target_R2[with_lesion], torch.zeros(int(with_lesion.sum()), 2))
    assert torch.equal(counts_R, with_lesion)
    monkeypatch.undo()
    moved = moved_by(model.losses(batch)["spatial"], model)
    assert not any(name.startswith("decoder") for name in moved)


def of_image(batch, k):
    """What a batch holds of its image k alone."""
    mine = (batch.row_image_R == k).nonzero()[:, 0]
    of_images = {name: getattr(batch, name)[k : k + 1] for name in ("image_B3SS", "mask_B1SS", "layout_BNN", "centroid_B2")}
    rows = {name: tuple(getattr(batch, name)[i] for i in mine.tolist()) for name in ("questions", "answers")}
    return replace(batch, **of_images, **rows, row_image_R=torch.zeros_like(mine), reference_RE=batch.reference_RE[mine])


def test_a_row_whose_own_mask_is_empty_has_no_pull_but_counts_so_that_parts_add_up(model_of, samples, monkeypatch):
    model, batch = model_of(spatial_target="predicted_mask_centroid").eval(), batch_of(samples[:2])
    is_full = iter([[True, False], [True], [False]])
    masks = lambda self, features, states, is_prompt: torch.stack(  # noqa: E731
        [torch.full((1, 4, 4), 1.0 if full else -1.0) for full in next(is_full)]
    )
    monkeypatch.setattr(type(model.decoder), "forward", masks)
    parts = [of_image(batch, k) for k in (0, 1)]
    with torch.no_grad():
        whole, first, second = (model.losses(one)["spatial"].item() for one in (batch, *parts))
    assert second == 0.0 and first > 0
    assert whole == pytest.approx(first * len(parts[0].answers) / len(batch.answers), rel=1e-4)

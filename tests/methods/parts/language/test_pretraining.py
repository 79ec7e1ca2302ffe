import re
from collections import Counter

import numpy as np
import pytest
import torch
from prsbench.datasets import questions
from prsbench.harness.contract.modalities import ALL, MODALITIES
from prsbench.harness.contract.position import position_of
from prsbench.methods.parts.language import pretraining
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.language.image_tokens import ImageTokens, layout_tokens
from prsbench.methods.parts.language.multimodal_llm import TinyMultimodalLLM
from prsbench.methods.parts.language.small_llama import LEVELS, SmallLlama, layout_of
from prsbench.metrics.text.position import parse
from torch.nn import functional as F

TINY = SmallLlamaConfig(
    weights="retrain",
    layout_side=4,
    token_side=2,
    vocabulary=320,
    width=16,
    layers=1,
    heads=2,
    feed_forward=16,
    steps=3,
    batch_size=4,
)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(pretraining, "MASKS_PER_CHUNK", 4)
    monkeypatch.setattr(pretraining, "TOKENIZER_CHUNKS", 3)


@pytest.fixture
def trained(few):
    tokenizer = pretraining.tokenizer_for(0, TINY)
    rows = pretraining.make_rows(0, TINY, tokenizer, 90, workers=1)
    return [pretraining.pretrain(TINY, tokenizer, rows, 0, None, "cpu")[0] for _ in range(2)]


def test_one_seed_makes_the_same_rows_and_another_seed_others(few):
    (layouts, rows), (again, same), (_, other) = (pretraining.sample_chunk(seed, 12, 5) for seed in (0, 0, 1))
    assert np.array_equal(layouts, again) and rows == same and rows != other
    assert pretraining.sample_chunk(0, 12, 6)[1] != rows


def test_no_row_has_the_wording_of_a_test_question_or_answer(few):
    forms = (*questions.QUESTIONS_TEST, *(form for form, _ in questions.ANSWERS_TEST), *questions.EMPTY_ANSWERS_TEST)
    patterns = [re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(form))) for form in forms]
    texts = {text for chunk in range(12) for _, *pair in pretraining.sample_chunk(3, 12, chunk)[1] for text in pair}
    assert len(texts) > 500
    assert not [text for text in texts if any(pattern.fullmatch(text) for pattern in patterns)]


def test_a_layout_is_followed_by_sentences_about_the_mask_it_was_made_of(few):
    layouts, rows = pretraining.sample_chunk(0, 12, 1)
    read = Counter()
    for n, _, said in rows:
        levels = layouts[n].reshape(12, 12)
        zones = parse(said).zones
        if len(zones) != 1 or zones == {"center"}:
            continue
        vertical, horizontal = next(iter(zones)).split()
        halves = {"top": levels[:6], "bottom": levels[6:], "left": levels[:, :6], "right": levels[:, 6:]}
        read[bool(halves[vertical].any() and halves[horizontal].any())] += 1
    assert read[True] > 15 and read[False] == 0


def test_exact_layouts_are_not_blurred_and_blurred_ones_keep_shares_that_sum_to_one():
    torch.manual_seed(0)
    layout = torch.randint(LEVELS, (200, 16))
    share = pretraining.blended(layout)
    assert torch.allclose(share.sum(-1), torch.ones(200, 16)) and (share >= 0).all()
    exact = (share == F.one_hot(layout, LEVELS)).all(-1).all(-1).float().mean()
    assert 0.3 < exact < 0.5
    assert (share.argmax(-1) == layout).float().mean() > 0.99


def test_two_trainings_of_one_seed_are_equal_to_the_bit(trained):
    first, second = (language.model.state_dict() for language in trained)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(trained[0].character_NKD, trained[1].character_NKD)


def test_a_written_file_is_read_with_its_recipe_and_says_the_same_up_to_half_precision(trained, tmp_path):
    trained[0].write(tmp_path / "llama.safetensors", {"seed": 0})
    again = SmallLlama(TINY)
    assert again.read(tmp_path / "llama.safetensors", "cpu") == {"seed": 0}
    ids = trained[0].tokenizer.encode("Where is the tumour?")
    assert again.tokenizer.encode("Where is the tumour?") == ids and again.tokenizer.pad_token == trained[0].tokenizer.pad_token
    before, after = (language.model(input_ids=torch.tensor([ids])).logits for language in (trained[0], again))
    assert torch.allclose(before, after, atol=1e-2) and not any(p.requires_grad for p in again.model.parameters())


@pytest.fixture(scope="module")
def packaged():
    return SmallLlama.of(SmallLlamaConfig(), None, "cpu")


class Reader(TinyMultimodalLLM):
    """Reads a drawn layout instead of an image's features."""

    def _image_tokens(self, share_BNK):
        return ImageTokens(layout_tokens(share_BNK, self.projector.character_NKD, self.projector.side), None)


def test_with_the_true_layout_the_packaged_model_names_the_place_of_unseen_masks_in_unseen_wording(packaged):
    from prsbench.datasets.phantoms.drawing import draw

    rng, reader = np.random.default_rng(0), Reader(packaged, 8, 1, 1, 0.0)
    drawn = [(name, draw(name, 5, index).mask) for name in MODALITIES for index in range(34)]
    target = {m.name: questions.target_of(m.name, m.phantom_target) for m in ALL}
    asked = [questions.render_question(target[name], "test", rng) for name, _ in drawn]
    side = packaged.config.layout_side
    share = F.one_hot(torch.stack([torch.from_numpy(layout_of(mask, side).ravel()) for _, mask in drawn]), LEVELS).float()
    said = reader.generate(share, asked, 40).answers
    right = [
        parse(answer).zones == {phrase.removesuffix(" center") for phrase in position_of(mask, name)[0]}
        for answer, (name, mask) in zip(said, drawn, strict=True)
    ]
    assert np.mean(right) >= 0.97

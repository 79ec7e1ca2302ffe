import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.language.sentence_bert import WIDTH, SentenceEncoder, sentence_encoder
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.model import FEW_SENTENCES, Text2Centroid, load_text_models

SENTENCES = [f"The lesion is at the {v} {h} and far from the center." for v in ("top", "bottom") for h in ("left", "right")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from prsbench.harness.contract.types import DataKind, Query, Sample, Truth

    samples = []
    for place, sentence in enumerate(SENTENCES):
        mask = np.zeros((40, 40), bool)
        row, col = (5 if place < 2 else 30), (5 if place % 2 == 0 else 30)
        mask[row : row + 5, col : col + 5] = True
        query = Query(f"skin_rgb/{place}#0", np.zeros((40, 40, 3), np.uint8), "Where?", "skin_rgb")
        samples.append(Sample(query, Truth(mask, sentence, ("x",), False, "x"), str(place), "train", DataKind.SYNTHETIC))
    part = Text2Centroid(Text2CentroidConfig(steps=200))
    part.fit(samples, [], FitContext(seed=0, device="cpu"))
    folder = tmp_path_factory.mktemp("t2c")
    part.save(folder)
    return folder


def test_each_quadrant_word_leads_to_its_quadrant(trained):
    points = load_text_models(trained, "cpu").locate(SENTENCES)
    assert (np.sign(points) == [[-1, -1], [1, -1], [-1, 1], [1, 1]]).all()


def test_a_wording_never_seen_leads_to_the_same_quadrant(trained):
    points = load_text_models(trained, "cpu").locate(["The polyp is in the bottom right, away from the center."])
    assert (points > 0).all()


def test_a_point_does_not_depend_on_the_other_sentences(trained):
    models = load_text_models(trained, "cpu")
    assert (models.locate(SENTENCES)[2] == models.locate(SENTENCES[2:3])[0]).all()
    assert (SentenceEncoder().encode(SENTENCES)[2] == SentenceEncoder().encode(SENTENCES[2:3])[0]).all()


def test_a_saved_part_comes_back_with_the_same_points_and_checksum(trained):
    first, second = load_text_models(trained, "cpu"), load_text_models(trained, "cpu")
    assert first.checksum == second.checksum and (first.locate(SENTENCES) == second.locate(SENTENCES)).all()


def test_a_judge_says_how_many_sentences_trained_it_and_warns_of_few(trained, tmp_path, discs):
    models = load_text_models(trained, "cpu")
    assert models.name.startswith("trained on val (sentences: 4, checksum ")
    assert any(note.startswith("FEW SENTENCES: the judge was trained on 4 of val, fewer than 30") for note in models.notes)
    part = Text2Centroid(Text2CentroidConfig(steps=1))
    part.fit(discs(FEW_SENTENCES), [], FitContext(0, "cpu"))
    part.save(tmp_path)
    assert not any("FEW" in note for note in load_text_models(tmp_path, "cpu").notes)


def test_a_sentence_of_more_word_pieces_than_the_encoder_reads_is_cut():
    models = Text2Centroid(Text2CentroidConfig())
    assert models.is_cut(["top left " * 127, "top left " * 128, "a" * 5000, ""]) == [False, True, False, False]
    start, whole = models.embed(["top left " * 127, "top left " * 200])
    assert np.allclose(start, whole, atol=1e-6)  # the rest is not read


def test_no_sentences_give_no_points(trained):
    models = load_text_models(trained, "cpu")
    assert models.locate([]).shape == (0, 2) and models.embed([]).shape == (0, WIDTH)


def test_training_on_empty_masks_alone_is_refused(discs):
    with pytest.raises(DataError, match="non-empty mask"):
        Text2Centroid(Text2CentroidConfig(steps=1)).fit(discs(2, empty=(0, 1)), [], FitContext(0, "cpu"))


def test_embeddings_have_unit_length_and_can_be_trained_on():
    embedding = sentence_encoder().encode(SENTENCES)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(4), atol=1e-5)
    torch.nn.Linear(WIDTH, 1)(embedding).sum().backward()


def test_without_the_package_the_encoder_is_random_and_noted_as_such(monkeypatch):
    monkeypatch.setattr("prsbench.methods.parts.language.sentence_bert.locate", lambda file: None)
    encoder = SentenceEncoder()
    assert encoder.is_random and encoder.checksum == "random"
    assert (encoder.encode(SENTENCES[:1]) == SentenceEncoder().encode(SENTENCES[:1])).all()
    monkeypatch.setattr("prsbench.methods.text2centroid.model.sentence_encoder", lambda device="cpu": encoder)
    assert "RANDOM" in Text2Centroid(Text2CentroidConfig()).notes[0]

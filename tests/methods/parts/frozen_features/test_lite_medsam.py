"""The features that several methods share: those of the encoder, stored once and through a kill, for these images only."""

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.frozen_features.config import LiteMedSAMFeaturesConfig
from prsbench.methods.parts.frozen_features.lite_medsam import (
    CHUNK,
    LiteMedSAMEncoder,
    LiteMedSAMFeatures,
    embed,
    features_of,
    picture_in,
    sample_views,
)
from prsbench.methods.parts.training.augmentation import IDENTITY, View, change_intensity, prepare, scenes, view_of_images
from prsbench.methods.parts.training.config import NO_AUGMENTATION
from torch.nn import functional as F

CONFIG = LiteMedSAMFeaturesConfig(image_size_px=64, stages_side=4, views=4)


@pytest.fixture(scope="module")
def kept(disc, tmp_path_factory):
    """Three images' features in their folder."""
    folder = tmp_path_factory.mktemp("features")
    part = LiteMedSAMFeatures(CONFIG)
    part.fit([disc(i) for i in range(3)], [], FitContext(0, "cpu"))
    part.save(folder)
    return folder


@pytest.fixture
def context(kept):
    return FitContext(0, "cpu", {"features": kept})


@pytest.mark.parametrize("layer", ["neck", "stages"])
def test_they_are_what_the_encoder_makes_of_each_image_in_each_of_its_views(layer, discs, context):
    images = prepare(discs(3), 64)
    got = features_of(images, layer, 4, context)
    own = LiteMedSAMEncoder.packaged(64, layer)
    for k, (image, scene) in enumerate(images):
        assert got.views[k][:2] == [IDENTITY, View(left_right=True)] and all(view.moves for view in got.views[k][2:])
        rng = np.random.default_rng((0, k))
        for n, (view, change) in enumerate(sample_views(scene, CONFIG, rng)):
            assert view == got.views[k][n]
            shown = change_intensity(view_of_images(image.image_3SS[None].float() / 255, [view]), change[:, None]) * 255
            expected = F.adaptive_avg_pool2d(own(shown), 4)[0]
            assert torch.allclose(got.at(k, n).float(), expected, rtol=2e-3, atol=2e-3)  # half precision


def test_the_encoder_at_test_makes_the_same_of_the_original(discs, context):
    images = prepare(discs(3), 64)
    expected, _ = embed(LiteMedSAMEncoder.packaged(64), [image.image_3SS.permute(1, 2, 0).numpy() for image, _ in images], 4)
    got = features_of(images, "neck", 4, context)
    assert torch.allclose(torch.stack([got.at(k, 0) for k in range(3)]).float(), expected, rtol=2e-3, atol=2e-3)


def test_views_are_as_the_config_says(disc):
    [scene] = scenes([disc(0)])
    still = CONFIG.model_copy(update={"augmentation": NO_AUGMENTATION, "views": 3})
    assert sample_views(scene, CONFIG.model_copy(update={"views": 1}), np.random.default_rng(0))[0][0] == IDENTITY
    assert [view for view, _ in sample_views(scene, still, np.random.default_rng(0))] == [IDENTITY] * 3
    sampled = [sample_views(scene, CONFIG, np.random.default_rng(seed))[-1] for seed in range(99)]
    assert {view.left_right for view, _ in sampled} == {True, False} and not any(view.top_bottom for view, _ in sampled)
    assert max(abs(view.x) for view, _ in sampled) <= 0.3 and max(np.abs(change).max() for _, change in sampled) <= 0.2


def test_without_a_change_the_original_is_shown_bit_by_bit(disc):
    [(image, _)] = prepare([disc(0)], 64)
    assert torch.equal(picture_in(image.image_3SS, IDENTITY, np.zeros(3)).round().to(torch.uint8), image.image_3SS)


def test_rows_of_one_process_share_the_encoders_pass_and_all_count_its_seconds(discs, monkeypatch):
    passes = []
    stages = LiteMedSAMEncoder.stages
    monkeypatch.setattr(LiteMedSAMEncoder, "stages", lambda self, image: passes.append(len(image)) or stages(self, image))
    images = [disc.query.image for disc in discs(2, start=40)]
    neck, wide = LiteMedSAMEncoder.packaged(64), LiteMedSAMEncoder.packaged(64, "stages")
    first, first_s = embed(neck, images, 4)
    again, again_s = embed(neck, images[::-1], 4)
    other, other_s = embed(wide, images, 4)
    assert passes == [1, 1] and torch.allclose(first, again.flip(0), atol=1e-6) and other.shape[1] == 640
    assert min(again_s, other_s) > 0.5 * first_s, "what another row computed is counted"
    with torch.no_grad():
        next(neck.parameters()).mul_(2)
    assert not torch.allclose(embed(neck, images, 4)[0], first) and len(passes) == 4, "other weights, other features"


def test_features_of_other_images_are_refused(discs, context):
    with pytest.raises(DataError, match="those of other images"):
        features_of(prepare(discs(3, start=1), 64), "neck", 4, context)


def test_features_are_not_made_finer_than_they_are(discs, context):
    with pytest.raises(DataError, match=r"expected at least 8\. Lower feature_side"):
        features_of(prepare(discs(3), 64), "stages", 8, context)


def test_what_was_embedded_before_a_kill_is_not_embedded_again(disc, tmp_path, monkeypatch):
    samples = [disc(i) for i in range(CHUNK + 2)]
    embedded = []

    def counted(self, encoder, images, numbers, seed):
        embedded.extend(image.image_id for image, _ in images)
        if len(embedded) > CHUNK and dies:
            raise KeyboardInterrupt
        return make(self, encoder, images, numbers, seed)

    make = LiteMedSAMFeatures._embedded
    monkeypatch.setattr(LiteMedSAMEncoder, "stages", lambda self, image: torch.zeros(1, 640, 16, 16))
    monkeypatch.setattr(LiteMedSAMFeatures, "_embedded", counted)
    dies = True
    with pytest.raises(KeyboardInterrupt):
        LiteMedSAMFeatures(CONFIG).fit(samples, [], FitContext(0, "cpu", scratch=tmp_path))
    embedded.clear()
    dies = False
    part = LiteMedSAMFeatures(CONFIG)
    part.fit(samples, [], FitContext(0, "cpu", scratch=tmp_path))
    assert embedded == [f"skin_rgb/{i}" for i in range(CHUNK, CHUNK + 2)]
    (tmp_path / "saved").mkdir()
    part.save(tmp_path / "saved")
    loaded, alone = LiteMedSAMFeatures(CONFIG), LiteMedSAMFeatures(CONFIG)
    loaded.load(tmp_path / "saved", "cpu")
    alone.fit(samples, [], FitContext(0, "cpu"))
    ids = [f"skin_rgb/{i}" for i in range(CHUNK + 2)]
    assert loaded.of(ids, "neck", 4).views == alone.of(ids, "neck", 4).views, "resumed or not, the views are the same"
    assert [chunk.shape[1] for chunk in loaded.of(ids, "stages", 4).chunks] == [CHUNK, 2]

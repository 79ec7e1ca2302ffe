"""The features that several methods share: those of the encoder, stored once and through a kill, for these images only."""

import pytest
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.frozen_features.config import LiteMedSAMFeaturesConfig
from prsbench.methods.parts.frozen_features.lite_medsam import CHUNK, LiteMedSAMEncoder, LiteMedSAMFeatures, embed, features_of
from prsbench.methods.parts.training.images import training_images
from torch.nn import functional as F

CONFIG = LiteMedSAMFeaturesConfig(image_size_px=64, stages_side=4)


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
def test_they_are_what_the_encoder_makes_of_each_image_and_of_its_mirror_image(layer, discs, context):
    images = training_images(discs(3), 64)
    got = features_of(images, layer, 4, context).float()
    own = LiteMedSAMEncoder.packaged(64, layer)
    for k, one in enumerate(images):
        shown = [picture.permute(1, 2, 0).numpy() for picture in (one.image_3SS, one.image_3SS.flip(-1))]
        expected, _ = embed(own, shown, 4)
        assert torch.allclose(got[:, k], expected, rtol=2e-3, atol=2e-3)  # half precision
        alone = torch.cat([own(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()) for picture in shown])
        assert torch.allclose(expected, F.adaptive_avg_pool2d(alone, 4), atol=1e-5)


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
        features_of(training_images(discs(3, start=1), 64), "neck", 4, context)


def test_features_are_not_made_finer_than_they_are(discs, context):
    with pytest.raises(DataError, match=r"expected at least 8\. Lower feature_side"):
        features_of(training_images(discs(3), 64), "stages", 8, context)


def test_what_was_embedded_before_a_kill_is_not_embedded_again(disc, tmp_path, monkeypatch):
    samples = [disc(i) for i in range(CHUNK + 2)]
    embedded = []

    def counted(self, encoder, images):
        embedded.extend(one.image_id for one in images)
        if len(embedded) > CHUNK and dies:
            raise KeyboardInterrupt
        return {layer: torch.full((2, len(images), 1, 4, 4), float(len(embedded))) for layer in ("neck", "stages")}

    monkeypatch.setattr(LiteMedSAMFeatures, "_embedded", counted)
    dies = True
    with pytest.raises(KeyboardInterrupt):
        LiteMedSAMFeatures(CONFIG).fit(samples, [], FitContext(0, "cpu", scratch=tmp_path))
    embedded.clear()
    dies = False
    part = LiteMedSAMFeatures(CONFIG)
    part.fit(samples, [], FitContext(0, "cpu", scratch=tmp_path))
    assert embedded == [f"skin_rgb/{i}" for i in range(CHUNK, CHUNK + 2)]
    assert part._tensors["neck"].shape[1] == CHUNK + 2

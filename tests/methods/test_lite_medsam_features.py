"""The features that several methods share: the encoder's own, kept once and through a kill, given for those images alone."""

import pytest
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.lite_medsam_features import (
    CHUNK,
    LiteMedSAMEncoder,
    LiteMedSAMFeatures,
    LiteMedSAMStages,
    embed,
    features_of,
)
from prsbench.methods.parts import LiteMedSAMFeaturesConfig
from prsbench.methods.training_images import training_images

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


@pytest.mark.parametrize(("layer", "encoder"), [("neck", LiteMedSAMEncoder), ("stages", LiteMedSAMStages)])
def test_they_are_what_the_encoder_makes_of_each_image_and_of_its_mirror_image(layer, encoder, discs, context):
    images = training_images(discs(3), 64)
    got = features_of(images, layer, 4, context).float()
    own = encoder(64)
    own.load_packaged()
    for k, one in enumerate(images):
        shown = torch.stack([one.image_3SS, one.image_3SS.flip(-1)])
        expected = torch.cat([embed(own, picture[None], 4) for picture in shown])
        assert torch.allclose(got[:, k], expected, rtol=2e-3, atol=2e-3)  # half precision


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

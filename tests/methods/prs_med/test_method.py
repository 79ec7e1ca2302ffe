from dataclasses import replace

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews, LiteMedSAMEncoder
from prsbench.methods.parts.sam.processing import LongestSideMinMax
from prsbench.methods.parts.sam.variants import load_variant
from prsbench.methods.parts.training.augmentation import IDENTITY, prepare
from prsbench.methods.prs_med import training
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.training import train, weighted_sum
from prsbench.methods.sam.config import LiteMedSAMConfig

SMALL = PRSMedConfig(image_size_px=64, epochs=1)
FEATURES = FeatureViews([[IDENTITY] * 2] * 2, [torch.zeros(2, 2, 256, 16, 16, dtype=torch.float16)])  # of two images


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    entry = METHODS["prs_med"]
    return Subject(replace(entry, defaults={**entry.defaults, "image_size_px": 64}), tmp_path_factory.mktemp("subject"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_at_64_px_it_passes_the_suite(subject, check):
    finding = run_check(check, subject)
    assert finding.verdict is not Verdict.FAILED, finding.reason


def test_at_256_px_the_reduced_encoder_is_lite_medsams_own():
    image = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    ours = LiteMedSAMEncoder.packaged(256)
    network = load_variant(LiteMedSAMConfig(prompt_source="automatic"), "cpu").network
    square, _ = LongestSideMinMax().prepare(image)
    with torch.inference_mode():
        expected = network.image_encoder(square[None])
    got = ours(torch.from_numpy(image).permute(2, 0, 1)[None].float())
    assert torch.allclose(got, expected, atol=1e-5)


def test_the_modality_head_is_trained_in_the_first_epochs_only():
    terms = {name: torch.tensor(1.0) for name in ("segmentation", "text", "alignment", "modality")}
    assert weighted_sum(terms, SMALL, epoch=4).item() == pytest.approx(3.0)
    assert weighted_sum(terms, SMALL, epoch=5).item() == pytest.approx(2.5)


def test_a_modality_without_an_official_class_is_refused(discs, subject):
    images = [(replace(image, modality="retina"), scene) for image, scene in prepare(discs(2), 64)]
    with pytest.raises(DataError, match="no class for modality retina"):
        train(subject.method._model, SMALL, images, FEATURES, FitContext(0, "cpu"))


def test_a_loss_that_is_not_finite_stops_and_names_the_images(discs, subject, monkeypatch):
    monkeypatch.setattr(training, "weighted_sum", lambda terms, config, epoch: terms["text"] * float("nan"))
    with pytest.raises(PrsbenchError, match=r"not finite.*skin_rgb/"):
        train(subject.method._model, SMALL, prepare(discs(2), 64), FEATURES, FitContext(0, "cpu"))


def test_with_a_learning_rate_the_encoder_is_trained_saved_and_used(discs, tmp_path):
    entry = METHODS["prs_med"]
    defaults = {**entry.defaults, "image_size_px": 64, "epochs": 1, "encoder_learning_rate": 1e-3}
    subject = Subject(replace(entry, defaults=defaults), tmp_path)
    frozen = LiteMedSAMEncoder.packaged(64).state_dict()
    trained = subject.method._encoder.state_dict()
    changed = [name for name in frozen if not torch.equal(frozen[name], trained[name])]
    assert any(name.endswith("weight") for name in changed), "the loaded encoder is the trained one"
    assert "features" not in subject.config.needs() and "trained, from LiteMedSAM" in str(subject.method.labels.notes)
    assert all(run_check(check, subject).verdict is not Verdict.FAILED for check in CHECKS)

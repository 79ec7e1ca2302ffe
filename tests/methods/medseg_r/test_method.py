from dataclasses import replace

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.medseg_r import training
from prsbench.methods.medseg_r.training import read_twice, train
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews
from prsbench.methods.parts.training.augmentation import IDENTITY, prepare


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    entry = METHODS["medseg_r"]
    small = {**entry.defaults, "image_size_px": 64, "feature_side": 16}
    return Subject(replace(entry, defaults=small), tmp_path_factory.mktemp("subject"))


def features(count):
    return FeatureViews([[IDENTITY] * 2] * count, [torch.zeros(2, count, 256, 16, 16, dtype=torch.float16)])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_at_64_px_it_passes_the_suite(subject, check):
    finding = run_check(check, subject)
    assert finding.verdict is not Verdict.FAILED, finding.reason


@torch.no_grad()
def test_the_report_is_the_question_and_the_sentence_of_the_first_mask_and_nothing_else(subject, monkeypatch):
    read = []

    class Encoder:
        def encode(self, sentences):
            read.append(list(sentences))
            return torch.zeros(len(sentences), 384)

    monkeypatch.setattr(training, "sentence_encoder", lambda device: Encoder())
    features = torch.zeros(1, 256, 16, 16)
    corner = torch.full((1, 1, 64, 64), -9.0)
    corner[..., :9, :9] = 9.0
    monkeypatch.setattr(training, "_sized", lambda logits, side: corner)
    read_twice(subject.method._network, features, ["Where is the lesion?"], ["skin_rgb"], 64)
    assert read == [["Where is the lesion?"], ["The lesion is located in the top left and far from the center."]]


def test_it_reads_no_reference_answer_in_training(subject, discs, monkeypatch):
    secret = [
        (replace(image, pairs=()), replace(scene, pairs=tuple((q, f"secret {a}") for q, a in scene.pairs)))
        for image, scene in prepare(discs(4), 64)
    ]
    said = []
    encode = training._embedded
    monkeypatch.setattr(training, "_embedded", lambda sentences, like: said.extend(sentences) or encode(sentences, like))
    network = training.MedSegR(subject.config)
    loop = train(network, subject.config, secret, features(4), FitContext(0, "cpu"))
    assert all(np.isfinite(row["loss"]) for row in loop.history) and said and not any("secret" in sentence for sentence in said)


def test_a_loss_that_is_not_finite_stops_and_names_the_images(subject, discs, monkeypatch):
    monkeypatch.setattr(training, "dice_and_bce", lambda logits, mask: logits.sum() * float("nan"))
    images, network = prepare(discs(2), 64), training.MedSegR(subject.config)
    with pytest.raises(PrsbenchError, match=r"not finite.*skin_rgb/"):
        train(network, subject.config, images, features(2), FitContext(0, "cpu"))

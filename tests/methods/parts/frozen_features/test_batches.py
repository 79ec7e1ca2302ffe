import numpy as np
import torch
from prsbench.harness.contract.position import position_of, position_phrase
from prsbench.methods.parts.frozen_features.batches import sample_batch
from prsbench.methods.parts.frozen_features.lite_medsam import CHUNK, FeatureViews
from prsbench.methods.parts.training.augmentation import IDENTITY, View, prepare
from prsbench.methods.parts.training.config import NO_AUGMENTATION
from prsbench.methods.prs_med.config import PRSMedConfig

CONFIG = PRSMedConfig(image_size_px=64, augmentation=NO_AUGMENTATION)
MOVED = View(left_right=True, scale=1.1, x=0.1, y=-0.2)


def batch_in(view, images, config=CONFIG):
    features = FeatureViews([[view]] * len(images), torch.zeros(1, len(images), 8, 4, 4).half().split(CHUNK, dim=1))
    return sample_batch(images, features, range(len(images)), config, np.random.default_rng(0), "cpu")


def test_a_view_takes_its_own_features(discs):
    images = prepare(discs(3), 64)
    by_view = torch.stack([torch.zeros(3, 8, 4, 4), torch.ones(3, 8, 4, 4)]).half()
    features = FeatureViews([[IDENTITY, View(left_right=True)]] * 3, [by_view])
    rng = np.random.default_rng(0)
    for _ in range(20):
        batch = sample_batch(images, features, [0, 1, 2], CONFIG, rng, "cpu")
        for k, (image, _) in enumerate(images):
            mirrored = bool(batch.features_BCHW[k].mean())
            assert torch.equal(batch.mask_B1SS[k], (image.mask_1SS.flip(-1) if mirrored else image.mask_1SS).float())


def test_mask_layout_and_words_of_a_mirrored_image_are_mirrored(discs):
    images = prepare(discs(3), 64)
    plain, mirrored = batch_in(IDENTITY, images), batch_in(View(left_right=True), images)
    assert torch.equal(mirrored.mask_B1SS, plain.mask_B1SS.flip(-1))
    assert torch.equal(mirrored.layout_BNN, plain.layout_BNN.flip(-1))
    for before, after in zip(plain.answers, mirrored.answers, strict=True):
        assert ("left" in before) == ("right" in after)


def test_the_answer_about_a_moved_image_names_the_place_of_its_moved_mask(discs):
    images = prepare(discs(6), 64)
    moved = batch_in(MOVED, images)
    for k, answer in enumerate(moved.answers):
        assert f"{position_phrase(*position_of(images[k][1].mask_in(MOVED), 'skin_rgb'))}." in answer
        assert abs(moved.mask_B1SS[k, 0].mean() - images[k][1].mask_in(MOVED).mean()) < 0.02


def test_half_of_all_questions_lose_words(discs):
    images = prepare(discs(40), 64)
    drops = CONFIG.model_copy(update={"augmentation": NO_AUGMENTATION.model_copy(update={"word_dropout": 0.9})})
    whole = [question == "Where is the lesion?" for question in batch_in(IDENTITY, images, drops).questions]
    assert 10 < sum(whole) < 30

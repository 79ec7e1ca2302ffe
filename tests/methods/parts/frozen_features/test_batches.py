import numpy as np
import torch
from prsbench.methods.parts.frozen_features.batches import sample_batch
from prsbench.methods.parts.training.config import MirrorConfig
from prsbench.methods.parts.training.images import training_images
from prsbench.methods.prs_med.config import PRSMedConfig


def test_a_flipped_image_takes_its_flipped_features_mask_layout_and_words(discs):
    images = training_images(discs(3), 64)
    features = torch.stack([torch.zeros(3, 8, 4, 4), torch.ones(3, 8, 4, 4)])
    configs = [PRSMedConfig(augmentation=MirrorConfig(horizontal_flip=share)) for share in (0.0, 1.0)]
    plain, flipped = (sample_batch(images, features, [0, 1, 2], c, np.random.default_rng(0), "cpu") for c in configs)
    assert torch.all(plain.features_BCHW == 0) and torch.all(flipped.features_BCHW == 1)
    assert torch.equal(flipped.mask_B1SS, plain.mask_B1SS.flip(-1))
    assert torch.equal(flipped.layout_BNN, plain.layout_BNN.flip(-1))
    for before, after in zip(plain.answers, flipped.answers, strict=True):
        assert ("left" in before) == ("right" in after)

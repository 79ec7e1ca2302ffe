import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.training.config import AugmentationConfig
from prsbench.methods.supervised import training
from prsbench.methods.supervised.config import SupervisedConfig
from prsbench.methods.supervised.method import SupervisedMethod
from prsbench.methods.supervised.training import augmented, segmentation_loss, train
from torch import nn

CONFIG = SupervisedConfig(network="nnunet", base_features=8, image_size_px=32, epochs=24, batch_size=4, warmup_steps=2)


def test_a_network_learns_bright_discs(discs):
    method = SupervisedMethod(CONFIG)
    method.fit(discs(16), (), FitContext(0, "cpu"))
    unseen = discs(6, start=50)
    found = [p.probability >= 0.5 for p in method.predict([s.query for s in unseen])]
    dice = [2 * (f & s.truth.mask).sum() / (f.sum() + s.truth.mask.sum()) for f, s in zip(found, unseen, strict=True)]
    assert np.mean(dice) > 0.7


def test_a_flip_turns_image_and_mask_alike_and_jitter_moves_the_image_alone():
    image = torch.randint(0, 255, (5, 3, 8, 8), dtype=torch.uint8)
    mask = image[:, :1] > 128
    still = AugmentationConfig(horizontal_flip=1.0)
    flipped, flipped_mask = augmented(image, mask, still, np.random.default_rng(0))
    assert torch.allclose(flipped, image.flip(-1) / 255, atol=1e-5)
    assert torch.equal(flipped_mask, mask.flip(-1).float())
    jittered, same_mask = augmented(image, mask, AugmentationConfig(intensity_jitter=0.5), np.random.default_rng(0))
    assert torch.equal(same_mask, mask.float()) and not torch.allclose(jittered, image / 255, atol=0.05)
    assert jittered.min() >= 0 and jittered.max() <= 1


def test_the_loss_over_resolutions_is_the_weighted_sum_of_their_losses():
    torch.manual_seed(0)
    logits, mask = torch.randn(2, 2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    by_hand = 2 / 3 * segmentation_loss(logits[:, 0], mask) + 1 / 3 * segmentation_loss(logits[:, 1], mask)
    assert torch.allclose(segmentation_loss(logits, mask), by_hand)


def test_a_loss_that_is_not_finite_stops_and_names_the_images(discs, monkeypatch):
    monkeypatch.setattr(training, "segmentation_loss", lambda logits, mask: logits.sum() * float("nan"))
    with pytest.raises(PrsbenchError, match=r"not finite.*skin_rgb/"):
        train(nn.Conv2d(3, 1, 1), CONFIG, discs(4), FitContext(0, "cpu"))

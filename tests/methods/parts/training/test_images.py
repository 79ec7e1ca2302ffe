from dataclasses import replace

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import DataError
from prsbench.methods.parts.training.augmentation import jitter_intensity
from prsbench.methods.parts.training.images import training_images
from prsbench.methods.parts.training.schedule import cosine


def test_an_image_asked_about_twice_is_prepared_once_with_both_pairs(discs):
    samples = discs(3)
    images = training_images([*samples, *samples], 32)
    assert [one.image_id for one in images] == [f"skin_rgb/{n}" for n in range(3)]
    assert (images[0].image_3SS.shape, images[0].image_3SS.dtype) == ((3, 32, 32), torch.uint8)
    assert (images[0].mask_1SS.shape, images[0].mask_1SS.dtype) == ((1, 32, 32), torch.bool)
    assert images[1].pairs == ((samples[1].query.question, samples[1].truth.answer),) * 2


def test_a_lesion_too_small_for_the_networks_size_is_every_pixel_it_touches(discs):
    (sample,) = discs(1)
    mask = np.zeros((1024, 1024), bool)
    mask[100:102, 903:905] = True
    tiny = replace(
        sample, truth=replace(sample.truth, mask=mask), query=replace(sample.query, image=np.zeros((1024, 1024, 3), np.uint8))
    )
    (image,) = training_images([tiny], 128)
    assert image.mask_1SS.nonzero().tolist() == [[0, 12, 112], [0, 12, 113]]


def test_no_sample_is_an_error():
    with pytest.raises(DataError, match="training split is empty"):
        training_images([], 32)


def test_the_rate_rises_to_its_full_value_and_falls_to_its_floor():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = cosine(optimizer, steps=20, warmup_steps=4, floor=0.1)
    rates = []
    for _ in range(21):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0]) and max(rates) == 2.0
    assert rates[12] == pytest.approx(0.55 * 2.0) and rates[20] == pytest.approx(0.2)


def test_jitter_is_gamma_then_contrast_about_the_mean_then_brightness():
    image = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    gamma, contrast, brightness = np.random.default_rng(3).uniform(-0.3, 0.3, (3, 2))
    got = jitter_intensity(image, 0.3, np.random.default_rng(3))
    for n, one in enumerate(image.numpy()):
        expected = (one ** (1 + gamma[n]) - one.mean()) * (1 + contrast[n]) + one.mean() + brightness[n] / 2
        assert np.allclose(got[n], expected.clip(0, 1))
    assert torch.allclose(jitter_intensity(image, 0.0, np.random.default_rng(3)), image)

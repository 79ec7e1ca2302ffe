"""What rows of one process share of an image: made once, told apart by whatever could change it, forgotten in time."""

import numpy as np
import pytest
from prsbench.methods import feature_cache
from prsbench.methods.feature_cache import cached_features, fresh_features


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(feature_cache, "_cache", type(feature_cache._cache)())


@pytest.fixture
def make():
    """Gives each image's shape; `make.seen` counts the images it was called with, call by call."""

    def make(images):
        make.seen.append(len(images))
        return [image.shape for image in images]

    make.seen = []
    return make


def grey(level, shape=(4, 4, 3)):
    return np.full(shape, level, np.uint8)


def test_an_image_is_made_once_and_every_row_is_told_its_seconds(make):
    first = cached_features("net", [grey(0), grey(1), grey(0)], make, "cpu")
    again = cached_features("net", [grey(1), grey(2)], make, "cpu")
    assert make.seen == [2, 1] and [one.features for one in first] == [(4, 4, 3)] * 3
    assert again[0] is first[1] and first[0] is first[2] and first[0].seconds > 0


def test_another_network_or_device_or_the_same_pixels_in_another_shape_are_made_anew(make):
    pixels = np.zeros((4, 9, 3), np.uint8)
    for encoder, image in (("net", pixels), ("net", pixels.reshape(6, 6, 3)), ("other", pixels)):
        assert cached_features(encoder, [image], make, "cpu")[0].features == image.shape
    cached_features("net", [pixels], make, "meta")
    assert make.seen == [1] * 4


def test_no_more_than_24_images_are_cached_those_used_last_and_a_larger_batch_is_complete(make):
    cached_features("net", [grey(level) for level in range(24)], make, "cpu")
    cached_features("net", [grey(0)], make, "cpu")
    cached_features("net", [grey(100)], make, "cpu")
    assert len(feature_cache._cache) == 24
    cached_features("net", [grey(0), grey(1)], make, "cpu")  # 1 was used longest ago
    assert make.seen == [24, 1, 1]
    assert len(cached_features("net", [grey(level) for level in range(200, 240)], make, "cpu")) == 40


def test_a_measurement_starts_with_an_empty_cache_and_restores_it(make):
    kept = cached_features("net", [grey(0)], make, "cpu")
    with fresh_features():
        assert cached_features("net", [grey(0)], make, "cpu")[0] is not kept[0]
    assert cached_features("net", [grey(0)], make, "cpu")[0] is kept[0] and make.seen == [1, 1]

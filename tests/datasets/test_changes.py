"""Corruptions: pure, of the same strength at every size, and never over the lesion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prsbench.datasets.changes import SEVERITIES, corruptions_named
from prsbench.harness.contract.errors import ConfigError

KINDS = ("blur", "noise", "contrast", "jpeg", "occlusion")
ALL = corruptions_named(KINDS)


def scene(height=96, width=128, grey=True):
    """Waves of several lengths with a lit rectangle, which is the mask."""
    rows, cols = np.mgrid[:height, :width] / min(height, width)
    levels = 110 + 50 * np.sin(12 * rows) * np.cos(17 * cols) + 20 * np.sin(70 * cols)
    mask = (np.abs(rows - 0.4) < 0.12) & (np.abs(cols - 0.5) < 0.15)
    image = np.repeat((levels + 30 * mask)[..., None], 3, axis=2)
    return (image if grey else image * (1, 0.8, 0.6)).astype(np.uint8), mask


def error(corruption, *picture):
    image, mask = picture
    return float(np.abs(corruption(image, mask)[0].astype(float) - image).mean())


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: c.name)
def test_the_same_picture_is_corrupted_the_same_way_and_nothing_is_written_into(corruption):
    image, mask = scene(grey=False)
    before = image.copy(), mask.copy()
    first, kept = corruption(image, mask)
    again, _ = corruption(image.copy(), mask)
    assert (first == again).all() and (first != image).any() and first.dtype == np.uint8 and first.shape == image.shape
    assert (image == before[0]).all() and (kept == before[1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_severity_changes_the_picture_more(kind):
    errors = [error(corruption, *scene()) for corruption in corruptions_named([kind])]
    assert errors == sorted(errors) and errors[-1] > 1.5 * errors[0]


@pytest.mark.parametrize("kind", ["blur", "noise", "contrast"])
def test_the_amount_does_not_depend_on_the_size_of_the_picture(kind):
    small, large = scene(256, 320), scene(768, 960)
    for corruption in corruptions_named([kind]):
        assert error(corruption, *large) == pytest.approx(error(corruption, *small), rel=0.15)


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: c.name)
def test_a_grey_picture_stays_grey(corruption):
    assert (np.ptp(corruption(*scene())[0], axis=2) == 0).all()


def test_noise_has_the_stated_deviation():
    flat = np.full((200, 300, 3), 128, np.uint8)
    for corruption in corruptions_named(["noise"]):
        noisy = corruption(flat, flat[..., 0] > 200)[0]
        assert noisy.std() == pytest.approx(255 * corruption.amount, rel=0.05) and abs(noisy.mean() - 128) < 2


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.integers(0, 99))
def test_no_square_covers_a_pixel_of_the_mask_whatever_its_shape(height, width, share, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < share**3
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for corruption in corruptions_named(["occlusion"]):
        hidden, _ = corruption(image, mask)
        assert (hidden[mask] == image[mask]).all()


def test_squares_hide_the_stated_area_where_there_is_room_and_nothing_where_there_is_none():
    image, _ = scene(200, 200)
    nowhere, everywhere = np.zeros((200, 200), bool), np.ones((200, 200), bool)
    for corruption in corruptions_named(["occlusion"]):
        assert 0 < (corruption(image, nowhere)[0] != image).any(axis=2).mean() <= 4 * corruption.amount**2 + 1e-9
        assert (corruption(image, everywhere)[0] == image).all()


def test_a_kind_stands_for_its_severities_and_none_is_named_twice():
    names = [corruption.name for corruption in corruptions_named(["blur", "jpeg2", "blur1"])]
    assert names == ["blur1", "blur2", "blur3", "jpeg2"]
    assert len(ALL) == len(KINDS) * len(SEVERITIES)
    with pytest.raises(ConfigError, match="Did you mean 'contrast'"):
        corruptions_named(["contrasts"])

"""Fixtures that write small archives by hand."""

from __future__ import annotations

import pytest


@pytest.fixture
def put(tmp_path, pictures):
    """put(path, mask=..., mode=...) saves a picture, or a mask, below tmp_path and returns the path."""

    def save(path: str, mask=None, mode=None, seed=0):
        return pictures.file(tmp_path / path, pictures.image(seed) if mask is None else mask, mode)

    return save


@pytest.fixture
def loaded():
    """Items as {stem: (group, image, mask)}."""
    return lambda items: {item.stem: (item.group, *item.load()) for item in items}

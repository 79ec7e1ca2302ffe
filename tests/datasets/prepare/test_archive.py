"""Finding the documented folder, and loading an image with its masks."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.archive import find_folder, paired
from prsbench.harness.contract.errors import DataError


@pytest.mark.parametrize("given", ["", "a", "a/b", "a/b/known"])
def test_the_folder_is_found_from_above_and_from_inside(tmp_path, given):
    (tmp_path / "a/b/known/inside").mkdir(parents=True)
    assert find_folder(tmp_path / given, "known/", lambda f: (f / "inside").is_dir()) == tmp_path / "a/b/known"


def test_the_error_names_what_was_expected_and_where(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}: expected known/<n>.png, found nothing like it"):
        find_folder(tmp_path, "known/<n>.png", lambda folder: False)
    with pytest.raises(DataError, match="nowhere: expected a folder, found none"):
        find_folder(tmp_path / "nowhere", "known/", lambda folder: True)


def test_masks_are_united(put, pictures):
    left, right = pictures.mask(), pictures.mask()[:, ::-1]
    item = paired("s", "g", put("i.png"), [put("m1.png", left), put("m2.png", right)])
    np.testing.assert_array_equal(item.load()[1], left | right)


def test_a_missing_mask_and_a_mask_of_another_size_are_named(put, pictures):
    with pytest.raises(DataError, match="i.png: expected a mask, found none"):
        paired("s", "g", put("i.png"), []).load()
    with pytest.raises(DataError, match="m.png: expected the size of its image"):
        paired("s", "g", put("i.png"), [put("m.png", pictures.mask((9, 9)))]).load()

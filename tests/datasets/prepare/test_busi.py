"""BUSI: several masks per scan, 1-bit files, and normals."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.busi import SOURCE
from prsbench.datasets.prepare.layout import find
from prsbench.harness.contract.errors import DataError


def test_two_lesions_are_united_and_case_1_takes_nothing_of_case_10(tmp_path, put, loaded, pictures):
    left, right = pictures.mask(), pictures.mask()[::-1, ::-1]
    put("Dataset_BUSI_with_GT/benign/benign (1).png", seed=1)
    put("Dataset_BUSI_with_GT/benign/benign (1)_mask.png", left, "1")
    put("Dataset_BUSI_with_GT/benign/benign (1)_mask_1.png", right, "1")
    put("Dataset_BUSI_with_GT/benign/benign (10).png", seed=10)
    put("Dataset_BUSI_with_GT/benign/benign (10)_mask.png", right, "1")
    items = loaded(find(SOURCE, tmp_path))
    assert set(items) == {"benign (1)", "benign (10)"}
    np.testing.assert_array_equal(items["benign (1)"][2], left | right)
    np.testing.assert_array_equal(items["benign (10)"][2], right)
    assert items["benign (10)"][0] == "benign (10)"


def test_a_normal_scan_is_included_with_an_empty_mask(tmp_path, put, loaded):
    put("malignant/malignant (3).png")
    put("malignant/malignant (3)_mask.png", np.ones((6, 8), bool), "1")
    put("normal/normal (3).png")
    put("normal/normal (3)_mask.png", np.zeros((6, 8, 3), np.uint8))
    items = loaded(find(SOURCE, tmp_path))
    assert not items["normal (3)"][2].any() and items["malignant (3)"][2].all()


def test_a_scan_without_mask_and_a_mask_without_scan_are_reported(tmp_path, put, pictures):
    put("benign/benign (1).png")
    put("benign/benign (2)_mask.png", pictures.mask())
    for item, message in zip(
        find(SOURCE, tmp_path), [r"\(1\).png: expected a mask", r"\(2\)_mask.png: expected its image"], strict=True
    ):
        with pytest.raises(DataError, match=message):
            item.load()


def test_classes_and_suffixes_of_any_spelling_are_taken(tmp_path, put, loaded, pictures):
    for folder, stem, suffix in (("Benign", "benign (1)", "PNG"), ("MALIGNANT", "malignant (1)", "jpg")):
        put(f"{folder}/{stem}.{suffix}")
        put(f"{folder}/{stem}_mask.png", pictures.mask())
    assert set(loaded(find(SOURCE, tmp_path))) == {"benign (1)", "malignant (1)"}

"""Pairs: same stems, any suffix, and the rule that names cases."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.pairs import find
from prsbench.harness.contract.errors import ConfigError, DataError


def groups(tmp_path, put, pictures, stems, rule=None):
    for stem in stems:
        put(f"images/{stem}.png")
        put(f"masks/{stem}.png", pictures.mask())
    return [item.group for item in find(tmp_path, rule)]


def test_suffixes_may_differ(tmp_path, put, loaded, pictures):
    put("unpacked/images/a.png", seed=4)
    put("unpacked/masks/a.bmp", pictures.mask())
    ((_, image, mask),) = loaded(find(tmp_path)).values()
    np.testing.assert_array_equal(image, pictures.image(4))
    np.testing.assert_array_equal(mask, pictures.mask())


def test_slices_and_frames_of_one_case_stay_together(tmp_path, put, pictures):
    stems = ["id001_z05", "id001_z20", "id002-frame004", "id003_slice3", "id003_Slice_14"]
    assert groups(tmp_path, put, pictures, stems) == ["id001", "id001", "id002", "id003", "id003"]


def test_a_stem_without_such_a_token_is_its_own_case(tmp_path, put, pictures):
    stems = ["0152", "CHNCXR_0006_0", "CHNCXR_0006_1", "z12"]
    assert groups(tmp_path, put, pictures, stems) == stems


def test_the_callers_rule_names_the_case(tmp_path, put, pictures):
    assert groups(tmp_path, put, pictures, ["2", "17", "114"], r"^(\d*?)\d{1,2}$") == ["1", "", ""]


@pytest.mark.parametrize(("rule", "error"), [("(", ConfigError), (r"\d+", ConfigError), ("(x+)", DataError)])
def test_a_rule_that_names_no_case_is_refused(tmp_path, put, pictures, rule, error):
    with pytest.raises(error, match="expected a"):
        groups(tmp_path, put, pictures, ["12"], rule)


def test_an_image_without_mask_and_a_mask_without_image_are_reported(tmp_path, put, pictures):
    put("images/a.png")
    put("masks/b.png", pictures.mask())
    for item, message in zip(find(tmp_path), ["a.png: expected a mask", "b.png: .* no such file"], strict=True):
        with pytest.raises(DataError, match=message):
            item.load()


def test_two_files_of_one_stem_are_refused(tmp_path, put, pictures):
    put("images/a.png")
    put("images/a.bmp")
    put("masks/a.png", pictures.mask())
    with pytest.raises(DataError, match="one file per stem, got a.bmp and a.png"):
        list(find(tmp_path))

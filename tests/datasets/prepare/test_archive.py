"""Finding the documented folder, and loading an image with its masks."""

from __future__ import annotations

import os
import unicodedata

import numpy as np
import pytest
from prsbench.datasets.prepare.archive import find_folder, find_folders, paired, pictures_of, subfolder
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


def test_hidden_folders_and_those_of_macos_are_never_looked_at(tmp_path):
    for name in ("__MACOSX/known/inside", ".hidden/known/inside", "zebra/known/inside"):
        (tmp_path / name).mkdir(parents=True)
    assert list(find_folders(tmp_path, "known/", lambda f: (f / "inside").is_dir())) == [tmp_path / "zebra/known"]


def test_pictures_are_found_by_suffix_in_any_spelling_and_nothing_else_is(tmp_path):
    for name in ("a.PNG", "b.TIFF", "c.Webp", "d.jpeg", "e.gif", "f.txt", "._a.png", ".g.png"):
        (tmp_path / name).write_bytes(b"x")
    assert list(pictures_of(tmp_path)) == ["a", "b", "c", "d"]
    assert pictures_of(tmp_path / "none") == {}


def test_a_folder_is_found_in_any_spelling_and_the_documented_one_first(tmp_path):
    (tmp_path / "Benign").mkdir()
    assert subfolder(tmp_path, "benign") == tmp_path / "Benign"
    (tmp_path / "benign").mkdir()
    assert subfolder(tmp_path, "benign") == tmp_path / "benign"
    assert subfolder(tmp_path, "normal") == tmp_path / "normal"


def test_two_names_that_look_alike_are_one_stem_and_shown_by_their_codes(tmp_path):
    for form in ("NFC", "NFD"):
        (tmp_path / (unicodedata.normalize(form, "M\u00fcller") + ".png")).write_bytes(b"x")
    with pytest.raises(DataError, match=r"one file per stem, got 'Mu\\u0308ller.png' and 'M\\xfcller.png'"):
        pictures_of(tmp_path)


def test_a_name_that_is_not_in_utf_8_is_one_sentence_that_can_be_printed(tmp_path):
    (tmp_path / os.fsdecode(b"M\xfcller.png")).write_bytes(b"x")
    with pytest.raises(DataError, match=r"expected file names in UTF-8, got b'M\\xfcller.png'") as caught:
        pictures_of(tmp_path)
    str(caught.value).encode()

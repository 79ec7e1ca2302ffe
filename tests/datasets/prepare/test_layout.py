"""Layouts: what a pattern means, and which files it takes."""

from __future__ import annotations

import os

import numpy as np
import pytest
from prsbench.datasets.prepare.layout import files_below, find, pattern_of
from prsbench.datasets.prepare.source import Layout, Source
from prsbench.harness.contract.errors import DataError


def source(*layouts, **facts):
    return Source("t", "skin_rgb", "image", layouts=layouts, **facts)


SIMPLE = source(Layout("pics/<stem>.png", ("truth/<stem>.png",)))


@pytest.mark.parametrize(
    ("pattern", "path", "names"),
    [
        ("a/<stem>.png", "x/a/b.PNG", {"stem": "b"}),
        ("a/<stem>.png", "x/A/b.jpeg", {"stem": "b"}),
        ("a/<stem>.png", "x/ba/b.png", None),
        ("a/<stem>.png", "x/a/c/b.png", None),
        ("a/<stem>.IMG", "a/b.img", {"stem": "b"}),
        ("a/<stem>.IMG", "a/b.png", None),
        (r"<stem:n\d{2}>.png", "n12.png", {"stem": "n12"}),
        (r"<stem:n\d{2}>.png", "xn12.png", None),
        ("{one,two}/<stem>.png", "Two/b.png", {"stem": "b"}),
        ("<stem>_x/<stem>.png", "b_x/b.png", {"stem": "b"}),
        ("<stem>_x/<stem>.png", "b_x/c.png", None),
        ("a.b/<stem>.png", "aXb/c.png", None),
    ],
)
def test_a_pattern_is_the_end_of_a_path(pattern, path, names):
    match = pattern_of(pattern).search(path)
    assert (match and match.groupdict()) == names


@pytest.mark.parametrize("given", ["", "deep/er", "deep/er/archive", "deep/er/archive/pics/.."])
def test_an_archive_is_found_however_deep_it_was_unpacked(tmp_path, put, loaded, pictures, given):
    put("deep/er/archive/pics/a.png", seed=3)
    put("deep/er/archive/truth/a.png", pictures.mask())
    np.testing.assert_array_equal(loaded(find(SIMPLE, tmp_path / given))["a"][1], pictures.image(3))


def test_the_given_folder_may_be_the_one_that_the_layout_names(tmp_path, put, pictures):
    put("x/case1/s.png")
    put("x/case1/s_mask.png", pictures.mask())
    (item,) = find(source(Layout("<case>/<stem>.png", ("<case>/<stem>_mask.png",))), tmp_path / "x/case1")
    assert (item.stem, item.group) == ("s", "case1")


def test_images_and_masks_may_be_unpacked_to_different_depths(tmp_path, put, loaded, pictures):
    put("pics/pics/a.png")
    put("b/c/truth/a.png", pictures.mask())
    assert set(loaded(find(SIMPLE, tmp_path))) == {"a"}


def test_of_two_copies_of_an_archive_the_highest_is_taken(tmp_path, put, loaded, pictures):
    for place, seed in (("zz", 1), ("copy/zz", 2)):
        put(f"{place}/pics/a.png", seed=seed)
        put(f"{place}/truth/a.png", pictures.mask(rows=seed))
    ((_, image, mask),) = loaded(find(SIMPLE, tmp_path)).values()
    np.testing.assert_array_equal(image, pictures.image(1))
    assert mask.sum() == 3


def test_every_pattern_of_masks_must_be_there_and_all_files_are_united(tmp_path, put, loaded, pictures):
    two = source(Layout("pics/<stem>.png", ("left/<stem>.png", "right/<stem>.png")))
    for stem in "ab":
        put(f"pics/{stem}.png")
        put(f"left/{stem}.png", pictures.mask())
    put("right/a.png", pictures.mask()[:, ::-1])
    whole, half = find(two, tmp_path)
    assert whole.load()[1].sum() == 12
    with pytest.raises(DataError, match="b.png: expected a mask, as in right/<stem>.png, found none"):
        half.load()


def test_images_without_a_mask_are_left_out_only_where_the_archive_has_such(tmp_path, put, loaded, pictures):
    for stem in "ab":
        put(f"pics/{stem}.png")
    put("truth/a.png", pictures.mask())
    assert len(list(find(SIMPLE, tmp_path))) == 2
    partly = source(Layout("pics/<stem>.png", ("truth/<stem>.png",), every_image_has_a_mask=False))
    assert set(loaded(find(partly, tmp_path))) == {"a"}


@pytest.mark.parametrize("folder", ["pics", "truth"])
def test_two_files_of_one_name_are_refused(tmp_path, put, pictures, folder):
    put("pics/a.png")
    put("truth/a.png", pictures.mask())
    put(f"{folder}/a.bmp", pictures.mask())
    with pytest.raises(DataError, match="expected one file for 'a', got also"):
        list(find(SIMPLE, tmp_path))


def test_splits_of_the_archive_are_kept_and_a_single_one_is_split_here(tmp_path, put, pictures):
    layout = source(Layout("x_<split:Training|Test>/<stem>.png", ("y_<split:Training|Test>/<stem>.png",)))
    for stem, split in (("a", "Training"), ("b", "Test")):
        put(f"x_{split}/{stem}.png")
        put(f"y_{split}/{stem}.png", pictures.mask())
    assert {item.stem: item.split for item in find(layout, tmp_path)} == {"a": "train", "b": "test"}
    for folder in ("x_Test", "y_Test"):
        (tmp_path / folder / "b.png").unlink()
    assert [item.split for item in find(layout, tmp_path)] == [None]


def test_the_first_layout_that_fits_is_taken(tmp_path, put, pictures):
    for folder in ("pics", "truth", "i", "m"):
        put(f"{folder}/{folder}.png", pictures.mask())
    put("m/i.png", pictures.mask())
    both = source(Layout("i/<stem>.png", ("m/<stem>.png",)), *SIMPLE.layouts)
    assert "i" in {item.stem for item in find(both, tmp_path)}
    assert "pics" not in {item.stem for item in find(both, tmp_path)}


def test_nothing_that_fits_is_one_sentence_with_the_layout(tmp_path, put):
    put("other/a.png")
    with pytest.raises(DataError, match="expected pics/<stem>.png and truth/<stem>.png, found nothing like it among 1 files"):
        list(find(SIMPLE, tmp_path))


def test_hidden_files_are_left_out_and_links_in_a_circle_end(tmp_path, put):
    for path in ("pics/._a.png", "__MACOSX/pics/a.png", ".hidden/pics/a.png", "pics/b.png"):
        put(path)
    (tmp_path / "pics/up").symlink_to(tmp_path)
    assert [path for path, _ in files_below(tmp_path)] == [f"{tmp_path.name}/pics/b.png"]


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path, put, monkeypatch):
    put("pics/a.png")
    scan = os.scandir

    def refusing(path):
        if str(path).endswith("pics"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match="pics: cannot be read .Permission denied.. Correct its permissions"):
        files_below(tmp_path)


def test_a_name_that_is_not_in_utf_8_is_refused_where_it_would_be_taken(tmp_path, put, pictures):
    put("pics/a.png")
    put("truth/a.png", pictures.mask())
    (tmp_path / os.fsdecode(b"M\xfcller.txt")).write_bytes(b"x")
    assert len(list(find(SIMPLE, tmp_path))) == 1
    (tmp_path / "pics" / os.fsdecode(b"M\xfcller.png")).write_bytes(b"x")
    with pytest.raises(DataError, match="expected file names in UTF-8"):
        list(find(SIMPLE, tmp_path))

"""Pairs: stems that match, the rule that names cases, and several folders."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from prsbench.datasets.pictures import Labels
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


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("CHNCXR_0001_0", "CHNCXR_0001_0_mask"),
        ("ISIC_0000001", "ISIC_0000001_segmentation"),
        ("ISIC_0000001", "ISIC_0000001_Segmentation"),
        ("a", "a_seg"),
        ("a", "a_label"),
        ("a", "a-gt"),
        ("a", "a GT"),
        ("a", "a_ground_truth"),
        ("a", "A_MASK"),
        ("image_7", "mask_7"),
        ("7_image", "7_mask"),
        ("IMG_7", "img_7"),
    ],
)
def test_what_marks_a_mask_in_its_name_is_understood(tmp_path, put, loaded, pictures, image, mask):
    put(f"images/{image}.jpg")
    put(f"masks/{mask}.png", pictures.mask())
    ((stem, (_, _, pixels)),) = loaded(find(tmp_path)).items()
    assert stem == image
    np.testing.assert_array_equal(pixels, pictures.mask())


def test_a_stem_that_ends_like_a_mask_on_both_sides_is_its_own(tmp_path, put, loaded, pictures):
    for stem, rows in (("a", 1), ("a_gt", 3)):
        put(f"images/{stem}.png")
        put(f"masks/{stem}.png", pictures.mask(rows=rows))
    items = loaded(find(tmp_path))
    assert [int(items[stem][2].sum()) for stem in ("a", "a_gt")] == [3, 9]


def test_two_masks_of_one_image_are_refused_by_both_names(tmp_path, put, pictures):
    put("images/a.png")
    put("masks/a.png", pictures.mask())
    put("masks/a_mask.png", pictures.mask())
    with pytest.raises(DataError, match="expected one mask of a.png, got a.png and a_mask.png"):
        list(find(tmp_path))


def test_a_mask_that_could_belong_to_two_images_belongs_to_neither(tmp_path, put, pictures):
    put("images/a_image.png")
    put("images/A.png")
    put("masks/a_mask.png", pictures.mask())
    problems = 0
    for item in find(tmp_path):
        with pytest.raises(DataError):
            item.load()
        problems += 1
    assert problems == 3


def test_names_are_compared_in_composed_unicode(tmp_path, put, loaded, pictures):
    name = "M\u00fcller_1"
    put(f"images/{unicodedata.normalize('NFD', name)}.png")
    put(f"masks/{unicodedata.normalize('NFC', name)}.png", pictures.mask())
    assert list(loaded(find(tmp_path))) == [name]


def put_pair(put, pictures, folder, stem, seed=0):
    put(f"{folder}/images/{stem}.png", seed=seed)
    put(f"{folder}/masks/{stem}.png", pictures.mask())


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "Validation", "Test_Data"), ("isic-train", "isic_valid", "isic test")]
)
def test_folders_named_train_val_and_test_are_taken_with_their_splits(tmp_path, put, pictures, names):
    for number, name in enumerate(names):
        put_pair(put, pictures, name, f"p{number}")
    assert {item.stem: (item.split, item.group) for item in find(tmp_path)} == {
        "p0": ("train", "p0"), "p1": ("val", "p1"), "p2": ("test", "p2"),
    }  # fmt: skip


def test_folders_that_each_count_from_one_get_their_split_in_stem_and_case(tmp_path, put, pictures):
    for name in ("train", "test"):
        put_pair(put, pictures, name, "001_z1")
    assert {(item.stem, item.group, item.split) for item in find(tmp_path)} == {
        ("train-001_z1", "train-001", "train"),
        ("test-001_z1", "test-001", "test"),
    }


def test_splits_below_images_and_masks_are_taken_too(tmp_path, put, pictures):
    for split in ("train", "test"):
        put(f"Images/{split}/{split}1.png")
        put(f"Masks/{split}/{split}1.png", pictures.mask())
    assert {(item.stem, item.split) for item in find(tmp_path)} == {("train1", "train"), ("test1", "test")}


@pytest.mark.parametrize("names", [("CVC-300", "Kvasir"), ("train", "other"), ("a/train", "b/train"), ("train", "latest")])
def test_other_folders_are_refused_with_their_list(tmp_path, put, pictures, names):
    for name in names:
        put_pair(put, pictures, name, "a")
    with pytest.raises(DataError, match="got 2: .*") as caught:
        list(find(tmp_path))
    assert all(name in str(caught.value) for name in names)


def test_one_folder_is_split_here_whatever_its_name(tmp_path, put, pictures):
    put_pair(put, pictures, "train", "a")
    assert [item.split for item in find(tmp_path)] == [None]


def test_a_stated_suffix_of_masks_is_understood_and_no_other(tmp_path, put, loaded, pictures):
    put("images/a.png")
    put("masks/a_m.png", pictures.mask())
    assert list(loaded(find(tmp_path, mask_suffix="_m"))) == ["a"]
    (item, _) = find(tmp_path)
    with pytest.raises(DataError):
        item.load()


def test_label_masks_are_read_by_their_stated_meaning(tmp_path, put, loaded):
    put("images/a.png", np.zeros((9, 16, 3), np.uint8))
    put("masks/a.png", np.tile(np.repeat(np.array([0, 1, 2, 255], np.uint8), 4), (9, 1)))
    (item,) = find(tmp_path)
    with pytest.raises(DataError, match="several grey levels"):
        item.load()
    ((_, _, mask),) = loaded(find(tmp_path, labels=Labels(("1", "2"), ("255",)))).values()
    assert mask[0].tolist() == [False] * 4 + [True] * 8 + [False] * 4


@pytest.mark.parametrize(("suffix", "mask_suffix"), [("_mask", None), ("-seg", None), ("_m", "_m")])
def test_images_and_marked_masks_may_lie_in_one_folder(tmp_path, put, loaded, pictures, suffix, mask_suffix):
    for stem, rows in (("p1_z1", 1), ("p1_z2", 2)):
        put(f"data/{stem}.jpg")
        put(f"data/{stem}{suffix}.png", pictures.mask(rows=rows))
    put("data/p2_z1.jpg")
    *whole, lonely = find(tmp_path, mask_suffix=mask_suffix)
    assert [(item.stem, item.group, int(item.load()[1].sum())) for item in whole] == [("p1_z1", "p1", 3), ("p1_z2", "p1", 6)]
    with pytest.raises(DataError, match="p2_z1.jpg: expected a mask, found none"):
        lonely.load()

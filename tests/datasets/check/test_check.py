"""Planted faults are found, by name; a clean set has none; the list of exclusions keeps the test split."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.check.check import check_root, write_excluded
from prsbench.datasets.check.findings import CHECKS
from prsbench.datasets.selection import read_excluded


def found(checked):
    return {(finding.check, frozenset(checked.pictures[n].mask.split("/")[-1][:-4] for n in finding.pictures))
            for finding in checked.findings}  # fmt: skip


def test_a_clean_data_set_has_no_finding(planted):
    checked = planted.check()
    assert found(checked) == set() and len(checked.pictures) == 8
    assert "No problem found" in str(checked)


def test_the_same_picture_in_train_and_test_is_a_problem_and_the_training_one_is_excluded(planted, tmp_path):
    planted.pictures["test", "copy"] = planted.pictures["train", "b"]
    checked = planted.check()
    assert found(checked) == {("same_across", frozenset({"b", "copy"}))}
    assert write_excluded(checked, tmp_path / "out.txt") == 1
    assert read_excluded(tmp_path / "out.txt") == ("skin_rgbimage/train_masks/b.png",)


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (np.fliplr, "mirrored"),
        (np.flipud, "upside down"),
        (lambda pixels: np.rot90(pixels), "turned by 90°"),
        (lambda pixels: np.ascontiguousarray(pixels[8:100, 20:140]), "cropped"),
        (lambda pixels: pixels if pixels.dtype == bool else (pixels * 0.8 + 20).astype(np.uint8), "saved again"),
    ],
)
def test_a_picture_that_was_turned_cropped_or_changed_is_found_in_another_split(planted, change, how):
    image, mask = planted.pictures["train", "c"]
    planted.pictures["test", "z"] = np.ascontiguousarray(change(image)), np.ascontiguousarray(change(mask))
    planted.answers["z"] = "I see a lesion"
    checked = planted.check()
    (finding,) = [finding for finding in checked.findings if finding.check == "alike_across"]
    assert {checked.pictures[n].mask[-5] for n in finding.pictures} == {"c", "z"}
    assert how in finding.sentence and [checked.pictures[n].split for n in finding.excluded] == ["train"]


def test_one_patient_by_name_in_two_splits_is_a_problem(planted):
    for split, stem in (("train", "patient07_slice3"), ("test", "patient07_slice9")):
        planted.pictures[split, stem] = planted.pictures.pop((split, "a" if split == "train" else "g"))
    assert found(planted.check()) == {("case", frozenset({"patient07_slice3", "patient07_slice9"}))}


def test_swapped_masks_contradict_the_answers(planted):
    one, other = planted.pictures["train", "a"], planted.pictures["train", "b"]
    planted.write()
    planted.answers |= {"a": "It is top left and far from the center", "b": "It is top right and far from the center"}
    planted.pictures["train", "a"], planted.pictures["train", "b"] = (one[0], other[1]), (other[0], one[1])
    assert found(planted.check()) == {("place", frozenset("a")), ("place", frozenset("b"))}


def test_a_mask_in_place_of_the_image_a_broken_file_and_odd_masks_are_found(planted):
    mask = planted.pictures["train", "a"][1]
    planted.pictures["train", "a"] = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 250, mask
    speck = np.zeros_like(mask)
    speck[10, 10] = True
    planted.pictures["train", "b"] = planted.pictures["train", "b"][0], speck
    planted.pictures["train", "c"] = planted.pictures["train", "c"][0], np.zeros_like(mask)
    planted.answers |= {"b": "a lesion", "c": "no lesion"}
    image = planted.write() / "skin_rgbimage" / "test_images" / "h.png"
    image.write_bytes(image.read_bytes()[:3000])
    checked = check_root(planted.root)
    assert found(checked) == {("copy", frozenset("a")), ("tiny", frozenset("b")), ("empty", frozenset("c")),
                              ("unreadable", frozenset("h"))}  # fmt: skip


def test_the_same_picture_with_two_masks_is_a_problem(planted):
    planted.pictures["train", "again"] = planted.pictures["train", "a"][0], planted.pictures["train", "b"][1]
    assert {name for name, _ in found(planted.check())} == {"same", "truths", "same_mask"}


def test_findings_do_not_depend_on_the_number_of_processes(planted):
    planted.pictures["test", "copy"] = planted.pictures["train", "b"]
    planted.pictures["val", "flip"] = tuple(np.ascontiguousarray(np.fliplr(one)) for one in planted.pictures["train", "d"])
    planted.write()
    assert check_root(planted.root, processes=2).findings == check_root(planted.root).findings


def test_a_prepared_set_is_compared_with_its_card(root, edit_table):
    last = lambda rows: [row for row in rows if row["image_name"] != rows[-1]["image_name"]]  # noqa: E731
    edit_table(root / "brain_tumors_ct_scan.csv", last)
    checked = check_root(root)
    assert [finding.check for finding in checked.findings if finding.check == "count"] == ["count"]


def test_every_kind_of_finding_has_a_title():
    assert all(check.title for check in CHECKS.values())

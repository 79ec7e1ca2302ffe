"""The reader: official rules, lazy samples, and all faults listed in one error."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prsbench.datasets import official_reader
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.official_writer import write_modality
from prsbench.datasets.questions import target_of
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.position import position_of, zone_of_centroid
from prsbench.harness.contract.types import DataKind

TABLE = "brain_tumors_ct_scan.csv"


def first_mask(root: Path) -> Path:
    return sorted(root.rglob("*_masks/*.png"))[0]


def problems(root: Path) -> str:
    def check_all():
        for dataset in open_root(root):
            dataset.check()

    with pytest.raises(DataError) as caught:
        check_all()
    return str(caught.value)


def test_a_root_named_like_a_mask_folder_is_not_rewritten(tmp_path, make_items):
    root = tmp_path / "train_masks" / "ISIC"
    write_modality(root, "lung_ct", target_of("lung_ct"), "a", DataKind.REAL, make_items(6), 0)
    (dataset,) = open_root(root)
    dataset.check()


def test_an_official_release_without_card_or_groups_is_read_and_undeclared(tmp_path, pictures):
    folder = tmp_path / "skin_rgbimage"
    pictures.file(folder / "train_images/ISIC_1.jpg", pictures.image(1))
    pictures.file(folder / "train_masks/ISIC_1_Segmentation.png", pictures.mask())
    pictures.file(folder / "test_images/IMD3_Segmentation.png", pictures.image(3))
    pictures.file(folder / "test_masks/IMD3_Segmentation.png", pictures.mask())
    rows = [
        "image_path,image_name,split,question,position,answer",
        r"skin_rgbimage\train_masks\ISIC_1_Segmentation.png,ISIC_1_Segmentation.png,train,Where?,top left,There.",
        r"skin_rgbimage\train_masks\ISIC_1_Segmentation.png,ISIC_1_Segmentation.png,train,Where now?,top left,Here.",
        "skin_rgbimage/test_masks/IMD3_Segmentation.png,IMD3_Segmentation.png,Test,Where?,bottom right,There.",
    ]
    (tmp_path / "skin_rgbimage.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (dataset,) = open_root(tmp_path)
    dataset.check()
    assert (dataset.modality, dataset.data_kind, dataset.splits) == ("skin_rgb", DataKind.UNDECLARED, ("train", "test"))
    assert [sample.sample_id for sample in dataset.samples("train")] == [f"skin_rgb/ISIC_1_Segmentation#{k}" for k in (0, 1)]
    assert dataset.samples("train")[0].group == "skin_rgbimage/train_masks/ISIC_1_Segmentation.png"
    np.testing.assert_array_equal(dataset.samples("test")[0].query.image, pictures.image(3))


def test_the_truth_is_computed_from_the_mask_and_never_read_from_the_table(root, edit_table):
    edit_table(root / TABLE, lambda rows: [row.update(position="bottom right", near_centre="maybe") for row in rows] and None)
    (dataset,) = open_root(root)
    for sample in dataset.samples("train"):
        assert (sample.truth.position, sample.truth.near_centre) == position_of(sample.truth.mask, "brain_mri")
        assert sample.truth.position_of_centroid == zone_of_centroid(sample.truth.mask)
        assert sample.truth.position != ("bottom right",)


def test_samples_are_lazy_sliceable_and_can_be_sent_to_a_worker(root):
    (dataset,) = open_root(root)
    samples = pickle.loads(pickle.dumps(dataset)).samples("train")
    shutil.rmtree(root / "brain_tumors_ct_scan" / "test_images")
    assert len(samples[1:4]) == 3 and samples[1:4][0].sample_id == samples[1].sample_id
    assert (samples[0].query.image.dtype, samples[0].truth.mask.dtype) == (np.uint8, np.bool_)
    assert [sample.split for sample in samples] == ["train"] * len(samples)


def test_tables_one_folder_down_are_found(root):
    (dataset,) = open_root(root.parent)
    dataset.check()
    shutil.move(root / TABLE, root / "brain_tumors_ct_scan" / "rows.csv")
    (inside,) = open_root(root)
    inside.check()
    assert inside.manifest("test") == dataset.manifest("test")
    assert inside.data_kind == DataKind.REAL


def test_the_data_sets_of_a_root_come_in_the_order_of_the_modalities(tmp_path, make_items):
    for modality in reversed(MODALITIES):
        write_modality(tmp_path, modality, target_of(modality), "a", DataKind.SYNTHETIC, make_items(4), 0)
    assert [dataset.modality for dataset in open_root(tmp_path)] == list(MODALITIES)


def test_the_manifest_sees_pixels_words_and_groups(root, edit_table):
    def manifest():
        return tuple(open_root(root)[0].manifest("train"))

    def append(column):
        edit_table(root / TABLE, lambda rows: [row.update({column: row[column] + "x"}) for row in rows] and None)
        return manifest()

    seen = [manifest(), append("group"), append("question"), append("answer")]
    Image.new("RGB", (8, 6)).save(sorted(root.rglob("train_images/*.png"))[0])
    seen.append(manifest())
    Image.new("L", (8, 6)).save(sorted(root.rglob("train_masks/*.png"))[0])
    assert len({*seen, manifest()}) == 6


@pytest.mark.parametrize("column", ["image_path", "image_name", "split", "question", "answer"])
def test_a_table_without_a_required_column_is_refused_by_name(root, edit_table, column):
    edit_table(root / TABLE, lambda rows: [{key: row[key] for key in row if key != column} for row in rows])
    text = problems(root)
    assert TABLE in text and f"missing {column}" in text and "found" in text and "position" in text


def test_a_table_without_rows_and_a_root_without_tables_are_refused(root, tmp_path):
    (root / TABLE).write_text("image_path,image_name,split,question,answer\n")
    assert "got only a header" in problems(root)
    (tmp_path / "none").mkdir()
    assert "found no CSV" in problems(tmp_path / "none")


def test_a_table_in_another_encoding_is_refused(root):
    (root / TABLE).write_bytes("image_path,image_name,split,question,answer\nä\n".encode("latin-1"))
    assert "expected a CSV in UTF-8" in problems(root)


def test_a_missing_image_and_a_missing_mask_are_named_with_what_was_tried(root):
    masks = sorted(root.rglob("*_masks/*.png"))
    masks[0].unlink()
    image = Path(str(masks[-1]).replace("_masks", "_images"))
    image.unlink()
    text = problems(root)
    assert "2 problems" in text and f"{masks[0]}: expected a mask" in text
    assert f"{masks[-1]}: expected its image" in text and f"tried {image}" in text


def test_an_unreadable_picture_a_foreign_size_and_a_01_mask_are_listed_together(root):
    masks = sorted(root.rglob("*_masks/*.png"))
    masks[0].write_bytes(b"rubbish")
    Image.new("L", (5, 5)).save(masks[1])
    Image.fromarray((np.asarray(Image.open(masks[2])) > 0).astype(np.uint8)).save(masks[2])
    text = problems(root)
    assert "3 problems" in text
    assert f"{masks[0]}: expected a readable picture" in text
    assert f"{masks[1]}: expected the size of its image" in text and "got 5 x 5" in text
    assert f"{masks[2]}: expected a mask of values 0 and 255, got 0 and 1" in text and "Multiply by 255" in text


def test_an_unknown_split_is_refused_before_any_sample_is_handed_out(root, edit_table):
    edit_table(root / TABLE, lambda rows: rows[0].update(split="training"))
    assert "split 'training' in 1 rows: expected train, val or test" in problems(root)
    with pytest.raises(DataError, match="split 'training'"):
        open_root(root)[0].samples("train")


def test_an_empty_answer_is_refused(root, edit_table):
    edit_table(root / TABLE, lambda rows: rows[-1].update(answer=" "))
    assert "#0': expected a text in column answer, got an empty cell" in problems(root)


def test_a_group_in_two_splits_is_a_leak(root, edit_table):
    edit_table(root / TABLE, lambda rows: [row.update(group="patient1") for row in rows] and None)
    assert "group 'patient1': expected one split, got test, train, val, a leak" in problems(root)


def test_images_of_one_name_in_two_splits_are_two_samples_and_no_leak(root, edit_table):
    def rename(rows):
        for row in rows:
            row["image_name"] = "55.png"
            del row["group"]

    edit_table(root / TABLE, rename)
    (dataset,) = open_root(root)
    dataset.check()
    ids = [row.sample_id for split in dataset.splits for row in dataset.manifest(split)]
    assert len(set(ids)) == len(ids) and "brain_mri/55#0" in ids


def test_without_groups_a_mask_listed_in_two_splits_is_a_leak(root, edit_table):
    def relist(rows):
        for row in rows:
            del row["group"]
        return [*rows, {**next(row for row in rows if row["split"] == "train"), "split": "test"}]

    edit_table(root / TABLE, relist)
    assert "expected one split, got test, train, a leak" in problems(root)


def test_a_mask_path_outside_a_mask_folder_is_refused(root, edit_table):
    def misdirect(rows):
        for row in rows:
            row["image_path"] = row["image_path"].replace("_masks", "_images")

    edit_table(root / TABLE, misdirect)
    assert "so that the mask is never read as the image" in problems(root)


def test_a_mask_copied_over_its_image_is_refused(root):
    mask = first_mask(root)
    shutil.copy(mask, str(mask).replace("_masks", "_images"))
    assert "got a copy of its mask" in problems(root)


def test_a_row_of_no_known_modality_is_refused(root, edit_table):
    edit_table(root / TABLE, lambda rows: rows[0].update(image_path="teeth/train_masks/1.png"))
    assert "got 'teeth/train_masks/1.png'" in problems(root)


def test_a_faulty_modality_leaves_the_others_usable(root, make_items):
    write_modality(root, "skin_rgb", target_of("skin_rgb"), "a", DataKind.REAL, make_items(6), 0)
    first_mask(root / "brain_tumors_ct_scan").unlink()
    brain, skin = open_root(root)
    skin.check()
    assert len(skin.samples("test")) > 0
    with pytest.raises(DataError, match="brain_tumors_ct_scan"):
        brain.samples("train")


def test_the_size_of_a_pixel_reaches_the_truth_and_changes_the_manifest(root, edit_table):
    before = open_root(root)[0].manifest("test")
    edit_table(root / TABLE, lambda rows: [row | {"spacing_mm": "0.7 0.65" if row["split"] == "test" else ""} for row in rows])
    (dataset,) = open_root(root)
    dataset.check()
    assert {sample.truth.spacing_mm for sample in dataset.samples("test")} == {(0.7, 0.65)}
    assert {sample.truth.spacing_mm for sample in dataset.samples("train")} == {None}
    assert dataset.manifest("test") != before and {row.spacing_mm for row in before} == {None}


@pytest.mark.parametrize("given", ["0.7", "0.7 0", "-1 1", "0.7 mm", "inf 1", "nan 1", "1 1 1"])
def test_a_size_of_a_pixel_that_is_none_is_named(root, edit_table, given):
    edit_table(root / TABLE, lambda rows: [row | {"spacing_mm": given if row is rows[0] else ""} for row in rows])
    with pytest.raises(DataError, match=f"column spacing_mm, as in '0.7 0.65', got '{given}'"):
        open_root(root)[0].check()


def test_the_same_picture_in_two_splits_is_named_whatever_its_format(root, pictures):
    first, second = sorted(root.rglob("train_images/*.png"))[:2]
    test = sorted(root.rglob("test_images/*.png"))[0]
    shutil.copy(second, first)  # in one split: no leak
    (dataset,) = open_root(root)
    assert dataset.check() == []
    with Image.open(first) as picture:
        picture.save(test, compress_level=0)
    assert test.read_bytes() != first.read_bytes()
    (dataset,) = open_root(root)
    assert dataset.check() == [(f"{test} (test) is the same picture as {first} (train).", dataset.name)]
    pictures.file(test, pictures.image(99))
    (dataset,) = open_root(root)
    assert dataset.check() == []


def test_pictures_of_one_colour_are_not_taken_for_the_same(root, pictures):
    for split in ("train", "test"):
        pictures.file(sorted(root.rglob(f"{split}_images/*.png"))[0], pictures.image(1) * 0)
    (dataset,) = open_root(root)
    assert dataset.check() == []


def test_the_questions_about_one_image_stand_together_whatever_the_order_of_the_table(tmp_path, pictures, monkeypatch):
    folder = tmp_path / "lung_CT"
    for n in range(4):
        pictures.file(folder / f"test_images/{n}.png", pictures.image(n))
        pictures.file(folder / f"test_masks/{n}.png", pictures.mask())
    order = np.random.default_rng(0).permutation(12).tolist()
    lines = [f"lung_CT/test_masks/{k % 4}.png,{k % 4}.png,test,Where is {k}?,There {k}." for k in order]
    (tmp_path / "lung_CT.csv").write_text("image_path,image_name,split,question,answer\n" + "\n".join(lines) + "\n")
    (dataset,) = open_root(tmp_path)
    asked = [int(row.question.split()[2][:-1]) for row in dataset.manifest("test")]
    first = sorted(range(4), key=lambda image: next(i for i, k in enumerate(order) if k % 4 == image))
    assert asked == [k for image in first for k in order if k % 4 == image], "images by first question, questions as in the table"
    decoded = []
    monkeypatch.setattr(official_reader, "read_image", lambda path: decoded.append(path) or pictures.image(0))
    samples = dataset.samples("test")
    assert len([sample for start in range(0, 12, 5) for sample in samples[start : start + 5]]) == 12 and len(decoded) == 4


def test_several_threads_read_the_right_pictures(root):
    (dataset,) = open_root(root)
    samples = dataset.samples("train")
    alone = [sample.query.image.tobytes() for sample in samples]
    with ThreadPoolExecutor(4) as threads:
        numbers = np.random.default_rng(0).integers(0, len(samples), 400).tolist()
        read = threads.map(lambda number: (number, samples[number].query.image.tobytes()), numbers)
        assert all(pixels == alone[number] for number, pixels in read)


def test_samples_sent_to_another_process_take_neither_the_last_picture_nor_what_is_known_of_the_files(root):
    samples = open_root(root)[0].samples("train")
    before = len(pickle.dumps(samples))
    assert samples[0].query.image.size and len(pickle.dumps(samples)) == before
    sent = pickle.loads(pickle.dumps(samples))
    assert sent.files is None and sent[0].sample_id == samples[0].sample_id


def test_a_family_that_does_not_exist_is_refused_by_name_and_an_empty_cell_is_the_official_one(root, edit_table):
    edit_table(root / TABLE, lambda rows: [row | {"family": "" if row is rows[0] else "count"} for row in rows])
    (dataset,) = open_root(root)
    assert {row.family for row in dataset.rows} == {"where", "count"} and dataset.table_problems == []
    edit_table(root / TABLE, lambda rows: [row | {"family": "how_many"} for row in rows])
    with pytest.raises(DataError, match=r"family 'how_many' in \d+ rows: expected where, .*count.* \(first: .* line 2\)"):
        open_root(root)[0].samples("test")

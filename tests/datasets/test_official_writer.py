"""What the writer leaves on disk, also after a fault or a crash."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from prsbench.datasets import official_writer
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.official_writer import COLUMNS, OFFICIAL_COLUMNS, Item, write_modality, written_in
from prsbench.datasets.questions import target_of
from prsbench.harness.contract.errors import ConfigError, DataError
from prsbench.harness.contract.types import DataKind


def write(root, items, archive="made", seed=0, kind=DataKind.REAL, modality="brain_mri"):
    return write_modality(root, modality, target_of(modality), archive, kind, items, seed)


def rows_of(root):
    with (root / "brain_tumors_ct_scan.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_official_columns_come_first_and_name_the_mask(root):
    row = rows_of(root)[0]
    assert tuple(row) == COLUMNS and COLUMNS[:6] == OFFICIAL_COLUMNS
    assert row["image_path"] == f"brain_tumors_ct_scan/{row['split']}_masks/{row['image_name']}"
    assert (root / row["image_path"]).is_file()
    assert (root / row["image_path"].replace("_masks", "_images")).is_file()


def test_train_and_val_ask_three_questions_per_image_and_test_one(root):
    rows = rows_of(root)
    for split, asked in {"train": 3, "val": 3, "test": 1}.items():
        names = [row["image_name"] for row in rows if row["split"] == split]
        assert names and len(names) == asked * len(set(names))


def test_pixels_come_back_as_they_went_in(root, make_items):
    loaded = {item.stem: item.load() for item in make_items(12)}
    (dataset,) = open_root(root)
    for split in dataset.splits:
        for sample in dataset.samples(split):
            image, mask = loaded[sample.sample_id.removeprefix("brain_mri/made_").partition("#")[0]]
            np.testing.assert_array_equal(sample.query.image, image)
            np.testing.assert_array_equal(sample.truth.mask, mask)


def test_the_same_call_again_is_byte_identical(root, make_items, tree_bytes):
    before = tree_bytes(root)
    write(root, reversed(make_items(12)))
    assert tree_bytes(root) == before


def test_another_seed_writes_other_words(root, make_items):
    before = rows_of(root)
    write(root, make_items(12), seed=1)
    assert rows_of(root) != before


def test_a_second_archive_joins_and_a_rerun_replaces_only_its_own_rows(root, make_items):
    write(root, make_items(6), archive="other")
    assert written_in(root, "brain_mri").images == 18
    write(root, make_items(4), archive="other")
    assert written_in(root, "brain_mri").images == 16
    card = json.loads((root / "prsbench.json").read_text())
    assert card["modalities"]["brain_tumors_ct_scan"]["archives"] == ["made", "other"]
    assert card["modalities"]["brain_tumors_ct_scan"]["images"] == 16


def test_pictures_of_removed_rows_are_deleted(root, make_items):
    write(root, make_items(4))
    assert len(list(root.rglob("*.png"))) == 2 * 4


def test_the_card_counts_what_the_table_holds(root):
    card = json.loads((root / "prsbench.json").read_text())
    entry = card["modalities"]["brain_tumors_ct_scan"]
    assert (card["made_by"], card["schema"], card["data_kind"]) == ("prsbench", 1, "real")
    assert (entry["target"], entry["images"], entry["groups"], entry["empty_masks"]) == ("tumour", 12, 6, 0)
    assert sum(entry["images_per_split"].values()) == 12


def test_an_empty_mask_is_written_and_flagged(tmp_path, make_items, pictures):
    empty = Item("zz", "healthy", lambda: (pictures.image(0), np.zeros((6, 8), bool)))
    assert write(tmp_path, [*make_items(6), empty]).empty_masks == 1
    row = next(row for row in rows_of(tmp_path) if row["empty"] == "True")
    assert (row["position"], row["position_of_centroid"]) == ("no mask", "no mask")


def test_real_and_synthetic_are_never_mixed(root, make_items):
    with pytest.raises(DataError, match="expected synthetic data, got a folder of real data"):
        write(root, make_items(4), archive="phantom", kind=DataKind.SYNTHETIC, modality="skin_rgb")


def test_one_modality_has_one_target(root, make_items):
    with pytest.raises(DataError, match="expected masks of 'tumour'.*got 'skull'"):
        write_modality(root, "brain_mri", target_of("brain_mri", "skull"), "b", DataKind.REAL, make_items(4), 0)


def test_a_folder_with_foreign_tables_is_left_alone(tmp_path, make_items):
    (tmp_path / "lung_CT.csv").write_text("image_path\n")
    with pytest.raises(DataError, match="got tables but no prsbench.json"):
        write(tmp_path, make_items(4))


def test_a_damaged_card_is_named(root, make_items):
    (root / "prsbench.json").write_text("{")
    with pytest.raises(DataError, match="prsbench.json: expected a card"):
        write(root, make_items(4))


def test_all_faults_are_listed_at_once_and_the_old_data_stays(root, make_items, tree_bytes):
    def broken(number):
        def load():
            raise DataError(f"bad{number}.png: broken")

        return Item(f"bad{number}", f"b{number}", load)

    before = tree_bytes(root)
    with pytest.raises(DataError) as caught:
        write(root, [*make_items(12), *(broken(number) for number in range(25))])
    text = str(caught.value)
    assert "25 problems" in text and text.count(": broken") == 20 and "and 5 more" in text
    assert tree_bytes(root) == before


@pytest.mark.parametrize("victim", ["prsbench.json", "brain_tumors_ct_scan.csv"])
def test_a_crash_before_the_table_is_replaced_leaves_the_old_one_readable(root, make_items, monkeypatch, victim):
    real = official_writer.write_atomically

    def crash(path, text):
        if path.name == victim:
            raise KeyboardInterrupt
        real(path, text)

    before = rows_of(root)
    monkeypatch.setattr(official_writer, "write_atomically", crash)
    with pytest.raises(KeyboardInterrupt):
        write(root, make_items(8), seed=3)
    assert rows_of(root) == before
    for dataset in open_root(root):
        dataset.check()


def test_two_items_of_one_name_are_refused(tmp_path, make_items):
    with pytest.raises(DataError, match="'made_s00.png' names 2 pictures"):
        write(tmp_path, [*make_items(4), make_items(1)[0]])


def test_an_archive_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match="Archive 'made': expected pictures, found none"):
        write(tmp_path, [])


@pytest.mark.parametrize("name", ["a/b", "a_b", "", "..", "a b"])
def test_an_archive_name_that_cannot_start_a_file_name_is_refused(tmp_path, make_items, name):
    with pytest.raises(ConfigError, match="cannot name an archive"):
        write(tmp_path, make_items(4), archive=name)


def test_a_split_that_the_archive_gives_is_used(tmp_path, make_items, pictures):
    fixed = [Item(split, split, lambda: (pictures.image(0), pictures.mask()), split) for split in ("test", "val")]
    assert write(tmp_path, fixed).images_per_split == {"train": 0, "val": 1, "test": 1}

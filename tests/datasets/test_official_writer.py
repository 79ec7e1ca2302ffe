"""What the writer leaves on disk, also after a fault or a crash."""

from __future__ import annotations

import csv
import fcntl
import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
from prsbench.datasets import official_writer
from prsbench.datasets.check.check import check_root
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.official_writer import COLUMNS, LOCK, OFFICIAL_COLUMNS, Item, write_modality, written_in
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


def redrawn(items):
    """The same names with other masks."""
    return [Item(item.stem, item.group, lambda item=item: (item.load()[0], ~item.load()[1])) for item in items]


@pytest.mark.parametrize("step", ["after the pictures", "table", "deletion", "last card"])
def test_a_crash_while_pictures_are_replaced_is_refused_until_the_archive_is_prepared_again(
    root, make_items, monkeypatch, tree_bytes, tmp_path, step
):
    write(root, make_items(4), archive="other")
    write(tmp_path / "want", make_items(12))
    write(tmp_path / "want", make_items(4), archive="other")
    write(tmp_path / "want", redrawn(make_items(8)))
    real_write, cards = official_writer.write_atomically, []

    def crash(*_, **__):
        raise KeyboardInterrupt

    def write_file(path, data):
        cards.extend([path] * (path.name == "prsbench.json"))
        if (step == "table" and path.suffix == ".csv") or (step == "last card" and len(cards) == 2):
            crash()
        real_write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(official_writer, "write_atomically", write_file)
        if step == "after the pictures":
            patch.setattr(official_writer.csv, "DictWriter", crash)
        if step == "deletion":
            patch.setattr(official_writer, "_remove_others", crash)
        with pytest.raises(KeyboardInterrupt):
            write(root, redrawn(make_items(8)))
    with pytest.raises(DataError, match="was stopped while it replaced the pictures of made in brain_tumors_ct_scan"):
        open_root(root)
    with pytest.raises(DataError, match="Prepare that archive again"):
        write(root, make_items(4), archive="other")
    write(root, redrawn(make_items(8)))
    assert tree_bytes(root) == tree_bytes(tmp_path / "want")
    (dataset,) = open_root(root)
    dataset.check()


def hold(root, ready):
    with (root / LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        ready.set()
        time.sleep(60)


def test_a_second_writer_waits_and_a_killed_one_leaves_no_stale_lock(root, make_items, capfd):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    first = context.Process(target=hold, args=(root, ready))
    first.start()
    assert ready.wait(30)
    second = context.Process(target=write, args=(root, make_items(6)), kwargs={"archive": "other"})
    second.start()
    second.join(1)
    assert second.is_alive() and written_in(root, "brain_mri").images == 12
    os.kill(first.pid, signal.SIGKILL)
    second.join(30)
    first.join(30)
    assert second.exitcode == 0 and written_in(root, "brain_mri").images == 18
    assert "another process is writing here. Waiting" in capfd.readouterr().err


def test_two_archives_written_at_once_are_both_there(tmp_path, make_items):
    context = multiprocessing.get_context("fork")
    names = [f"archive{number}" for number in range(4)]
    writers = [context.Process(target=write, args=(tmp_path / "root", make_items(6)), kwargs={"archive": name}) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert {row["archive"] for row in rows_of(tmp_path / "root")} == set(names)
    assert written_in(tmp_path / "root", "brain_mri").images == len(list((tmp_path / "root").rglob("*_images/*.png"))) == 24


def test_equal_pictures_share_a_group_and_so_a_split(tmp_path, make_items, pictures):
    items = make_items(20)
    copies = [Item(f"copy{n}", f"copy{n}", items[n].load) for n in range(10)]
    counts = write(tmp_path, [*items, *copies])
    assert (counts.images, counts.groups, counts.equal_pictures, counts.shared_pictures) == (30, 10, 10, 0)
    group_of = {row["image_name"]: (row["group"], row["split"]) for row in rows_of(tmp_path)}
    assert all(group_of[f"made_copy{n}.png"] == group_of[f"made_s{n:02d}.png"] for n in range(10))


def test_black_pictures_join_nothing(tmp_path, pictures):
    black = [Item(f"b{n}", f"b{n}", lambda: (np.zeros((6, 8, 3), np.uint8), pictures.mask())) for n in range(4)]
    assert write(tmp_path, black).groups == 4


def test_a_case_in_two_splits_of_the_archive_is_refused_by_name(tmp_path, pictures):
    items = [Item(split, "p1", lambda: (pictures.image(0), pictures.mask()), split) for split in ("train", "test")]
    with pytest.raises(DataError, match="case 'p1' is in test and train, a leak"):
        write(tmp_path, items)


def test_a_column_added_by_hand_stays_when_archives_are_prepared_again(root, make_items, edit_table):
    edit_table(root / "brain_tumors_ct_scan.csv", lambda rows: [{**row, "spacing_mm": "0.7 0.65"} for row in rows])
    write(root, make_items(2 + 12))
    write(root, make_items(4), archive="other")
    spacing = {row["image_name"]: row["spacing_mm"] for row in rows_of(root)}
    assert {name for name, value in spacing.items() if value == "0.7 0.65"} == {f"made_s{number:02d}.png" for number in range(12)}
    assert spacing["made_s13.png"] == spacing["other_s01.png"] == ""


@pytest.mark.parametrize("table", ["image_path,archive\nx,made\n", "", "\0", ",".join(COLUMNS) + "\na,b\n"])
def test_a_table_of_another_kind_is_not_written_over(root, make_items, table):
    (root / "brain_tumors_ct_scan.csv").write_text(table)
    with pytest.raises(DataError, match="expected a table of `prsbench prepare`"):
        write(root, make_items(4))


FAMILIES = ("presence", "where", "count", "relation", "where-lesions", "choice")


def write_families(root, items, families=FAMILIES):
    return write_modality(root, "brain_mri", target_of("brain_mri"), "made", DataKind.REAL, items, 0, families=families)


def test_each_family_is_asked_once_of_each_image_that_it_can_be_asked_of(tmp_path, make_items):
    items = [*make_items(12), Item("none", "none", lambda: (np.full((20, 20, 3), 9, np.uint8), np.zeros((20, 20), bool)))]
    write_families(tmp_path / "asked", items)
    asked = {}
    for row in rows_of(tmp_path / "asked"):
        asked.setdefault(row["image_name"], []).append(row["family"])
    assert asked.pop("made_none.png") == ["presence", "where", "count"]
    assert all(each == [family for family in FAMILIES if family in each] for each in asked.values())
    assert all({"presence", "where", "count", "where-lesions"} <= set(each) for each in asked.values())


def test_further_families_change_no_sentence_and_no_split_of_the_others(tmp_path, make_items):
    few, many = tmp_path / "few", tmp_path / "many"
    write_families(few, make_items(12), ("where", "count"))
    write_families(many, make_items(12))
    assert [row for row in rows_of(many) if row["family"] in ("where", "count")] == rows_of(few)


def test_a_reader_gives_every_sample_its_family_and_a_table_without_the_column_the_official_one(tmp_path, root, make_items):
    write_families(tmp_path / "asked", make_items(12))
    (dataset,), (official,) = open_root(tmp_path / "asked"), open_root(root)
    found = {s.truth.family for s in dataset.samples("train")}
    assert {"presence", "where", "count", "where-lesions"} <= found <= set(FAMILIES)
    assert [row.family for row in dataset.manifest("train")] == [s.truth.family for s in dataset.samples("train")]
    assert {s.truth.family for s in official.samples("train")} == {"where"}


def test_preparing_again_without_families_gives_the_official_table(tmp_path, root, make_items, tree_bytes):
    write_families(tmp_path / "asked", make_items(12))
    write(tmp_path / "asked", make_items(12))
    assert tree_bytes(tmp_path / "asked") == tree_bytes(root)


def test_an_image_of_which_no_family_can_be_asked_is_left_out_and_counted(tmp_path, make_items):
    two = np.zeros((20, 20), bool)
    two[2:6, 2:6] = two[15:17, 9:11] = True
    items = [
        *make_items(6),
        *(Item(f"two{n}", f"two{n}", lambda n=n: (np.full((20, 20, 3), n, np.uint8), two)) for n in range(6)),
    ]
    counts = write_families(tmp_path / "asked", items, ("relation",))
    assert (counts.images, counts.not_asked) == (6, 6)
    assert {row["image_name"] for row in rows_of(tmp_path / "asked")} == {f"made_two{n}.png" for n in range(6)}
    assert len(list(tmp_path.rglob("made_*.png"))) == 12
    with pytest.raises(DataError, match="of none of its pictures relation can be asked"):
        write_families(tmp_path / "new", make_items(6), ("relation",))


@pytest.mark.parametrize(
    ("families", "message"),
    [(("wher",), "Did you mean 'where'"), (("side", "side"), "each once"), ((), "each once")],
)
def test_families_that_do_not_exist_or_repeat_are_refused_before_anything_is_written(tmp_path, make_items, families, message):
    with pytest.raises(ConfigError, match=message):
        write_families(tmp_path / "new", make_items(6), families)
    assert not (tmp_path / "new").exists()


def test_answers_of_other_families_are_not_held_against_the_official_label(tmp_path, make_items):
    """The patient's left is on the right of the image, where the official label is."""
    write_families(tmp_path / "asked", make_items(12), ("side", "patient-side", "quadrant"))
    (dataset,) = open_root(tmp_path / "asked")
    assert list(dataset.notes) == [] and "patient's right" in " ".join(dataset.answers("train").values())
    assert not [finding for finding in check_root(tmp_path / "asked").findings if finding.check == "place"]

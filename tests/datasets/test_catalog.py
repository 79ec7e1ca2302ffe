"""`prepare`: its sources, its checks of arguments, and its report."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from prsbench.datasets.catalog import SOURCES, prepare
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.official_writer import LOCK
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ConfigError, DataError


@pytest.fixture
def archive(tmp_path, pictures):
    for number in range(10):
        pictures.file(tmp_path / f"clinic/images/p{number // 2}_z{number}.png", pictures.image(number))
        pictures.file(tmp_path / f"clinic/masks/p{number // 2}_z{number}.png", pictures.mask())
    return tmp_path / "clinic"


def test_every_source_resolves():
    assert all(source.layouts or callable(resolve(source.find)) for source in SOURCES.values())


def test_listing_the_sources_loads_nothing_heavy():
    code = "import sys, prsbench.datasets.catalog; print([m for m in ('PIL', 'scipy', 'pydantic', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_pairs_are_prepared_counted_and_readable(archive, tmp_path):
    report = prepare("pairs", archive, tmp_path / "to", modality="lung_xray", target="lungs")
    assert (report.images, report.groups, report.empty_masks, report.modalities) == (10, 5, 0, ("lung_xray",))
    assert sum(report.images_per_split.values()) == 10
    assert str(report).startswith("clinic: 10 images in 5 groups (train ")
    (dataset,) = open_root(tmp_path / "to")
    dataset.check()
    assert (dataset.modality, dataset.target) == ("lung_xray", "lungs")


def test_the_callers_case_rule_reaches_the_archive(archive, tmp_path):
    assert prepare("pairs", archive, tmp_path / "to", modality="lung_ct", target="lungs", group="(z.)").groups == 10


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("lgc", {}, "No source is called 'lgc'. Did you mean 'lgg'"),
        ("pairs", {}, "needs --modality and --target"),
        ("pairs", {"modality": "lung_mr", "target": "lungs"}, "No modality is called 'lung_mr'"),
        ("lgg", {"modality": "brain_mri"}, "'lgg' sets --modality itself"),
    ],
)
def test_a_wrong_call_is_an_error_with_instructions(archive, tmp_path, source, options, message):
    with pytest.raises(ConfigError, match=message):
        prepare(source, archive, tmp_path / "to", **options)


def test_a_missing_from_folder_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="needs --from"):
        prepare("busi", None, tmp_path)
    with pytest.raises(DataError, match="Give the folder where the archive was unpacked"):
        prepare("busi", tmp_path, tmp_path / "to")


def test_a_faulty_archive_leaves_no_data_set_behind(archive, tmp_path):
    (archive / "masks" / "p0_z0.png").unlink()
    with pytest.raises(DataError, match="p0_z0.png: expected a mask, found none"):
        prepare("pairs", archive, tmp_path / "to", modality="lung_ct", target="lungs")
    assert [path.name for path in (tmp_path / "to").rglob("*")] == [LOCK]


def lungs(archive, to):
    return prepare("pairs", archive, to, modality="lung_xray", target="lungs")


def test_every_file_that_is_not_taken_is_counted_and_ten_are_named(archive, tmp_path):
    assert "Not taken" not in str(lungs(archive, tmp_path / "to"))
    for number in range(11):
        (archive / "images" / f"scan{number:02d}.gif").write_bytes(b"x")
    (archive / "Thumbs.db").write_bytes(b"x")
    for hidden in (".DS_Store", "images/._p0_z0.png", "__MACOSX/images/._p0_z0.png"):
        (archive / hidden).parent.mkdir(parents=True, exist_ok=True)
        (archive / hidden).write_bytes(b"x")
    text = str(lungs(archive, tmp_path / "to"))
    assert "Not taken: 12 files (Thumbs.db, images/scan00.gif, " in text and "scan08.gif and 2 more)" in text
    assert "._" not in text and "DS_Store" not in text and "MACOSX" not in text


def test_files_in_a_linked_folder_are_counted_and_the_prepared_folder_below_is_not(archive, tmp_path):
    (archive / "images").rename(tmp_path / "elsewhere")
    (archive / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/notes.txt").write_text("x")
    for _ in range(2):
        assert "Not taken: 1 file (images/notes.txt)" in str(lungs(archive, archive / "to"))


def test_no_picture_at_all_names_what_is_there(tmp_path):
    (tmp_path / "from/images").mkdir(parents=True)
    (tmp_path / "from/masks").mkdir()
    (tmp_path / "from/images/a.dcm").write_bytes(b"x")
    with pytest.raises(DataError, match=r"expected pictures, found none. Not taken: 1 file \(images/a.dcm\)"):
        lungs(tmp_path / "from", tmp_path / "to")


def test_inverted_masks_are_noticed_by_the_median_foreground(archive, tmp_path, pictures):
    assert "median foreground 12%)" in str(lungs(archive, tmp_path / "to"))
    masks = sorted((archive / "masks").iterdir())
    pictures.file(masks[3], ~pictures.mask())
    assert "covered by 1 mask (clinic_p1_z3.png). Are they inverted?" in str(lungs(archive, tmp_path / "to"))
    for path in masks:
        pictures.file(path, ~pictures.mask())
    assert "Warning: half of the masks cover more than 88% of their picture. Are they inverted?" in str(
        lungs(archive, tmp_path / "to")
    )


def test_empty_masks_have_no_median_foreground(archive, tmp_path, pictures):
    for path in (archive / "masks").iterdir():
        pictures.file(path, np.zeros((6, 8), np.uint8))
    assert "median" not in str(lungs(archive, tmp_path / "to"))


def test_equal_images_are_said_to_share_a_group(archive, tmp_path, pictures):
    pictures.file(archive / "images/p4_z9.png", pictures.image(0))
    report = lungs(archive, tmp_path / "to")
    assert report.groups == 4
    assert "1 images equal another one pixel by pixel. Equal images share a group" in str(report)


def test_equal_images_in_two_splits_are_said_where_nothing_else_is_possible(archive, tmp_path, pictures):
    for path in (archive / "images").iterdir():
        pictures.file(path, pictures.image(0))
    assert "1 are in two splits" in str(lungs(archive, tmp_path / "to"))


def test_a_place_that_cannot_be_written_is_one_sentence(archive, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="file: expected a folder, got a file"):
        lungs(archive, tmp_path / "file")
    with pytest.raises(DataError, match="file/below: cannot be written"):
        lungs(archive, tmp_path / "file/below")
    with pytest.raises(DataError, match="file/below: cannot be written"):
        prepare("phantoms", None, tmp_path / "file/below")


def test_a_name_that_is_too_long_with_its_archives_is_one_sentence(archive, tmp_path, pictures):
    stem = "x" * 249
    pictures.file(archive / f"images/{stem}.png", pictures.image(1))
    pictures.file(archive / f"masks/{stem}.png", pictures.mask())
    with pytest.raises(DataError, match="cannot be written: .*File name too long"):
        lungs(archive, tmp_path / "to")


@pytest.mark.parametrize("pack", ["zip", "gztar"])
def test_a_zip_or_tar_gives_what_its_folder_gives(archive, tmp_path, tree_bytes, pack):
    options = {"modality": "lung_xray", "target": "lungs"}
    prepare("pairs", archive, tmp_path / "to", **options)
    packed = shutil.make_archive(str(tmp_path / "packed" / "clinic"), pack, tmp_path, "clinic")
    report = prepare("pairs", Path(packed), tmp_path / "to2", **options)
    assert report.source == "clinic" and tree_bytes(tmp_path / "to2") == tree_bytes(tmp_path / "to")


def test_a_fault_in_a_zip_is_named_from_the_zip_on_and_leaves_nothing(archive, tmp_path):
    (archive / "masks" / "p0_z0.png").write_bytes(b"x")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "clinic")
    with pytest.raises(DataError, match=r"(?m)^\s*packed/clinic/masks/p0_z0.png: expected a readable picture"):
        prepare("pairs", Path(packed), tmp_path / "to", modality="lung_xray", target="lungs")
    assert [path.name for path in (tmp_path / "to").rglob("*")] == [LOCK]


def test_label_masks_are_prepared_and_counted(archive, tmp_path, pictures):
    for path in (archive / "masks").iterdir():
        pictures.file(path, np.tile(np.array([0, 0, 1, 255], np.uint8), (6, 2)))
    report = prepare(
        "pairs", archive, tmp_path / "to", modality="lung_xray", target="lungs", foreground=["1", "9"], ignore=["255"]
    )
    assert report.median_foreground == 0.25
    assert "no mask has the value 9 of --foreground" in str(report) and "25.0% of the masks' pixels" in str(report)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("busi", {"foreground": ["1"]}, "'busi' sets --foreground itself"),
        ("pairs", {"window": "0 1", "mask_suffix": "_m"}, "'pairs' sets --window itself"),
        ("pairs", {"ignore": ["1"]}, "--ignore needs --foreground"),
        ("msd-lung", {"modality": "lung_ct"}, "'msd-lung' sets --modality itself"),
    ],
)
def test_an_option_of_another_source_is_refused(archive, tmp_path, source, options, message):
    given = {"modality": "lung_ct", "target": "lungs"} if source == "pairs" else {}
    with pytest.raises(ConfigError, match=message):
        prepare(source, archive, tmp_path / "to", **given, **options)


def test_expected_counts_known_defects_and_the_licence_are_said(tmp_path, pictures):
    for number in range(3):
        pictures.file(tmp_path / f"PNG/Original/{1 + 30 * number}.png", pictures.image(number))
        pictures.file(tmp_path / f"PNG/Ground Truth/{1 + 30 * number}.png", pictures.mask())
    text = str(prepare("cvc-clinicdb", tmp_path, tmp_path / "to"))
    assert "The complete archive has 612 images in 29 cases: look for missing" in text
    assert "Known: " in text and "Licence: research, with citation. Cite: Bernal" in text


def test_slices_of_volumes_keep_their_spacing(tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="needs the extra `volumes`")
    for case in ("a", "b"):
        for folder, values in (
            ("images", np.random.default_rng(ord(case)).integers(0, 99, (2, 6, 8))),
            ("masks", np.eye(6, 8)[None] * np.ones((2, 1, 1))),
        ):
            volume = sitk.GetImageFromArray(values.astype(np.int16))
            volume.SetSpacing((0.5, 0.75, 3.0))
            (tmp_path / "ct" / folder).mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(volume, str(tmp_path / "ct" / folder / f"{case}.nii.gz"))
    report = prepare("volumes", tmp_path / "ct", tmp_path / "to", modality="lung_ct", target="lungs", window="0 99")
    assert (report.images, report.groups) == (4, 2)
    (dataset,) = open_root(tmp_path / "to")
    assert {row.spacing_mm for split in dataset.splits for row in dataset.manifest(split)} == {(0.75, 0.5)}


def test_families_of_questions_are_prepared_described_and_refused_where_they_make_no_sense(archive, tmp_path):
    options = {"modality": "lung_xray", "target": "lungs"}
    prepare("pairs", archive, tmp_path / "to", **options, families=["presence", "patient-side"])
    (dataset,) = open_root(tmp_path / "to")
    assert {row.family for row in dataset.rows} == {"presence", "patient-side"}
    with pytest.raises(ConfigError, match="'patient-side' needs images in the radiological convention"):
        prepare("pairs", archive, tmp_path / "ct", modality="lung_ct", target="lungs", families=["patient-side"])
    with pytest.raises(ConfigError, match="comes with its questions"):
        prepare("hub", archive, tmp_path / "hub", families=["count"])
    with pytest.raises(ConfigError, match="which phantoms may lack"):
        prepare("phantoms", None, tmp_path / "drawn", families=["patient-side"])
    with pytest.raises(ConfigError, match="No family of questions is called 'counts'. Did you mean 'count'"):
        prepare("pairs", archive, tmp_path / "other", **options, families=["counts"])

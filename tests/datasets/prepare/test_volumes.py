"""Volumes as slices: which way up, in which window, on which grid."""

from __future__ import annotations

import locale
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prsbench.datasets.pictures import Labels, read_image
from prsbench.datasets.prepare.msd_lung import find as find_msd
from prsbench.datasets.prepare.volumes import find
from prsbench.harness.contract.errors import ConfigError, DataError

sitk = pytest.importorskip("SimpleITK", reason="needs the extra `volumes`")

# (feet to head, front to back, right to left) = (3, 4, 5); every value tells its place.
VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
TARGET = np.zeros((3, 4, 5), np.uint8)
TARGET[2, 1, 3] = 1
SPACING = (0.5, 0.75, 2.0)  # x, y, z in mm


def write(path, array, direction="LPS", spacing=SPACING, origin=(10.0, 20.0, 30.0)):
    """Save an array given in LPS order, stored in the order of `direction`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = sitk.GetImageFromArray(array)
    volume.SetSpacing(spacing)
    volume.SetOrigin(origin)
    sitk.WriteImage(sitk.DICOMOrient(volume, direction), str(path))


def pair(tmp_path, case="c1", suffix=".nii.gz", target=TARGET, **how):
    write(tmp_path / f"images/{case}{suffix}", VALUES, **how)
    write(tmp_path / f"masks/{case}{suffix}", target, **how)


def slices(root, **options):
    return {item.stem: item for item in find(root, **{"window": "0 59", **options})}


def grey(values):
    return np.round(values / 59 * 255)


@pytest.mark.parametrize("direction", ["LPS", "RAS", "LAS", "PIR", "SLA"])
def test_slices_are_upright_however_the_file_is_stored(tmp_path, direction):
    pair(tmp_path, direction=direction)
    for axis, stem, expected, mask, spacing in (
        ("axial", "c1_z002", VALUES[2], TARGET[2], (0.75, 0.5)),
        ("coronal", "c1_y001", VALUES[::-1, 1], TARGET[::-1, 1], (2.0, 0.5)),
        ("sagittal", "c1_x003", VALUES[::-1, :, 3], TARGET[::-1, :, 3], (2.0, 0.75)),
    ):
        found = slices(tmp_path, axis=axis)
        assert len(found) == VALUES.shape["zyx".index(stem[3])]
        image, target = found[stem].load()
        np.testing.assert_array_equal(image[..., 1], grey(expected))
        np.testing.assert_array_equal(target, mask.astype(bool))
        assert found[stem].spacing_mm == pytest.approx(spacing) and found[stem].group == "c1"


def test_the_window_is_black_below_and_white_above(tmp_path):
    pair(tmp_path)
    image = slices(tmp_path, window="10, 20")["c1_z000"].load()[0][..., 0]
    np.testing.assert_array_equal(image, np.round(np.clip((VALUES[0] - 10) / 10, 0, 1) * 255))
    image = slices(tmp_path, window="0% 50%")["c1_z001"].load()[0][..., 0]
    np.testing.assert_array_equal(image, np.round(np.clip(VALUES[1] / 29.5, 0, 1) * 255))


@pytest.mark.parametrize("window", [None, "", "5", "400 -1000", "1 1", "a b", "1% 200%", "1% 5", "1..2 5"])
def test_a_window_must_be_stated(tmp_path, window):
    pair(tmp_path)
    with pytest.raises(ConfigError, match="expected two rising values"):
        slices(tmp_path, window=window)


def test_only_slices_that_show_the_target(tmp_path):
    pair(tmp_path)
    assert list(slices(tmp_path, slices="target")) == ["c1_z002"]
    assert list(slices(tmp_path, slices="target", axis="sagittal")) == ["c1_x003"]


def test_several_labels_need_a_meaning(tmp_path):
    pair(tmp_path, target=TARGET * 2 + (VALUES == 59))
    with pytest.raises(DataError, match=r"expected 0 and one other value, got \[0, 1, 2\]. Say what they mean"):
        slices(tmp_path)
    items = slices(tmp_path, labels=Labels(("2",), ("1",)))
    assert items["c1_z002"].load()[1].sum() == 1


def test_masks_may_be_beside_their_images_with_a_mark(tmp_path):
    for case in ("a", "b"):
        write(tmp_path / f"deep/{case}.nii.gz", VALUES)
        write(tmp_path / f"deep/{case}-msk.nrrd", TARGET)
    assert {item.group for item in slices(tmp_path).values()} == {"a", "b"}
    (tmp_path / "deep/b-msk.nrrd").rename(tmp_path / "deep/b_xyz.nrrd")
    with pytest.raises(DataError, match="an image and a mask of each volume, got one of b, b_xyz"):
        slices(tmp_path)
    (tmp_path / "deep/a-msk.nrrd").rename(tmp_path / "deep/a_xyz.nrrd")
    assert {item.group for item in slices(tmp_path, mask_suffix="_xyz").values()} == {"a", "b"}


@pytest.mark.parametrize(
    "how", [{"spacing": (0.5, 0.75, 2.1)}, {"origin": (10.0, 20.0, 31.0)}, {"target": TARGET[:2]}, {"target": TARGET + 0.5}]
)
def test_a_mask_on_another_grid_or_with_fractions_is_refused(tmp_path, how):
    pair(tmp_path)
    write(tmp_path / "masks/c1.nii.gz", **{"array": how.pop("target", TARGET), **how})
    with pytest.raises(DataError, match=r"masks/c1.nii.gz: expected (the|whole)"):
        slices(tmp_path)


def test_a_stack_of_tiff_pages_is_a_volume_without_spacing(tmp_path):
    for folder, array in (("images", VALUES.astype(np.uint8)), ("masks", TARGET * 255)):
        (tmp_path / folder).mkdir()
        pages = [Image.fromarray(page) for page in array]
        pages[0].save(tmp_path / folder / "s.tif", save_all=True, append_images=pages[1:])
    items = slices(tmp_path)
    image, mask = items["s_z002"].load()
    np.testing.assert_array_equal(image[..., 0], grey(VALUES[2]))
    assert mask.sum() == 1 and mask[1, 3] and items["s_z002"].spacing_mm is None and len(items) == 3


def test_a_dicom_series_is_a_folder_of_its_slices_in_any_order(tmp_path):
    folder = tmp_path / "images/c1"
    folder.mkdir(parents=True)
    before = locale.setlocale(locale.LC_ALL)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for z in range(3):
        plane = sitk.GetImageFromArray(VALUES[z : z + 1])
        plane.SetSpacing(SPACING)
        tags = {"0008|0060": "CT", "0020|000e": "1.2.3", "0020|000d": "1.2", "0028|1052": "0", "0028|1053": "1",
                "0020|0032": f"10\\20\\{30 + 2 * z}", "0020|0037": "1\\0\\0\\0\\1\\0", "0020|0013": str(z),
                "0008|0018": f"1.2.3.{z + 1}"}  # fmt: skip
        for tag, text in tags.items():
            plane.SetMetaData(tag, text)
        writer.SetFileName(str(folder / f"{'cab'[z]}.dcm"))
        writer.Execute(plane)
    locale.setlocale(locale.LC_ALL, before)  # the writer of DICOM changes it too
    write(tmp_path / "masks/c1.nii.gz", TARGET)
    items = slices(tmp_path)
    np.testing.assert_array_equal(items["c1_z002"].load()[0][..., 0], grey(VALUES[2]))
    assert len(items["c1_z000"].files) == 4
    (folder / "b.dcm").write_bytes(b"x")
    with pytest.raises(DataError, match="expected DICOM slices alone, 2 of 3 files are"):
        slices(tmp_path)
    assert locale.setlocale(locale.LC_ALL) == before


def test_broken_files_colour_and_time_are_refused(tmp_path):
    pair(tmp_path)
    (tmp_path / "images/c1.nii.gz").write_bytes(b"no volume")
    with pytest.raises(DataError, match="c1.nii.gz: cannot be read as a volume"):
        slices(tmp_path)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.float32)), str(tmp_path / "images/c1.nii.gz"))
    with pytest.raises(DataError, match="expected a grey volume of three dimensions"):
        slices(tmp_path)
    nan = VALUES.astype(np.float32)
    nan[2, 0, 0] = np.nan
    (tmp_path / "images/c1.nii.gz").unlink()
    write(tmp_path / "images/c1.nrrd", nan)
    with pytest.raises(DataError, match="expected finite values"):
        slices(tmp_path)["c1_z002"].load()


def test_an_empty_folder_names_the_layout(tmp_path):
    with pytest.raises(DataError, match="expected images/<case>.nii.gz and masks/<case>.nii.gz"):
        slices(tmp_path)


def test_the_decathlons_lungs_are_read_in_a_lung_window(tmp_path):
    hounsfield = np.linspace(-1024, 1000, 60).reshape(3, 4, 5).astype(np.int16)
    write(tmp_path / "Task06_Lung/imagesTr/lung_001.nii.gz", hounsfield)
    write(tmp_path / "Task06_Lung/labelsTr/lung_001.nii.gz", TARGET)
    write(tmp_path / "Task06_Lung/imagesTs/lung_002.nii.gz", hounsfield)
    items = {item.stem: item for item in find_msd(tmp_path)}
    assert len(items) == 3 and items["lung_001_z002"].group == "lung_001"
    image, mask = items["lung_001_z001"].load()
    np.testing.assert_array_equal(image[..., 0], np.round(np.clip((hounsfield[1] + 1000) / 1400, 0, 1) * 255))
    assert not mask.any()


RAW = Path(os.environ.get("PRSBENCH_SHARED", Path(__file__).parents[4] / "shared")) / "data" / "raw"


def test_slices_equal_those_that_others_cut_from_the_same_volumes():
    if not (RAW / "imlab3d").is_dir():
        pytest.skip("no excerpt of imlab3d: set PRSBENCH_SHARED to the folder that holds data/raw/imlab3d")
    items = {item.stem: item for item in find(RAW / "imlab3d", window="-1000 400", labels=Labels((">127",)))}
    theirs = sorted((RAW / "imlab3d-slices/images").iterdir())
    assert len(items) == 128 and len(theirs) == 24
    for path in theirs:
        _, case, number = path.stem.split("_")
        image, _ = items[f"{case}-128x128x64_z0{number[1:]}"].load()
        np.testing.assert_array_equal(image, read_image(path))

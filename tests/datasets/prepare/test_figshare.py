"""Cheng's brain tumours: MATLAB files of both kinds."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.figshare import find
from prsbench.harness.contract.errors import DataError
from scipy.io import savemat

IMAGE = np.arange(48, dtype=np.int16).reshape(6, 8) * 10 - 100
MASK = np.zeros((6, 8), np.uint8)
MASK[4, 1:3] = 1


def as_version_5(path, pid="100360", image=IMAGE, mask=MASK):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"cjdata": {"label": 1, "PID": pid, "image": image, "tumorMask": mask}})


def as_version_7_3(path, pid="100360", image=IMAGE, mask=MASK):
    h5py = pytest.importorskip("h5py", reason="needs the extra `volumes`")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["cjdata/image"], file["cjdata/tumorMask"] = image.T, mask.T  # MATLAB stores columns first
        file["cjdata/PID"] = np.array([[ord(letter)] for letter in pid], np.uint16)
        file["cjdata/label"] = np.array([[1.0]])
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")


@pytest.mark.parametrize("write", [as_version_5, as_version_7_3])
def test_a_slice_is_read_upright_stretched_and_grouped_by_patient(tmp_path, write):
    write(tmp_path / "brainTumorDataPublic_1-766/10.mat", "MR040221A")
    write(tmp_path / "brainTumorDataPublic_1-766/2.mat")
    (tmp_path / "cvind.mat").write_bytes(b"indices of folds, not a slice")
    items = list(find(tmp_path))
    assert [(item.stem, item.group) for item in items] == [("2", "100360"), ("10", "MR040221A")]
    image, mask = items[0].load()
    np.testing.assert_array_equal(mask, MASK.astype(bool))
    np.testing.assert_array_equal(image[..., 0], np.round(np.arange(48).reshape(6, 8) / 47 * 255))
    assert image.shape == (6, 8, 3) and image.dtype == np.uint8


@pytest.mark.parametrize("write", [as_version_5, as_version_7_3])
def test_a_mask_of_another_size_or_of_other_values_is_refused(tmp_path, write):
    for mask in (MASK[:5], MASK * 2):
        write(tmp_path / "1.mat", mask=mask)
        (item,) = find(tmp_path)
        with pytest.raises(DataError, match="1.mat: expected cjdata.image and cjdata.tumorMask of one size"):
            item.load()


def test_a_broken_file_a_missing_patient_and_none_at_all_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="expected <n>.mat, found nothing like it"):
        list(find(tmp_path))
    as_version_5(tmp_path / "1.mat", pid="")
    with pytest.raises(DataError, match="expected a patient in cjdata.PID"):
        list(find(tmp_path))
    for content in (b"", b"MATLAB 7.3 MAT-file".ljust(600)):
        (tmp_path / "1.mat").write_bytes(content)
        with pytest.raises(DataError, match="1.mat: expected a MATLAB file with cjdata"):
            list(find(tmp_path))

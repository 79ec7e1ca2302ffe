import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from prsbench.harness.contract.errors import DataError, MissingPrerequisite
from prsbench.methods.saved_predictions.maps import SavedMaps

MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)


def save(path, values):
    """A PNG or NPY of these values."""
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        (values if isinstance(values, Image.Image) else Image.fromarray(values)).save(path)
    return path


def read(path, *others, shape=(2, 3), **how):
    return SavedMaps([path, *others], "row", **how).read(path, shape)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", MASK.astype(np.uint8)),
        ("a.png", MASK.astype(np.uint8) * 255),
        ("a.png", MASK),  # 1 bit
        ("a.png", np.stack([MASK.astype(np.uint8) * 255] * 3, axis=2)),
        ("a.png", MASK.astype(np.uint16)),
        ("a.png", MASK.astype(np.uint16) * 255),
        ("a.npy", MASK),
        ("a.npy", MASK.astype(np.uint8)),
        ("a.npy", MASK.astype(np.int64) * 255),
        ("a.npy", MASK.astype(np.float64)),
        ("a.npy", MASK.astype(np.float16)[None, ..., None]),
        ("a.npy", np.asfortranarray(MASK.astype(np.float32))),
    ],
)
def test_a_mask_is_the_same_in_every_form(name, values, tmp_path):
    found = read(save(tmp_path / name, values))
    assert found.dtype == np.float32 and np.array_equal(found, MASK)


@given(arrays(np.float32, (2, 3), elements=st.floats(0, 1, width=32)))
def test_a_map_of_floats_comes_back_bit_by_bit(tmp_path_factory, values):
    assert read(save(tmp_path_factory.mktemp("maps") / "a.npy", values)).tobytes() == values.tobytes()


def test_a_map_of_8_bits_is_a_255th_per_level(tmp_path):
    levels = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)
    assert np.array_equal(read(save(tmp_path / "a.png", levels)), (levels / 255).astype(np.float32))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (MASK[:, :2], r"2 x 3, got 2 x 2. Resize"),
        (MASK.T, r"2 x 3, got 3 x 2. It looks transposed"),
        (np.stack([MASK, MASK]), r"one slice \(H, W\), got \(2, 2, 3\)"),
        (MASK * 2.0, "probabilities from 0 to 1, got 0 to 2"),
        (MASK * -0.5, "got -0.5 to"),
        (np.where(MASK, np.nan, 0.5), "got nan"),
        (MASK.astype(np.int32) * 256, "whole numbers from 0 to 255, got 0 to 256"),
        (MASK.astype(np.int8) * -1, "got -1 to 0"),
        (MASK.astype(complex), "complex"),
        (np.array([["a", "b", "c"]] * 2), "<U1"),
        (np.array([[None] * 3] * 2), "expected a readable .npy file"),  # pickled objects are never run
    ],
)
def test_an_array_that_would_have_to_be_guessed_is_refused_with_its_name(values, says, tmp_path):
    with pytest.raises(DataError, match=rf"a\.npy: .*{says}"):
        read(save(tmp_path / "a.npy", values))


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.dstack([MASK * 255, MASK * 0, MASK * 0]).astype(np.uint8), "got colours"),
        (np.dstack([np.full((2, 3, 3), 255), MASK * 255]).astype(np.uint8), "transparent"),
        (MASK.astype(np.uint16) * 65535, "whole numbers from 0 to 255, got 0 to 65535"),
        (np.zeros((5, 5), np.uint8), "2 x 3, got 5 x 5"),
    ],
)
def test_a_picture_that_is_no_map_is_refused_with_its_name(picture, says, tmp_path):
    with pytest.raises(DataError, match=rf"a\.png: .*{says}"):
        read(save(tmp_path / "a.png", picture))


def test_a_broken_a_missing_and_another_file_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    (tmp_path / "a.jpg").write_bytes(b"x")
    for name, says in (("a.png", "readable .png"), ("b.npy", "no such file"), ("a.jpg", "expected a file of .png, .npy")):
        with pytest.raises(DataError, match=says):
            read(tmp_path / name)


def test_a_file_that_could_be_a_mask_or_a_faint_map_is_decided_by_the_others_or_by_the_user(tmp_path):
    unclear, other = save(tmp_path / "a.png", MASK.astype(np.uint8)), tmp_path / "b.npy"
    assert np.array_equal(read(unclear, save(other, MASK.astype(np.uint8))), MASK), "no file goes above 1"
    assert np.array_equal(read(unclear, save(other, MASK * 0.7)), MASK), "floats say nothing about whole numbers"
    with pytest.raises(DataError, match=r"a\.png: expected one scale, .* more than 1 in b.npy. Set white: 255"):
        read(unclear, save(other, MASK.astype(np.uint8) * 200))
    assert read(unclear, other, white=255).max() == np.float32(1 / 255)
    assert np.array_equal(read(unclear, other, white=1), MASK)
    with pytest.raises(DataError, match="from 0 to 1, got 0 to 200"):
        read(other, unclear, white=1)
    assert not read(save(tmp_path / "c.png", MASK.astype(np.uint8) * 0), other).any(), "an empty mask is one in every scale"


def test_nifti_without_nibabel_is_skipped_with_instructions(tmp_path, monkeypatch):
    monkeypatch.setattr("prsbench.methods.saved_predictions.maps.find_spec", lambda name: None)
    with pytest.raises(MissingPrerequisite, match="needs nibabel. pip install nibabel"):
        SavedMaps([tmp_path / "a.NII.GZ"], "row")


@pytest.mark.skipif(importlib.util.find_spec("nibabel") is None, reason="nibabel is not installed")
def test_a_nifti_slice_is_turned_as_the_user_says_and_never_by_a_guess(tmp_path):
    import nibabel

    for values, axes in ((MASK.astype(np.uint8), "y_x"), (MASK.T[..., None].astype(np.float32), "x_y")):
        for name in ("a.nii", "a.nii.gz"):
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
            assert np.array_equal(read(tmp_path / name, nifti_axes=axes), MASK)
            with pytest.raises(MissingPrerequisite, match="Set nifti_axes"):
                read(tmp_path / name)
    with pytest.raises(DataError, match="looks transposed"):
        read(tmp_path / "a.nii", nifti_axes="y_x")

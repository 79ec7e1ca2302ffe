"""8-bit pictures are read correctly; anything else is refused, never guessed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from prsbench.datasets.pictures import check_same_size, read_image, read_mask, write_png
from prsbench.harness.contract.errors import DataError


def test_an_image_and_a_mask_survive_writing_and_reading(tmp_path, pictures):
    write_png(tmp_path / "i.png", pictures.image(0))
    write_png(tmp_path / "m.png", pictures.mask())
    np.testing.assert_array_equal(read_image(tmp_path / "i.png"), pictures.image(0))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), pictures.mask())
    assert set(np.unique(np.asarray(Image.open(tmp_path / "m.png")))) == {0, 255}


def test_grey_becomes_three_equal_channels(tmp_path, pictures):
    grey = pictures.image(0)[..., 0]
    np.testing.assert_array_equal(read_image(pictures.file(tmp_path / "g.png", grey)), np.stack([grey] * 3, axis=-1))


def test_a_palette_is_looked_up(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path, pictures):
    rgba = np.dstack([pictures.image(0), np.full((6, 8), 255, np.uint8)])
    np.testing.assert_array_equal(read_image(pictures.file(tmp_path / "a.png", rgba)), pictures.image(0))
    rgba[0, 0, 3] = 254
    with pytest.raises(DataError, match="b.png: expected an opaque picture"):
        read_image(pictures.file(tmp_path / "b.png", rgba))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_other_depths_are_refused(tmp_path, dtype):
    with pytest.raises(DataError, match="d.tif: expected 8 bits per channel, got mode"):
        read_image(save_tif(tmp_path / "d.tif", np.full((4, 4), 300, dtype)))


def save_tif(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def test_a_stack_of_frames_is_refused(tmp_path):
    frames = [Image.new("L", (4, 4), level) for level in (0, 255)]
    frames[0].save(tmp_path / "s.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="s.tif: expected one picture, got 2 frames"):
        read_image(tmp_path / "s.tif")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_file_is_named(tmp_path, content):
    (tmp_path / "u.png").write_bytes(content)
    with pytest.raises(DataError, match="u.png: expected a readable picture"):
        read_image(tmp_path / "u.png")


def test_a_file_cut_short_is_refused(tmp_path, pictures):
    path = pictures.file(tmp_path / "c.png", pictures.image(0, (64, 64)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match="c.png"):
        read_image(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="gone.png: expected a picture, found no such file"):
        read_mask(tmp_path / "gone.png")


def test_the_mask_threshold_lies_above_127(tmp_path, pictures):
    path = pictures.file(tmp_path / "m.png", np.array([[0, 127, 128, 255]], np.uint8))
    assert read_mask(path).tolist() == [[False, False, True, True]]


def test_a_one_bit_mask_is_read(tmp_path, pictures):
    np.testing.assert_array_equal(read_mask(pictures.file(tmp_path / "m.png", pictures.mask(), mode="1")), pictures.mask())


def test_an_all_zero_mask_is_empty(tmp_path, pictures):
    assert not read_mask(pictures.file(tmp_path / "m.png", np.zeros((4, 4), np.uint8))).any()


def test_a_mask_of_zeros_and_ones_is_refused_with_instructions(tmp_path, pictures):
    with pytest.raises(DataError, match=r"m.png: .*got 0 and 1, which scores 0\.004.*Multiply by 255"):
        read_mask(pictures.file(tmp_path / "m.png", pictures.mask().astype(np.uint8)))


def test_a_mask_of_dark_labels_is_refused_instead_of_read_as_empty(tmp_path, pictures):
    with pytest.raises(DataError, match="values up to 2.*empty"):
        read_mask(pictures.file(tmp_path / "m.png", np.array([[0, 1, 2]], np.uint8)))


def test_sizes_are_compared_and_named(tmp_path, pictures):
    check_same_size(tmp_path / "i.png", pictures.image(0), tmp_path / "m.png", pictures.mask())
    with pytest.raises(DataError, match=r"m\.png: .*i\.png, 8 x 6 .*got 6 x 8"):
        check_same_size(tmp_path / "i.png", pictures.image(0), tmp_path / "m.png", pictures.mask((8, 6)))

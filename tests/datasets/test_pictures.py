"""Pictures and masks are read as what they show; anything unclear is refused by name, never guessed."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from prsbench.datasets.pictures import check_same_size, pixel_hash, read_image, read_mask, write_png
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
    with pytest.raises(DataError, match="d.tif: expected 8 bits per channel, got"):
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


def disc(x, y, radius, shape=(96, 96)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


ONE, OTHER = disc(27, 27, 12), disc(70, 70, 9)
BOTH = ONE | OTHER


def two_areas(one, other, ground=0):
    """A mask of two lesions with a grey level or colour each."""
    pixels = np.empty((96, 96, 3), np.uint8)
    pixels[:] = np.broadcast_to(ground, 3)
    pixels[ONE], pixels[OTHER] = one, other
    return pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_picture_and_a_mask_are_turned_as_their_exif_tag_says(tmp_path, orientation, suffix):
    shown = np.zeros((32, 48), np.uint8)
    shown[2:10, 4:30] = 255  # no symmetry
    undo = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose,
            6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, 3)}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"o.{suffix}"
    Image.fromarray(np.ascontiguousarray(undo(shown))).save(path, exif=exif, quality=95)
    np.testing.assert_array_equal(read_mask(path), shown > 127)
    np.testing.assert_array_equal(read_image(path)[..., 0] > 127, shown > 127)


def test_a_turned_picture_is_told_from_one_of_another_size(tmp_path, pictures):
    with pytest.raises(DataError, match="EXIF"):
        check_same_size(tmp_path / "i.png", pictures.image(0, (6, 8)), tmp_path / "m.png", pictures.mask((8, 6)))


def png_of_16_bits(colour_type, channels):
    """A PNG written by hand, because Pillow writes no colour of 16 bits."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + np.full(4 * channels, 999, ">u2").tobytes() for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bits_of_any_kind_of_png_are_refused_and_not_cut_to_8(tmp_path, colour_type, channels):
    (tmp_path / "d.png").write_bytes(png_of_16_bits(colour_type, channels))
    with pytest.raises(DataError, match="d.png: expected 8 bits per channel, got 16"):
        read_image(tmp_path / "d.png")


def test_16_bits_of_a_colour_tiff_are_refused(tmp_path):
    import tifffile  # comes with scikit-image

    tifffile.imwrite(tmp_path / "d.tif", np.full((8, 8, 3), 999, np.uint16), photometric="rgb")
    with pytest.raises(DataError, match="d.tif: expected 8 bits per channel, got 16"):
        read_image(tmp_path / "d.tif")


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_the_colours_it_shows(tmp_path, suffix):
    rgb = two_areas((200, 30, 40), (20, 160, 90), 128)
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / f"c.{suffix}", quality=95)
    for area, colour in ((disc(27, 27, 8), (200, 30, 40)), (disc(70, 70, 5), (20, 160, 90))):
        np.testing.assert_allclose(read_image(tmp_path / f"c.{suffix}")[area].mean(axis=0), colour, atol=8)


@pytest.mark.parametrize("kind", ["GIF", "PPM", "ICO", "EPS", "PDF"])
def test_only_the_formats_we_mean_are_opened_whatever_the_suffix_says(tmp_path, kind):
    Image.fromarray(two_areas(255, 255)).save(tmp_path / "x.png", format=kind)
    with pytest.raises(DataError, match=r"x.png: expected a readable picture \(PNG, JPEG, BMP, TIFF or WebP\)"):
        read_image(tmp_path / "x.png")


def test_the_suffix_may_be_wrong(tmp_path):
    Image.fromarray(two_areas(255, 255)).save(tmp_path / "x.jpg", format="PNG")
    np.testing.assert_array_equal(read_mask(tmp_path / "x.jpg"), BOTH)


def test_a_pipe_a_device_and_a_folder_are_refused_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "device.png", "folder.png"):
        with pytest.raises(DataError, match=f"{name}: expected a picture, found something that is no regular file"):
            read_image(tmp_path / name)


def test_a_picture_that_would_fill_the_memory_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.fromarray(two_areas(255, 255)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="bomb.png: .*decompression bomb"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize("save", [dict(format="PNG"), dict(format="WEBP", lossless=True), dict(format="TIFF")])
def test_several_frames_are_refused_in_every_format(tmp_path, save):
    frames = [Image.fromarray(two_areas(level, 255)) for level in (10, 255)]
    frames[0].save(tmp_path / "s.png", save_all=True, append_images=frames[1:], **save)
    with pytest.raises(DataError, match="s.png: expected one picture, got 2 frames"):
        read_image(tmp_path / "s.png")


@pytest.mark.parametrize("alone", ["alpha", "grey and alpha"])
def test_a_mask_that_lies_in_the_alpha_channel_is_refused(tmp_path, alone):
    level = np.uint8(255) * BOTH
    Image.fromarray(np.dstack([level, level] if alone != "alpha" else [0 * level] * 3 + [level])).save(tmp_path / "m.png")
    with pytest.raises(DataError, match="m.png: expected an opaque picture, got transparent pixels"):
        read_mask(tmp_path / "m.png")


def test_a_transparent_palette_entry_is_refused(tmp_path):
    image = Image.fromarray(np.uint8(255) * BOTH).convert("P")
    image.save(tmp_path / "m.png", transparency=0)
    with pytest.raises(DataError, match="transparent"):
        read_mask(tmp_path / "m.png")


@pytest.mark.parametrize("levels", [(255, 255), (200, 200), (128, 128), (250, 255), (255, 255, 2), (255, 255, 64)])
def test_one_grey_level_on_a_darker_one_is_a_mask(tmp_path, pictures, levels):
    np.testing.assert_array_equal(read_mask(pictures.file(tmp_path / "m.png", two_areas(*levels))), BOTH)


@pytest.mark.parametrize("levels", [(255, 128), (255, 2), (255, 40), (85, 170), (127, 254), (200, 255), (255, 255, 200)])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_areas_of_several_grey_levels_are_labels_and_refused_by_name(tmp_path, pictures, levels, mode):
    with pytest.raises(DataError, match="m.png: expected one grey level or colour on black, got areas of several grey levels"):
        read_mask(pictures.file(tmp_path / "m.png", two_areas(*levels)[..., 0], mode))


def test_a_small_or_touching_label_next_to_a_large_one_is_seen(tmp_path, pictures):
    around = np.where(disc(48, 48, 10), 255, np.where(disc(48, 48, 20), 2, 0)).astype(np.uint8)
    small = np.where(ONE, 255, np.where(disc(70, 70, 2), 128, 0)).astype(np.uint8)
    for name, labels in (("around.png", around), ("small.png", small)):
        with pytest.raises(DataError, match=f"{name}: .*several grey levels"):
            read_mask(pictures.file(tmp_path / name, labels))


def test_dark_traces_at_the_edge_of_a_lesion_are_black(tmp_path, pictures):
    """As in five of 179 masks of CVC-ClinicDB: some tens of pixels of level 11 or 21 beside the polyp."""
    level = np.uint8(255) * ONE
    level[20:24, 40:44] = 11
    np.testing.assert_array_equal(read_mask(pictures.file(tmp_path / "m.png", level)), ONE)


@pytest.mark.parametrize("colours", [((255, 0, 0), (255, 0, 0)), ((128, 0, 0), (128, 0, 0)), ((255, 255, 0), (255, 255, 0))])
@pytest.mark.parametrize(("suffix", "differing"), [("png", 0), ("jpg", 5)])
def test_one_colour_on_black_is_a_mask(tmp_path, colours, suffix, differing):
    Image.fromarray(two_areas(*colours)).save(tmp_path / f"m.{suffix}", quality=92)
    assert (read_mask(tmp_path / f"m.{suffix}") != BOTH).sum() <= differing


@pytest.mark.parametrize(
    "colours",
    [
        ((255, 0, 0), (0, 255, 0)),
        ((128, 0, 0), (0, 128, 0)),
        ((255, 0, 0), (255, 255, 255)),
        ((255, 255, 0), (0, 255, 255)),
        ((255, 0, 0), (255, 0, 0), (0, 0, 255)),
        ((255, 0, 0), (255, 0, 0), (255, 255, 255)),
    ],
)
@pytest.mark.parametrize("save", [dict(format="PNG"), dict(format="JPEG", quality=92)])
def test_several_colours_are_refused_by_name(tmp_path, colours, save):
    Image.fromarray(two_areas(*colours)).save(tmp_path / "m.png", **save)
    with pytest.raises(DataError, match="m.png: expected one grey level or colour on black, got areas of several colours"):
        read_mask(tmp_path / "m.png")


def test_a_palette_that_shows_all_labels_black_is_refused_and_not_read_as_empty(tmp_path):
    image = Image.frombytes("P", (96, 96), BOTH.astype(np.uint8).tobytes())
    image.putpalette([0] * 6)
    image.save(tmp_path / "m.png")
    with pytest.raises(DataError, match="m.png: expected a mask, got palette entries of one colour"):
        read_mask(tmp_path / "m.png")


@given(
    radius=st.integers(4, 30),
    change=st.one_of(
        st.tuples(st.just("JPEG"), st.integers(30, 100)),
        st.tuples(st.just("WEBP"), st.integers(30, 100)),
        st.tuples(st.just("blur"), st.integers(1, 3)),
        st.tuples(st.just("resize"), st.integers(20, 400)),
    ),
)
def test_a_mask_with_the_grey_edges_of_jpeg_or_of_resizing_is_cut_at_127(tmp_path_factory, radius, change):
    kind, amount = change
    image = Image.fromarray(np.uint8(255) * disc(40, 50, radius))
    if kind == "blur":
        image = image.filter(ImageFilter.GaussianBlur(amount))
    elif kind == "resize":
        image = image.resize((amount, amount), Image.Resampling.BICUBIC)
    else:
        image.save(stream := io.BytesIO(), format=kind, quality=amount)
        image = Image.open(stream).convert("L")
    path = tmp_path_factory.getbasetemp() / "edges.png"
    image.save(path)
    np.testing.assert_array_equal(read_mask(path), np.asarray(image) > 127)


def test_equal_pixels_have_one_hash_in_any_format_and_a_picture_of_one_colour_has_none(tmp_path, pictures):
    image = pictures.image(0)
    files = [pictures.file(tmp_path / name, image) for name in ("a.png", "a.bmp", "a.tif")]
    assert {pixel_hash(read_image(path)) for path in files} == {pixel_hash(image)}
    assert pixel_hash(image) != pixel_hash(image.reshape(8, 6, 3))
    assert pixel_hash(np.full((6, 8, 3), (1, 2, 3), np.uint8)) is None


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_file_that_was_cut_is_refused(tmp_path, pictures, suffix, share):
    path = pictures.file(tmp_path / f"c.{suffix}", pictures.image(0, (64, 80)))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=f"c.{suffix}: expected a readable picture"):
        read_image(path)

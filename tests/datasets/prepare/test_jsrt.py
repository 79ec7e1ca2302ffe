"""JSRT: raw images, masks in GIF."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from prsbench.datasets.prepare.jsrt import SOURCE
from prsbench.datasets.prepare.layout import find
from prsbench.harness.contract.errors import DataError


@pytest.fixture
def archive(tmp_path):
    raw = np.zeros((2048, 2048), ">u2")
    raw[:1024] = 4095
    raw[0, 0] = 4091  # one of the four that become one pixel
    (tmp_path / "All247images").mkdir()
    raw.tofile(tmp_path / "All247images/JPCLN001.IMG")
    for side, columns in (("left", slice(600, 700)), ("right", slice(100, 200))):
        mask = np.zeros((1024, 1024), np.uint8)
        mask[300:400, columns] = 255
        folder = tmp_path / f"scr/fold1/masks/{side} lung"
        folder.mkdir(parents=True)
        Image.fromarray(mask).save(folder / "JPCLN001.gif")
    (tmp_path / "scr/fold1/masks/heart").mkdir()
    Image.fromarray(np.full((1024, 1024), 255, np.uint8)).save(tmp_path / "scr/fold1/masks/heart/JPCLN001.gif")
    return tmp_path


def test_big_endian_numbers_become_inverted_grey_levels_at_the_masks_size(archive):
    (item,) = find(SOURCE, archive)
    image, mask = item.load()
    assert item.stem == item.group == "JPCLN001" and image.shape == (1024, 1024, 3)
    assert image[1, 1].tolist() == [0, 0, 0] and image[-1, -1].tolist() == [255, 255, 255]
    assert image[0, 0, 0] == round(255 - (3 * 4095 + 4091) / 4 * 255 / 4095)
    assert mask.sum() == 2 * 100 * 100 and mask[350, 650] and mask[350, 150]


def test_a_cut_image_a_value_of_more_than_12_bits_and_a_broken_mask_are_refused(archive):
    (item,) = find(SOURCE, archive)
    path = archive / "All247images/JPCLN001.IMG"
    raw = path.read_bytes()
    path.write_bytes(raw[:-2])
    with pytest.raises(DataError, match="expected 8388608 bytes, got 8388606"):
        item.load()
    path.write_bytes(b"\xff\xff" + raw[2:])
    with pytest.raises(DataError, match="expected values up to 4095, got 65535"):
        item.load()
    path.write_bytes(raw)
    Image.new("L", (512, 512)).save(archive / "scr/fold1/masks/left lung/JPCLN001.gif")
    with pytest.raises(DataError, match="expected 1024 x 1024 pixels, got 512 x 512"):
        item.load()
    (archive / "scr/fold1/masks/left lung/JPCLN001.gif").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match="expected a mask in GIF"):
        item.load()

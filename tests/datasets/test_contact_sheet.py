"""The contact sheet: pictures spread over every split, masks outlined, faults in the place of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from prsbench.datasets.contact_sheet import ACROSS, FAULT, GAP, OUTLINE, SIDE, TITLE, _write, write_contact_sheet
from prsbench.datasets.official_reader import open_root
from prsbench.harness.cli.main import main
from prsbench.harness.contract.errors import ConfigError


def pixels_of(path, colour):
    with Image.open(path) as sheet:
        return (np.asarray(sheet) == colour).all(axis=2)


def test_every_split_shows_so_many_of_its_pictures_and_the_same_root_gives_the_same_sheet(root, tmp_path):
    (dataset,) = open_root(root)
    n_pictures = [len(set(dataset.columns.of_split(split).column("mask"))) for split in dataset.splits]
    assert write_contact_sheet(root, tmp_path / "a.png", 3) == sum(min(3, n) for n in n_pictures)
    assert write_contact_sheet(root, tmp_path / "all.png", 50) == sum(n_pictures) == 12
    write_contact_sheet(root, tmp_path / "b.png", 3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_outline_lies_around_the_mask_of_the_first_picture(root, tmp_path):
    write_contact_sheet(root, tmp_path / "sheet.png")
    first = open_root(root)[0].samples("train")[0]
    scale = SIDE / max(first.truth.mask.shape)
    box = pixels_of(tmp_path / "sheet.png", OUTLINE)[TITLE : TITLE + SIDE, GAP : GAP + SIDE]
    rows, cols = np.nonzero(box)
    top = (SIDE - first.truth.mask.shape[0] * scale) / 2
    assert rows.max() == pytest.approx(top + (np.nonzero(first.truth.mask)[0].max() + 1) * scale, abs=1.5)
    assert cols.max() == pytest.approx((np.nonzero(first.truth.mask)[1].max() + 1) * scale, abs=1.5)


def test_a_broken_picture_has_its_error_in_its_place_and_the_others_are_shown(root, tmp_path):
    open_root(root)[0].rows[0].files[0].write_bytes(b"broken")
    assert write_contact_sheet(root, tmp_path / "sheet.png", 50) == 12
    assert pixels_of(tmp_path / "sheet.png", FAULT).any() and pixels_of(tmp_path / "sheet.png", OUTLINE).any()


def test_a_line_holds_no_more_than_it_has_room_for(root, tmp_path):
    write_contact_sheet(root, tmp_path / "sheet.png", 50)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == GAP + ACROSS * (SIDE + GAP)


@pytest.mark.parametrize("text", ["word " * 200, "W" * 500, "a\nb", "\u00e9\u4e2d" * 90, ""])
def test_long_texts_are_cut_to_their_lines(text):
    tile = Image.new("RGB", (2 * SIDE, 100), "white")
    _write(ImageDraw.Draw(tile), text, 0, 2, (0, 0, 0))
    written = np.asarray(tile).min(axis=2) < 128
    assert not written[:, SIDE + 3 :].any() and not written[34:].any()


@pytest.mark.parametrize("n", [0, 51])
def test_no_picture_or_too_many_is_refused(root, tmp_path, n):
    with pytest.raises(ConfigError, match="1 to 50"):
        write_contact_sheet(root, tmp_path / "sheet.png", n)


def test_the_command_writes_the_sheet_and_says_where(root, tmp_path, capsys):
    assert main(["data", "show", str(root), "--to", str(tmp_path / "sheet.png")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'sheet.png'}: 10 pictures.\n"
    assert main(["data", "show", str(tmp_path / "nowhere"), "--to", str(tmp_path / "other.png")]) == 2

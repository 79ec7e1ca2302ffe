"""Label masks: every value has a stated meaning, or the mask is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from prsbench.datasets.pictures import Labels
from prsbench.harness.contract.errors import ConfigError, DataError

VALUES = np.array([[0, 1, 2], [3, 255, 0]], np.uint8)
COLOURS = np.array([[[0, 0, 0], [255, 0, 0], [0, 255, 0]]], np.uint8)


def saved(path, image):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)
    return path


def test_stated_values_are_foreground_and_ignored_ones_background(tmp_path):
    labels = Labels(("1", "2"), ("3", "255"))
    mask = labels.read(saved(tmp_path / "m.png", VALUES))
    assert mask.tolist() == [[False, True, True], [False, False, False]]
    assert labels.ignored_share == pytest.approx(2 / 6) and labels.unseen == []


def test_a_value_without_meaning_is_named_with_its_pixels(tmp_path):
    with pytest.raises(DataError, match=r"m.png: expected the values 0, 1, 2, got also 3 \(1 px\), 255 \(1 px\). Add each"):
        Labels(("1", "2")).read(saved(tmp_path / "m.png", VALUES))


def test_a_foreground_value_that_no_mask_has_is_known(tmp_path):
    labels = Labels(("1", "7"), ("2", "3", "255"))
    labels.read(saved(tmp_path / "m.png", VALUES))
    assert labels.unseen == ["7"]


def test_palette_indices_count_and_not_their_colours(tmp_path):
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    path = saved(tmp_path / "p.png", palette)
    assert Labels(("1",), ("2",)).read(path).tolist() == [[False, True, False]]
    assert Labels(("#008000",), ("#800000",)).read(path).tolist() == [[False, False, True]]


def test_class_colours_are_stated_as_in_html(tmp_path):
    path = saved(tmp_path / "c.png", COLOURS)
    assert Labels(("#FF0000",), ("#00ff00",)).read(path).tolist() == [[False, True, False]]
    with pytest.raises(DataError, match=r"got also #00ff00 \(1 px\)"):
        Labels(("#ff0000",)).read(path)
    with pytest.raises(DataError, match="got colours. State"):
        Labels(("1",)).read(path)


def test_labels_of_16_bits_and_grey_rgb_are_read(tmp_path):
    assert Labels(("300",)).read(saved(tmp_path / "deep.png", np.array([[0, 300]], np.uint16))).tolist() == [[False, True]]
    grey = np.repeat(np.array([[[0], [7]]], np.uint8), 3, axis=2)
    assert Labels(("7",)).read(saved(tmp_path / "grey.png", grey)).tolist() == [[False, True]]


def test_a_jpeg_holds_no_labels(tmp_path):
    path = saved(tmp_path / "m.jpg", np.ones((8, 8), np.uint8))
    with pytest.raises(DataError, match="got a JPEG, which changes values"):
        Labels(("1",)).read(path)
    assert not Labels((">127",)).read(path).any()


def test_a_limit_serves_masks_with_fractions():
    values = np.array([-3.5, 0.5, 0.51, 300.0])
    assert Labels((">0.5",)).of(values, "m").tolist() == [False, False, True, True]
    assert Labels(("0",), ("255",)).of(np.array([0, 255]), "inverted").tolist() == [True, False]
    with pytest.raises(DataError, match="m: expected whole numbers, got fractions"):
        Labels(("1",)).of(values, "m")


@pytest.mark.parametrize(
    ("foreground", "ignore"),
    [((), ()), (("x",), ()), (("-1",), ()), (("1", "#ff0000"), ()), (("1",), ("#ff0000",)), (("1",), ("01",)), ((">1", "2"), ()),
     (("#FF0000",), ("#ff0000",)), ((">1",), ("2",)), (("#ff00",), ())],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_at_once(foreground, ignore):
    with pytest.raises(ConfigError, match="--foreground"):
        Labels(foreground, ignore)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.sets(st.integers(1, 9), min_size=1), st.sets(st.integers(1, 9)))
def test_either_every_value_is_stated_or_the_mask_is_refused(values, foreground, ignore):
    ignore -= foreground
    labels = Labels(tuple(map(str, foreground)), tuple(map(str, ignore)))
    if set(values) <= {0} | foreground | ignore:
        assert labels.of(np.array(values), "m").tolist() == [value in foreground for value in values]
    else:
        with pytest.raises(DataError):
            labels.of(np.array(values), "m")

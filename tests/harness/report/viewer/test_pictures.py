"""Images and overlays of the viewer."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from prsbench.harness.report.viewer.pictures import image_file, prediction_overlay, shown_size, truth_overlay


def opened(data):
    return Image.open(BytesIO(data))


@pytest.mark.parametrize(
    ("size", "shown"),
    [((64, 80), (64, 80)), ((512, 512), (512, 512)), ((1024, 512), (512, 256)), ((3000, 2), (512, 1)), ((1, 5000), (1, 512))],
)
def test_a_picture_is_shrunk_to_512_pixels_and_never_enlarged(size, shown):
    assert shown_size(*size) == shown
    assert opened(image_file(np.zeros((*size, 3), np.uint8))).size == shown[::-1]
    assert opened(truth_overlay(np.ones(size, bool))).size == shown[::-1]


def test_an_image_keeps_its_colours_nearly():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = (200, 100, 50)
    kept = np.asarray(opened(image_file(image)).convert("RGB"), np.int64)
    assert np.abs(kept[:, 20:] - image[:, 20:]).max() < 12


def test_the_truth_is_an_outline_and_a_prediction_is_filled():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    truth, prediction = (np.asarray(opened(draw(mask)).convert("RGBA"))[..., 3] for draw in (truth_overlay, prediction_overlay))
    assert (truth[~mask] == 0).all() and (prediction[~mask] == 0).all()
    assert truth[20, 20] == 0 and 0 < prediction[20, 20] < 255
    assert truth[10, 20] == prediction[10, 20] == 255


def test_a_mask_that_fills_the_image_has_its_outline_at_the_border():
    alpha = np.asarray(opened(truth_overlay(np.ones((20, 20), bool))).convert("RGBA"))[..., 3]
    assert (alpha[0] == 255).all() and alpha[10, 10] == 0


def test_an_empty_mask_is_an_empty_overlay():
    assert not np.asarray(opened(prediction_overlay(np.zeros((700, 20), bool))).convert("RGBA"))[..., 3].any()


def test_a_single_pixel_survives_shrinking():
    mask = np.zeros((2048, 2048), bool)
    mask[1000, 1000] = True
    alpha = np.asarray(opened(truth_overlay(mask)).convert("RGBA"))[..., 3]
    assert alpha[250, 250] == 255 and (alpha > 0).sum() == 1

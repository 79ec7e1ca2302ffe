"""The phantoms as a data set: reproducible, never empty, with visible lesions of many sizes in all places."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
from prsbench.datasets.phantoms.drawing import DRAWINGS, Phantom, draw
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.position import ZONES, official_position, zone_of_centroid
from scipy import ndimage

DRAWS = 120
LUNGS = ("lung_ct", "lung_xray")
GREY = ("brain_mri", "breast_us", *LUNGS)
# (modality, index) of seed 0: mask pixels, mean level of the picture. A change here changes the numbers of every run on phantoms.
KNOWN = {
    ("brain_mri", 0): (334, 52.52),
    ("brain_mri", 1): (1116, 63.66),
    ("breast_us", 0): (2788, 88.93),
    ("breast_us", 1): (1760, 105.83),
    ("lung_ct", 0): (1270, 60.80),
    ("lung_ct", 1): (1016, 68.87),
    ("lung_xray", 0): (895, 127.85),
    ("lung_xray", 1): (457, 121.94),
    ("polyp_endoscopy", 0): (714, 106.95),
    ("polyp_endoscopy", 1): (3957, 119.34),
    ("skin_rgb", 0): (2253, 152.36),
    ("skin_rgb", 1): (3266, 140.29),
}


@pytest.fixture(scope="module", params=MODALITIES)
def drawn(request: pytest.FixtureRequest) -> tuple[str, list[Phantom]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return request.param, [draw(request.param, 1, index) for index in range(DRAWS)]


def digest(phantom: Phantom) -> str:
    return hashlib.sha256(phantom.image.tobytes() + phantom.mask.tobytes()).hexdigest()


def lesions(mask: np.ndarray) -> np.ndarray:
    """Pixels of each 8-connected piece."""
    return np.bincount(ndimage.label(mask, structure=np.ones((3, 3)))[0].ravel())[1:]


def test_every_modality_of_the_contract_can_be_drawn():
    assert set(DRAWINGS) == set(MODALITIES)


def test_another_process_draws_the_same_bytes():
    code = (
        "import hashlib\n"
        "from prsbench.datasets.phantoms.drawing import DRAWINGS, draw\n"
        "for m in DRAWINGS:\n"
        "    p = draw(m, 3, 5)\n"
        "    print(hashlib.sha256(p.image.tobytes() + p.mask.tobytes()).hexdigest())\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == [digest(draw(modality, 3, 5)) for modality in DRAWINGS]


@pytest.mark.parametrize(("modality", "index"), KNOWN)
def test_known_pictures_stay_what_they_were(modality, index):
    phantom = draw(modality, 0, index)
    pixels, level = KNOWN[modality, index]
    assert abs(int(phantom.mask.sum()) - pixels) <= 2
    assert phantom.image.mean() == pytest.approx(level, abs=0.05)


@pytest.mark.parametrize("modality", MODALITIES)
def test_seed_and_index_each_change_the_picture(modality):
    assert len({digest(draw(modality, seed, index)) for seed in (0, 1) for index in (0, 1)}) == 4


def test_a_picture_does_not_depend_on_those_drawn_before():
    alone = digest(draw("skin_rgb", 4, 9))
    draw("skin_rgb", 4, 8)
    np.random.default_rng(0).random(5)
    assert digest(draw("skin_rgb", 4, 9)) == alone


def test_an_unknown_modality_is_named_with_the_nearest_known_one():
    with pytest.raises(ConfigError, match="No modality is called 'brain_mrt'. Did you mean 'brain_mri'"):
        draw("brain_mrt", 0, 0)


def test_pictures_are_eight_bit_colour_at_the_modality_s_size(drawn):
    modality, phantoms = drawn
    shape = DRAWINGS[modality].SHAPE
    for phantom in phantoms:
        assert (phantom.image.shape, phantom.image.dtype) == ((*shape, 3), np.uint8)
        assert (phantom.mask.shape, phantom.mask.dtype) == (shape, np.bool_)
        assert (np.ptp(phantom.image, axis=2) == 0).all() == (modality in GREY)


def test_no_picture_repeats(drawn):
    assert len({digest(phantom) for phantom in drawn[1]}) == DRAWS


def test_every_lesion_is_large_enough_to_see_and_none_fills_the_picture(drawn):
    for phantom in drawn[1]:
        assert lesions(phantom.mask).min() >= 50  # about 8 px across
        assert phantom.mask.mean() <= 0.3


def test_lesions_come_in_many_sizes(drawn):
    areas = np.array([phantom.mask.mean() for phantom in drawn[1]])
    assert np.quantile(areas, 0.1) < 0.025
    assert np.quantile(areas, 0.9) > 0.04


def test_one_or_two_lesions_in_about_the_promised_shares(drawn):
    modality, phantoms = drawn
    counts = Counter(len(lesions(phantom.mask)) for phantom in phantoms)
    assert set(counts) == {1, 2}
    expected = 0.35 if modality in LUNGS else 0.17
    assert abs(counts[2] / DRAWS - expected) < 0.12  # over three standard errors


def test_lesions_lie_in_every_zone(drawn):
    modality, phantoms = drawn
    official = Counter(official_position(phantom.mask)[0] for phantom in phantoms)
    centroids = Counter(zone_of_centroid(phantom.mask) for phantom in phantoms)
    for zone in ZONES:
        assert official[zone] >= 0.08 * DRAWS, official
        assert centroids[zone] >= (1 if modality in LUNGS and zone == "center" else 0.08 * DRAWS), centroids


def test_lesions_lie_near_and_far_from_the_centre(drawn):
    labels = [official_position(phantom.mask) for phantom in drawn[1]]
    near = [is_near for zone, is_near in labels if zone != "center"]
    assert 0.15 < np.mean(near) < 0.6


def test_lesions_differ_from_the_tissue_around_them(drawn):
    """Compare pixel by pixel, after smoothing out the speckle: the ring may be dark lung in part and bright wall in part."""
    contrasts = []
    for phantom in drawn[1]:
        rim = phantom.mask & ~ndimage.binary_erosion(phantom.mask, iterations=4)
        ring = ndimage.binary_dilation(phantom.mask, iterations=6) & ~ndimage.binary_dilation(phantom.mask, iterations=2)
        smooth = ndimage.gaussian_filter(phantom.image.astype(float), (1.5, 1.5, 0))
        contrasts.append(np.abs(smooth[ring] - smooth[rim].mean(axis=0)).mean(axis=0).max())
    assert min(contrasts) > 12  # of 255
    assert np.median(contrasts) > 25

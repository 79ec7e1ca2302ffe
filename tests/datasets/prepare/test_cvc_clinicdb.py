"""CVC-ClinicDB: frames of one video stay together."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.cvc_clinicdb import FIRST_FRAMES, SOURCE, sequence_of
from prsbench.datasets.prepare.layout import find
from prsbench.harness.contract.errors import DataError


def test_the_29_sequences_cover_all_frames_and_cut_where_published():
    groups = [sequence_of(str(frame)) for frame in range(1, 613)]
    assert len(FIRST_FRAMES) == len(set(groups)) == 29
    assert groups == sorted(groups)
    for last, first in ((25, 26), (67, 68), (103, 104), (205, 206), (383, 384), (591, 592)):
        assert sequence_of(str(last)) != sequence_of(str(first))
    assert sequence_of("592") == sequence_of("612") == "sequence-29"


@pytest.mark.parametrize("frame", ["0", "613", "x", "-1", "1.5"])
def test_a_foreign_frame_is_refused(frame):
    with pytest.raises(DataError, match="expected a number from 1 to 612"):
        sequence_of(frame)


@pytest.mark.parametrize("folder", ["PNG", "CVC-ClinicDB/TIF"])
def test_frames_are_paired_and_grey_mask_edges_are_cut_at_127(tmp_path, put, loaded, pictures, folder):
    suffix = folder[-3:].lower()
    put(f"{folder}/Original/26.{suffix}", seed=26)
    grey = np.repeat(np.array([[[0], [100], [128], [255]]], np.uint8), 3, axis=2)
    put(f"{folder}/Ground Truth/26.{suffix}", np.tile(grey, (6, 2, 1)))
    ((stem, (group, image, mask)),) = loaded(find(SOURCE, tmp_path)).items()
    assert (stem, group) == ("26", "sequence-02")
    np.testing.assert_array_equal(image, pictures.image(26))
    assert mask[0].tolist() == [False, False, True, True] * 2


def test_a_frame_and_its_mask_may_be_spelled_otherwise(tmp_path, put, loaded, pictures):
    put("PNG/Original/1.tif")
    put("PNG/ground truth/1.PNG", pictures.mask())
    put("PNG/Original/._1.png")
    assert list(loaded(find(SOURCE, tmp_path))) == ["1"]

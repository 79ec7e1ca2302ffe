"""maps.bin: every map comes back, cuts and damage are seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.engine.store.prediction_maps import MAPS, append_maps, cut_back, each_map, read_map
from prsbench.metrics.mask.grey import grey_maps

BELOW_HALF = np.nextafter(np.float32(0.5), np.float32(0))
EDGES = [np.array(rows, np.float32) for rows in ([[0.5, BELOW_HALF]], [[0, 1]], [[1e-7, 1e-7]], [[1e-7, 2e-7]])]


def maps(*numbers):
    return {number: grey_maps(np.random.default_rng(number).random((5, 4), np.float32)) for number in numbers}


def plain(found):
    return [(number, each.raw.tolist(), each.stretched.tolist()) for number, each in found]


@given(probability=st.sampled_from(EDGES) | arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)))
def test_both_maps_come_back_as_they_were_and_tell_which_side_of_a_half_each_pixel_was_on(probability, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell")
    kept = {0: grey_maps(probability), 7: grey_maps(1 - probability)}
    append_maps(folder, kept)
    assert plain(each_map(folder)) == plain(kept.items())
    assert np.array_equal(dict(each_map(folder))[0].mask, probability >= 0.5)
    found = read_map(folder, 0)
    assert found.dtype == np.float32 and np.abs(found - probability).max() <= 0.5 / 255 + 1e-7
    assert np.array_equal(found >= 0.5, probability >= 0.5)


def test_a_sample_without_a_map_and_a_cell_without_maps_are_none(tmp_path):
    assert read_map(tmp_path, 0) is None and list(each_map(tmp_path)) == []
    append_maps(tmp_path, {})
    assert not (tmp_path / MAPS).exists()
    append_maps(tmp_path, maps(0, 2))
    assert read_map(tmp_path, 1) is None and read_map(tmp_path, 2) is not None


@given(data=st.data())
def test_maps_cut_anywhere_behind_the_last_prediction_end_as_if_nothing_had_happened(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell")
    append_maps(folder, maps(0, 1))
    kept = (folder / MAPS).read_bytes()
    append_maps(folder, maps(2, 3))
    whole = (folder / MAPS).read_bytes()
    (folder / MAPS).write_bytes(whole[: data.draw(st.integers(len(kept), len(whole)))])
    cut_back(folder, [0, 1])
    append_maps(folder, maps(2, 3))
    assert (folder / MAPS).read_bytes() == whole


def test_a_map_missing_under_a_prediction_is_an_error(tmp_path):
    cut_back(tmp_path, [])
    append_maps(tmp_path, maps(0))
    with pytest.raises(RunFolderError, match="expected the maps of 2 samples, got 1"):
        cut_back(tmp_path, [0, 1])


def test_a_damaged_map_is_an_error_that_names_its_sample(tmp_path):
    append_maps(tmp_path, maps(0, 1))
    data = bytearray((tmp_path / MAPS).read_bytes())
    data[-5] ^= 1
    (tmp_path / MAPS).write_bytes(data)
    assert read_map(tmp_path, 0) is not None
    with pytest.raises(RunFolderError, match="map of sample 1 is damaged"):
        read_map(tmp_path, 1)
    with pytest.raises(RunFolderError, match="map of sample 1 is damaged"):
        list(each_map(tmp_path))

"""maps.bin: every map comes back, cuts and damage are seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.engine.maps import MAPS, append_maps, cut_back, read_map


def maps(*numbers):
    return {number: np.random.default_rng(number).random((5, 4)).astype(np.float32) for number in numbers}


@given(probability=arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)))
def test_a_map_comes_back_to_16_bits_and_which_side_of_a_half_each_pixel_is_on_exactly(probability, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell")
    append_maps(folder, {0: probability, 1: np.nextafter(np.full((1, 2), 0.5, np.float32), 0)})
    found = read_map(folder, 0)
    assert found.dtype == np.float32 and np.abs(found - probability).max() <= 0.5 / 65535 + 1e-7
    assert np.array_equal(found >= 0.5, probability >= 0.5)
    assert not (read_map(folder, 1) >= 0.5).any(), "the largest number below a half"


def test_a_sample_without_a_map_and_a_cell_without_maps_are_none(tmp_path):
    assert read_map(tmp_path, 0) is None
    append_maps(tmp_path, {})
    assert not (tmp_path / MAPS).exists()
    append_maps(tmp_path, maps(0, 2))
    assert read_map(tmp_path, 1) is None and read_map(tmp_path, 2) is not None


@given(data=st.data())
def test_maps_cut_anywhere_behind_the_last_record_end_as_if_nothing_had_happened(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell")
    append_maps(folder, maps(0, 1))
    kept = (folder / MAPS).read_bytes()
    append_maps(folder, maps(2, 3))
    whole = (folder / MAPS).read_bytes()
    (folder / MAPS).write_bytes(whole[: data.draw(st.integers(len(kept), len(whole)))])
    cut_back(folder, [0, 1])
    append_maps(folder, maps(2, 3))
    assert (folder / MAPS).read_bytes() == whole


def test_a_map_missing_under_a_record_is_an_error(tmp_path):
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

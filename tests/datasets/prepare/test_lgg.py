"""LGG: slices of a patient stay together."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.layout import find
from prsbench.datasets.prepare.lgg import SOURCE
from prsbench.harness.contract.errors import DataError


def test_slices_are_paired_and_grouped_by_patient(tmp_path, put, loaded, pictures):
    for patient in ("TCGA_A", "TCGA_B"):
        for number in (1, 12):
            put(f"kaggle_3m/{patient}/{patient}_{number}.tif", seed=number)
            put(f"kaggle_3m/{patient}/{patient}_{number}_mask.tif", pictures.mask(rows=number % 5))
    (tmp_path / "kaggle_3m/data.csv").write_text("Patient\n")
    items = loaded(find(SOURCE, tmp_path))
    assert {stem: item[0] for stem, item in items.items()} == {
        "TCGA_A_1": "TCGA_A", "TCGA_A_12": "TCGA_A", "TCGA_B_1": "TCGA_B", "TCGA_B_12": "TCGA_B",
    }  # fmt: skip
    np.testing.assert_array_equal(items["TCGA_B_12"][1], pictures.image(12))
    np.testing.assert_array_equal(items["TCGA_B_12"][2], pictures.mask(rows=2))


def test_a_lonely_image_and_a_lonely_mask_are_both_reported(tmp_path, put, pictures):
    put("kaggle_3m/P/P_1.tif")
    put("kaggle_3m/P/P_2_mask.tif", pictures.mask())
    lonely_image, lonely_mask = find(SOURCE, tmp_path)
    with pytest.raises(DataError, match="P_1.tif: expected a mask, as in <case>/<stem>_mask.tif, found none"):
        lonely_image.load()
    with pytest.raises(DataError, match="P_2_mask.tif: expected its image, as in <case>/<stem>.tif, found none"):
        lonely_mask.load()


def test_suffixes_of_any_spelling_are_taken(tmp_path, put, loaded, pictures):
    for number, suffix in enumerate(("tif", "TIF", "tiff", "png")):
        put(f"kaggle_3m/P{number}/P{number}_1.{suffix}")
        put(f"kaggle_3m/P{number}/P{number}_1_mask.{suffix}", pictures.mask())
    assert set(loaded(find(SOURCE, tmp_path))) == {"P0_1", "P1_1", "P2_1", "P3_1"}

"""PH2: one case folder, one lesion."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.layout import find
from prsbench.datasets.prepare.ph2 import SOURCE
from prsbench.harness.contract.errors import DataError

FOLDER = "PH2Dataset/PH2 Dataset images"


def test_the_bitmap_and_its_one_bit_lesion_are_paired(tmp_path, put, loaded, pictures):
    put(f"{FOLDER}/IMD002/IMD002_Dermoscopic_Image/IMD002.bmp", seed=2)
    put(f"{FOLDER}/IMD002/IMD002_lesion/IMD002_lesion.bmp", pictures.mask(), "1")
    put(f"{FOLDER}/IMD002/IMD002_roi/IMD002_R1_Label4.bmp", pictures.mask(rows=6), "1")
    ((stem, (group, image, mask)),) = loaded(find(SOURCE, tmp_path)).items()
    assert (stem, group) == ("IMD002", "IMD002")
    np.testing.assert_array_equal(image, pictures.image(2))
    np.testing.assert_array_equal(mask, pictures.mask())


def test_a_case_without_its_lesion_is_reported(tmp_path, put):
    put(f"{FOLDER}/IMD003/IMD003_Dermoscopic_Image/IMD003.bmp")
    (item,) = find(SOURCE, tmp_path)
    with pytest.raises(DataError, match="IMD003.bmp: expected a mask"):
        item.load()


def test_bitmaps_of_another_spelling_are_taken(tmp_path, put, loaded, pictures):
    put(f"{FOLDER}/IMD004/IMD004_Dermoscopic_Image/IMD004.BMP")
    put(f"{FOLDER}/IMD004/IMD004_lesion/IMD004_lesion.png", pictures.mask())
    assert list(loaded(find(SOURCE, tmp_path))) == ["IMD004"]

"""HAM10000: images of one lesion stay together."""

from __future__ import annotations

import pytest
from prsbench.datasets.prepare.ham10000 import SOURCE
from prsbench.datasets.prepare.layout import find
from prsbench.harness.contract.errors import DataError


@pytest.fixture
def archive(tmp_path, put, pictures):
    for part, image in ((1, "ISIC_0024306"), (2, "ISIC_0030000"), (2, "ISIC_0034000")):
        put(f"HAM10000_images_part_{part}/{image}.jpg")
        put(f"HAM10000_segmentations_lesion_tschandl/{image}_segmentation.png", pictures.mask())
    return tmp_path


@pytest.mark.parametrize(
    ("name", "delimiter"), [("HAM10000_metadata.csv", ","), ("HAM10000_metadata", ","), ("HAM10000_metadata.tab", "\t")]
)
def test_the_table_says_which_images_show_one_lesion(archive, name, delimiter):
    rows = [
        ("lesion_id", "image_id", "dx"),
        ("HAM_1", "ISIC_0024306", "nv"),
        ("HAM_1", "ISIC_0030000", "nv"),
        ("HAM_2", "ISIC_0034000", "mel"),
    ]
    (archive / name).write_text("\n".join(delimiter.join(row) for row in rows) + "\n")
    assert {item.stem: item.group for item in find(SOURCE, archive)} == {
        "ISIC_0024306": "HAM_1", "ISIC_0030000": "HAM_1", "ISIC_0034000": "HAM_2",
    }  # fmt: skip


def test_without_the_table_or_a_row_of_it_images_are_not_grouped_by_guess(archive):
    with pytest.raises(DataError, match="expected the table HAM10000_metadata"):
        list(find(SOURCE, archive))
    (archive / "HAM10000_metadata.csv").write_text("lesion_id,image_id\nHAM_1,ISIC_0024306\n")
    with pytest.raises(DataError, match="expected a row of image_id 'ISIC_0030000'"):
        list(find(SOURCE, archive))
    (archive / "HAM10000_metadata.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected a table with image_id and lesion_id"):
        list(find(SOURCE, archive))

"""Every source with a layout, on a tiny archive in its true layout; and on excerpts of the true archives where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from prsbench.datasets.catalog import SOURCES
from prsbench.datasets.prepare.layout import find
from prsbench.datasets.prepare.source import UNCONFIRMED

# (source, image, masks, what it is: stem, group, split). BUS-UCLM, HAM10000, JSRT and others have test files of their own.
TREES = [
    ("lgg", "kaggle_3m/TCGA_CS_1/TCGA_CS_1_7.tif", ["kaggle_3m/TCGA_CS_1/TCGA_CS_1_7_mask.tif"],
     ("TCGA_CS_1_7", "TCGA_CS_1", None)),
    ("busi", "Dataset_BUSI_with_GT/benign/benign (4).png", ["Dataset_BUSI_with_GT/benign/benign (4)_mask.png",
     "Dataset_BUSI_with_GT/benign/benign (4)_mask_1.png"], ("benign (4)", "benign (4)", None)),
    ("cvc-clinicdb", "PNG/Original/30.png", ["PNG/Ground Truth/30.png"], ("30", "sequence-02", None)),
    ("cvc-clinicdb", "TestDataset/CVC-ClinicDB/images/30.png", ["TestDataset/CVC-ClinicDB/masks/30.png"],
     ("30", "sequence-02", None)),
    ("cvc-colondb", "TestDataset/CVC-ColonDB/images/7.png", ["TestDataset/CVC-ColonDB/masks/7.png"], ("7", "7", "test")),
    ("cvc-colondb", "CVC-ColonDB/7.bmp", ["CVC-ColonDB/p7.bmp"], ("7", "7", "test")),
    ("etis", "TestDataset/ETIS-LaribPolypDB/images/7.png", ["TestDataset/ETIS-LaribPolypDB/masks/7.png"], ("7", "7", "test")),
    ("etis", "ETIS-LaribPolypDB/7.tif", ["Ground Truth/p7.tif"], ("7", "7", "test")),
    ("cvc-300", "TestDataset/CVC-300/images/149.png", ["TestDataset/CVC-300/masks/149.png"], ("149", "149", "test")),
    ("kvasir-seg", "Kvasir-SEG/images/cju0qkwl35piu0993l0dewei2.jpg", ["Kvasir-SEG/masks/cju0qkwl35piu0993l0dewei2.jpg"],
     ("cju0qkwl35piu0993l0dewei2", "cju0qkwl35piu0993l0dewei2", None)),
    ("isic2016", "ISBI2016_ISIC_Part1_Training_Data/ISIC_0000001.jpg",
     ["ISBI2016_ISIC_Part1_Training_GroundTruth/ISIC_0000001_Segmentation.png"], ("ISIC_0000001", "ISIC_0000001", None)),
    ("isic2017", "ISIC-2017_Test_v2_Data/ISIC_0012086.jpg",
     ["ISIC-2017_Test_v2_Part1_GroundTruth/ISIC_0012086_segmentation.png"], ("ISIC_0012086", "ISIC_0012086", None)),
    ("isic2018", "ISIC2018_Task1-2_Validation_Input/ISIC_0012255.jpg",
     ["ISIC2018_Task1_Validation_GroundTruth/ISIC_0012255_segmentation.png"], ("ISIC_0012255", "ISIC_0012255", None)),
    ("ph2", "PH2Dataset/PH2 Dataset images/IMD002/IMD002_Dermoscopic_Image/IMD002.bmp",
     ["PH2Dataset/PH2 Dataset images/IMD002/IMD002_lesion/IMD002_lesion.bmp"], ("IMD002", "IMD002", None)),
    ("montgomery", "MontgomerySet/CXR_png/MCUCXR_0001_0.png", ["MontgomerySet/ManualMask/leftMask/MCUCXR_0001_0.png",
     "MontgomerySet/ManualMask/rightMask/MCUCXR_0001_0.png"], ("MCUCXR_0001_0", "MCUCXR_0001_0", None)),
    ("shenzhen", "ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png", ["mask/CHNCXR_0001_0_mask.png"],
     ("CHNCXR_0001_0", "CHNCXR_0001_0", None)),
    ("covid-qu-ex", "Lung Segmentation Data/Lung Segmentation Data/Train/COVID-19/images/covid_1.png",
     ["Lung Segmentation Data/Lung Segmentation Data/Train/COVID-19/lung masks/covid_1.png"], ("covid_1", "covid_1", None)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "image", "masks", "expected"), TREES)
def test_an_archive_in_its_true_layout_is_read(tmp_path, put, pictures, name, image, masks, expected):
    put(image, seed=5)
    halves = [pictures.mask(), pictures.mask()[:, ::-1]][: len(masks)]
    for path, half in zip(masks, halves, strict=True):
        put(path, half)
    (item,) = find(SOURCES[name], tmp_path)
    assert (item.stem, item.group, item.split) == expected
    pixels, mask = item.load()
    assert pixels.shape == (6, 8, 3) and mask.shape == (6, 8)
    if not image.endswith(".jpg"):
        np.testing.assert_array_equal(pixels, pictures.image(5))
    if not masks[0].endswith(".jpg"):
        np.testing.assert_array_equal(mask, np.logical_or.reduce(halves))
    assert set(item.files) == {tmp_path / path for path in (image, *masks)}


@pytest.mark.parametrize("name", ["isic2016", "isic2017", "isic2018"])
def test_the_challenges_keep_their_own_splits(tmp_path, put, pictures, name):
    image, (mask,) = next((image, masks) for source, image, masks, _ in TREES if source == name)
    for number, split in enumerate(("Training", "Test")):
        for path, pixels in ((image, None), (mask, pictures.mask())):
            for other in ("Training", "Validation", "Test"):
                path = path.replace(f"_{other}_", f"_{split}_")
            put(path.replace("ISIC_00", f"ISIC_1{number}"), pixels)
    assert sorted((item.stem[5:7], item.split) for item in find(SOURCES[name], tmp_path)) == [("10", "train"), ("11", "test")]


def test_masks_of_lungs_are_not_mixed_with_those_of_infections(tmp_path, put, pictures):
    for part in ("Lung", "Infection"):
        for kind in ("images", "lung masks", "infection masks"):
            put(f"{part} Segmentation Data/Val/COVID-19/{kind}/covid_1.png", pictures.mask(rows=4 if kind == "lung masks" else 1))
    (item,) = find(SOURCES["covid-qu-ex"], tmp_path)
    assert item.load()[1].sum() == 12 and "Lung Segmentation Data" in str(item.files[0])


def test_superpixels_and_the_other_polyp_sets_are_not_taken(tmp_path, put, pictures):
    for name in ("ISIC_0012086.jpg", "ISIC_0012086_superpixels.png"):
        put(f"ISIC-2017_Test_v2_Data/{name}")
    put("ISIC-2017_Test_v2_Part1_GroundTruth/ISIC_0012086_segmentation.png", pictures.mask())
    assert len(list(find(SOURCES["isic2017"], tmp_path))) == 1
    for name in ("CVC-300", "CVC-ColonDB", "ETIS-LaribPolypDB", "Kvasir"):
        put(f"TestDataset/{name}/images/1.png")
        put(f"TestDataset/{name}/masks/1.png", pictures.mask())
    for source, folder in (("cvc-300", "CVC-300"), ("etis", "ETIS-LaribPolypDB"), ("cvc-colondb", "CVC-ColonDB")):
        (item,) = find(SOURCES[source], tmp_path)
        assert folder in str(item.files[0])


def test_every_source_says_what_it_is():
    for name, source in SOURCES.items():
        assert source.title and source.case, name
        if source.modality is not None:
            assert source.licence and len(source.citation) > 40 and source.url.startswith("http"), name
            assert source.images or source.cases, name
            assert UNCONFIRMED not in (source.citation, source.url), name


RAW = Path(os.environ.get("PRSBENCH_SHARED", Path(__file__).parents[4] / "shared")) / "data" / "raw"


@pytest.mark.parametrize(
    ("name", "folder", "images"),
    [("lgg", "lgg", 180), ("busi", "busi", 65), ("cvc-clinicdb", "cvc-clinicdb", 179), ("ph2", "ph2", 21),
     ("shenzhen", "shenzhen-cxr", 120)],
)  # fmt: skip
def test_excerpts_of_the_true_archives_are_read(name, folder, images):
    if not (RAW / folder).is_dir():
        pytest.skip(f"no excerpt of {name}: set PRSBENCH_SHARED to the folder that holds data/raw/{folder}")
    items = list(find(SOURCES[name], RAW / folder))
    assert len(items) == images
    for item in items[:: len(items) // 3]:
        image, mask = item.load()
        assert image.shape[:2] == mask.shape

"""From a mask's path to its image: the official rules, recorded from the official scripts."""

from __future__ import annotations

import pytest
from parity import goldens
from prsbench.datasets.official_table import image_candidates


@pytest.fixture(params=goldens("dataset_rules_golden"))
def golden(request):
    return request.param.json


def test_every_official_train_path_is_the_first_candidate(golden):
    # Other roots hold "train_masks" or "ISIC" themselves, which the official script rewrites too and this reader does not;
    # val and test rows the official train script leaves pointing at the mask.
    cases = [case for case in golden["train"] if case["data_path"] == "data" and "train_masks" in case["csv_image_path"]]
    assert len(cases) >= 9
    for case in cases:
        assert f"data/{image_candidates(case['csv_image_path'])[0]}" == case["image_path"]


def test_every_official_test_path_is_a_candidate(golden):
    for case in golden["test"]:
        # With back-slashes the official test script finds no modality; here they are slashes as in training.
        assert case["image_path_after_root"].replace("\\", "/") in image_candidates(case["csv_image_path"])


def test_no_candidate_is_ever_the_mask_itself(golden):
    for case in golden["train"] + golden["test"]:
        candidates = image_candidates(case["csv_image_path"])
        assert candidates and not any("_masks" in candidate for candidate in candidates)


def test_the_train_rule_comes_before_the_unchanged_name():
    assert image_candidates("skin_rgbimage/train_masks/IMD2_Segmentation.png")[:2] == [
        "skin_rgbimage/train_images/IMD2.png",
        "skin_rgbimage/train_images/IMD2_Segmentation.png",
    ]

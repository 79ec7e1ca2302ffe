"""The data card names source, licence, counts and defects; mlcroissant validates the metadata and reads the questions with it."""

from __future__ import annotations

import json
import logging

import pytest
from prsbench.datasets.catalog import prepare
from prsbench.datasets.data_card import write_data_card
from prsbench.datasets.official_reader import open_root


def test_the_card_counts_images_and_groups_and_says_that_an_archive_is_unknown(root, tmp_path):
    card = write_data_card(root, tmp_path)[0].read_text()
    assert "| brain_tumors_ct_scan | made | tumour | 8 | 2 | 2 | 6 | 32 |" in card
    assert "An archive that prsbench does not know: add its licence and citation here." in card


def test_the_card_of_a_known_archive_has_its_licence_citation_and_defects(pictures, tmp_path):
    for number in range(1, 60):
        pictures.file(tmp_path / "raw" / "PNG" / "Original" / f"{number}.png", pictures.image(number))
        pictures.file(tmp_path / "raw" / "PNG" / "Ground Truth" / f"{number}.png", pictures.mask())
    prepare("cvc-clinicdb", tmp_path / "raw", tmp_path / "data")
    card, croissant = (path.read_text() for path in write_data_card(tmp_path / "data", tmp_path / "data"))
    assert "Citation: Bernal et al." in card and "- Defect: Neighbouring frames are near duplicates." in card
    assert "Complete: 612 images, 29 groups" in card
    assert json.loads(croissant)["url"] == ["https://polyp.grand-challenge.org/CVCClinicDB/"]
    assert [dataset.name for dataset in open_root(tmp_path / "data")] == ["polyp_endoscopy"], "the files are no tables"


def test_mlcroissant_finds_no_fault_and_reads_every_question(root, caplog):
    mlcroissant = pytest.importorskip("mlcroissant")
    path = write_data_card(root, root)[1]
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=path)
        records = list(dataset.records("brain_tumors_ct_scan"))
    assert not dataset.metadata.ctx.issues.errors
    assert {warning.split('"')[1] for warning in dataset.metadata.ctx.issues.warnings} <= {"https://schema.org/datePublished"}
    (data,) = open_root(root)
    asked = [record["brain_tumors_ct_scan/question"].decode() for record in records]
    assert sorted(asked) == sorted(row.question for row in data.rows)


def test_the_same_root_gives_the_same_bytes(root, tmp_path):
    first, second = ([path.read_bytes() for path in write_data_card(root, tmp_path / name)] for name in "ab")
    assert first == second

"""Model and dataset cards: their YAML heads parse, and no number hides a failure or what the images are."""

from dataclasses import replace

import yaml
from prsbench.harness.report.exports.cards import dataset_card, model_cards


def head_of(card):
    _, head, body = card.split("---\n", 2)
    return yaml.safe_load(head), body


def test_a_model_card_has_an_index_of_results_by_data_set(cell):
    cells = [cell("cg_reasoner", (0.5, 0.7), modality) for modality in ("brain_mri", "lung_ct")] + [cell("oracle")]
    [(name, card)] = model_cards(cells, {"commit": "abc", "prsbench": "1", "digest": "d"}).items()
    head, body = head_of(card)
    [model] = head["model-index"]
    assert name == "synthetic-cg_reasoner" and model["name"] == "cg_reasoner" and len(model["results"]) == 2
    assert {"type": "dice@0.5", "name": "Dice@0.5", "value": 0.6} in model["results"][0]["metrics"]
    assert model["results"][0]["dataset"] == {"name": "brain_mri (SYNTHETIC)", "type": "brain_mri"}
    assert "SYNTHETIC" in body and "commit abc" in body and "2/2" in body


def test_numbers_with_failed_samples_are_not_in_the_index_but_in_the_text(cell):
    head, body = head_of(model_cards([cell("cg_reasoner", (0.5, 0.7), failed=(1,))], {})["synthetic-cg_reasoner"])
    assert head["model-index"][0]["results"] == [] and "[1 failed]" in body


def test_a_dataset_card_counts_samples_groups_and_questions(cell):
    cells = [cell("oracle", (0.5, 0.7, 0.9), groups=("a", "a", "b"), empty=(2,))]
    cells = [replace(cells[0], data_note="two images are in train and test")]
    head, body = head_of(dataset_card(cells))
    assert head["tags"] == ["synthetic"]
    assert "| brain_mri | brain_mri | synthetic | 3 | 2 | 1 | 1 | 64 x 64 | top left (2); no mask (1) |" in body
    assert "two images are in train and test" in body and "SYNTHETIC" in body


def test_text_of_a_run_is_no_markup_in_a_card(cell):
    body = dataset_card([replace(cell("oracle"), data_note="<img src=x> | *a*\nb")])
    assert r"&lt;img src=x> \| \*a\* b" in body

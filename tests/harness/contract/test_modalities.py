"""Every row of the table of modalities is distinct, and its nouns are understood wherever they are read."""

import pytest
from prsbench.harness.contract.modalities import ALL
from prsbench.methods.targets import target_named
from prsbench.metrics.text.position import parse

NOUNS = sorted({noun for modality in ALL for noun in (modality.target, modality.phantom_target)})


@pytest.mark.parametrize("field", ["name", "title", "short", "official_folder", "official_class"])
def test_no_two_modalities_share_a_name_a_folder_or_a_class(field):
    values = [value for modality in ALL if (value := getattr(modality, field)) is not None]
    assert len(set(values)) == len(values)


def test_the_official_classes_are_numbered_from_zero_without_a_gap():
    classes = [modality.official_class for modality in ALL if modality.official_class is not None]
    assert sorted(classes) == list(range(len(classes)))


@pytest.mark.parametrize("noun", NOUNS)
def test_a_target_is_read_from_a_question_and_its_absence_from_an_answer(noun):
    assert target_named(f"Where is the {noun}?", "") == noun
    assert parse(f"No {noun} is visible.").nothing

import pytest
from prsbench.harness.contract.catalog import resolve
from prsbench.methods.catalog import METHODS
from prsbench.methods.parts.sam.variants import VARIANTS
from prsbench.methods.parts.weights.exposure import TRAINING_DATA, Exposure, exposure, exposure_note, seen_by


def test_what_a_source_lists_is_yes_and_what_a_partial_list_leaves_out_is_unknown():
    assert exposure("sam_med2d", "CVC-ClinicDB") is Exposure.YES
    assert exposure("sam_med2d", "PH2") is Exposure.UNKNOWN
    assert exposure("sam_vit_b", "PH2") is Exposure.NO
    assert exposure("a checkpoint of nobody", "PH2") is Exposure.UNKNOWN


def test_every_row_of_the_family_has_its_exposure_note():
    for variant in VARIANTS:
        note = exposure_note(variant)
        assert note.startswith("pre-training exposure") and ("(" in note) == (variant in TRAINING_DATA)


def test_each_data_set_has_its_verdict_and_every_rival_its_note():
    note = exposure_note("sam_med2d")
    seen = "yes for Kvasir-SEG, CVC-ClinicDB (80 % of the images by its own split, which was not checked)"
    assert f"{seen}; unknown for LGG, BUSI, PH2, PRS-Med (MMRS) and all others (SAM-Med2D's" in note
    for name, entry in METHODS.items():
        config = resolve(entry.config).model_validate(dict(entry.defaults))
        if ".reference." not in entry.factory and not name.startswith(("cg_reasoner", "saved")):  # saved: the user states it
            assert any("exposure to the test data: " in note for note in resolve(entry.factory)(config).labels.notes), name


def test_a_source_that_lists_a_part_and_none_of_our_data_sets_leaves_it_unknown():
    assert exposure("lisa_7b", "PH2") is Exposure.UNKNOWN
    assert "unknown (LISA's public training data are photographs" in exposure_note("lisa_7b")


def test_the_labels_name_each_data_set_that_was_seen_with_its_part_and_source():
    seen = {data.dataset: data for data in seen_by("sam_med2d")}
    assert seen.keys() == {"Kvasir-SEG", "CVC-ClinicDB"}
    assert seen["CVC-ClinicDB"].split == "80 % of the images by its own split, which was not checked"
    assert seen["CVC-ClinicDB"].source.startswith("SAM-Med2D's data list")
    assert [data.split for data in seen_by("prs_med")] == ["the train split"]
    assert seen_by("lite_medsam") == seen_by("a checkpoint of nobody") == ()


@pytest.mark.parametrize("name", METHODS)
def test_no_row_says_in_a_note_that_its_weights_saw_data_which_its_labels_do_not_list(name):
    config = resolve(METHODS[name].config).model_validate(dict(METHODS[name].defaults))
    labels = resolve(METHODS[name].factory)(config).labels
    notes = " ".join(labels.notes)
    assert ("exposure to the test data: yes" in notes) == bool(labels.seen)
    assert all(data.dataset in notes and data.source in notes for data in labels.seen)

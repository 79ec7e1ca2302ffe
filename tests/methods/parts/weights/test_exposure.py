import pytest
from prsbench.harness.contract.catalog import resolve
from prsbench.methods.catalog import METHODS
from prsbench.methods.parts.sam.variants import VARIANTS
from prsbench.methods.parts.weights.exposure import TRAINING_DATA, Exposure, exposed_to, exposure, exposure_note


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


@pytest.mark.parametrize("checkpoint", sorted(TRAINING_DATA))
def test_what_a_note_says_was_seen_can_be_read_back(checkpoint):
    names = {name for data in TRAINING_DATA.values() for name in data.seen} - {"CXR Masks and Labels (Shenzhen, Montgomery)"}
    note = f"SAM's {exposure_note(checkpoint)}"
    assert set(exposed_to(["another note: yes for PH2", note], names)) == set(TRAINING_DATA[checkpoint].seen) & names
    assert exposed_to([note], ["cvc-clinicdb"]) == ["cvc-clinicdb"] * ("CVC-ClinicDB" in TRAINING_DATA[checkpoint].seen)

from prsbench.methods.exposure import RECORDS, Exposure, exposure, exposure_note
from prsbench.methods.sam_variants import VARIANTS


def test_what_a_source_lists_is_yes_and_what_a_partial_list_leaves_out_is_unknown():
    assert exposure("sam_med2d", "CVC-ClinicDB") is Exposure.YES
    assert exposure("sam_med2d", "PH2") is Exposure.UNKNOWN
    assert exposure("sam_vit_b", "PH2") is Exposure.NO
    assert exposure("a checkpoint of nobody", "PH2") is Exposure.UNKNOWN


def test_every_row_of_the_family_says_what_is_known_of_it():
    for variant in VARIANTS:
        note = exposure_note(variant)
        assert note.startswith("pre-training exposure") and ("(" in note) == (variant in RECORDS)


def test_a_source_that_lists_a_part_and_none_of_our_data_sets_leaves_it_unknown():
    assert exposure("lisa_7b", "PH2") is Exposure.UNKNOWN
    assert "unknown (LISA's public training data are photographs" in exposure_note("lisa_7b")

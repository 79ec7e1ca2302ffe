import pytest
from prsbench.datasets.questions import QUESTIONS_TEST, QUESTIONS_TRAIN, target_of
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.methods.targets import target_named


@pytest.mark.parametrize("modality", MODALITIES)
def test_it_reads_the_target_out_of_every_wording_the_harness_asks_in(modality):
    target = target_of(modality)
    for form in (*QUESTIONS_TRAIN, *QUESTIONS_TEST):
        verb = "are" if target.plural else "is"
        question = form.format(
            target=target.noun, image=target.image_noun, **{"is": verb, "Is": verb.capitalize(), "it_is": "it is"}
        )
        assert target_named(question, "another") == target.noun
        assert target_named("Where is it?", modality) == target_of(modality).noun


def test_the_target_in_the_question_precedes_the_default_and_only_complete_words_count():
    assert target_named("Is there a NODULE in the left lung?", "lung_ct") == "nodule"
    assert target_named("Where is the opacity?", "lung_xray") == "opacity"
    assert target_named("Where is the massive polyposis?", "retina") == "lesion"

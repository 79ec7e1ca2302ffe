"""What a row's note says of its training, by the configs and not by hand."""

import pytest
from prsbench.harness.contract.catalog import resolve
from prsbench.methods.catalog import METHODS
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.parts.training.config import AugmentationConfig, TrainingConfig
from prsbench.methods.parts.training.recipe import CG_REASONER, difference_note
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.supervised.config import SupervisedConfig


def config_of(row):
    entry = METHODS[row]
    return resolve(entry.config).model_validate(dict(entry.defaults))


TRAINED = [name for name, entry in METHODS.items() if issubclass(resolve(entry.config), TrainingConfig)]


def test_the_recipe_that_others_are_compared_with_is_cg_reasoners_own():
    assert CGReasonerConfig().recipe() == CG_REASONER
    assert difference_note(CGReasonerConfig()) == "recipe as CG-Reasoner's"


@pytest.mark.parametrize("row", TRAINED)
def test_a_row_says_that_its_batches_are_balanced_and_no_default_row_is(row):
    assert "evenly" not in str(config_of(row).recipe())
    balanced = config_of(row).model_copy(update={"balance_modalities": True})
    assert "images, evenly from the modalities" in difference_note(balanced)


@pytest.mark.parametrize("row", TRAINED)
def test_every_row_trained_here_states_all_parts_of_its_recipe(row):
    assert config_of(row).recipe().keys() == CG_REASONER.keys()


@pytest.mark.parametrize(
    ("row", "differs", "shares"),
    [
        ("unet", {"image encoder", "word dropout", "questions", "LoRA"}, {"views", "augmentation", "optimizer"}),
        ("unet_imagenet", {"word dropout", "questions", "LoRA"}, {"image encoder", "views", "augmentation"}),
        ("prs_med", {"image encoder", "views"}, {"augmentation", "word dropout", "questions", "LoRA", "optimizer"}),
        ("lisa_tiny", {"image encoder", "views", "LoRA"}, {"augmentation", "word dropout", "questions", "optimizer"}),
        ("pixellm_tiny", {"image encoder", "views", "LoRA"}, {"augmentation", "word dropout", "questions", "optimizer"}),
        ("medseg_r", {"image encoder", "views", "questions", "LoRA"}, {"augmentation", "word dropout", "optimizer"}),
    ],
)
def test_a_row_differs_in_these_parts_and_shares_the_others(row, differs, shares):
    recipe = config_of(row).recipe()
    assert {name for name in CG_REASONER if recipe[name] != CG_REASONER[name]} == differs
    assert differs | shares | {"image size", "batch", "augmentation", "optimizer", "views"} >= set(CG_REASONER)
    note = difference_note(config_of(row))
    assert note.startswith("differs from CG-Reasoner in: ") and all(f"{name} {recipe[name]} (" in note for name in differs)


def test_a_change_of_a_config_changes_the_note():
    assert "image size 64 px (128 px)" in difference_note(SupervisedConfig(network="unet", epochs=1, image_size_px=64))
    still = PRSMedConfig(augmentation=AugmentationConfig(shift=0.0), encoder_learning_rate=1e-4)
    note = difference_note(still)
    assert "shift 0, zoom" in note and "trained, from LiteMedSAM's weights" in note and "views" not in note


def test_the_image_augmentation_has_the_same_default_in_every_row():
    assert {config_of(row).recipe()["augmentation"] for row in TRAINED} == {CG_REASONER["augmentation"]}

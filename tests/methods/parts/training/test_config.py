"""Groups of keys in the configs of trainings, and the keys of earlier versions."""

import pytest
from prsbench.methods.catalog import METHODS
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.parts.training.config import TrainingConfig
from prsbench.methods.pixellm.config import PixelLMTinyConfig
from pydantic import ValidationError


def test_a_group_set_in_part_keeps_the_defaults_of_its_other_keys():
    losses = PixelLMTinyConfig(losses={"text_weight": 3.0}).losses
    assert (losses.text_weight, losses.bce_weight) == (3.0, PixelLMTinyConfig().losses.bce_weight) == (3.0, 4.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lora_rank": 8, "text_weight": 2.0}, "lora_rank is now lora.rank; text_weight is now losses.text_weight"),
        ({"backbone": "convnext_tiny"}, "backbone is now backbone.name"),
        ({"backbone_weights": None}, "backbone_weights is now backbone.weights"),
        ({"horizontal_flip": 0.0}, "horizontal_flip is now augmentation.horizontal_flip"),
    ],
)
def test_a_key_of_an_earlier_version_is_refused_and_its_new_place_named(given, message):
    with pytest.raises(ValidationError, match=message):
        CGReasonerConfig.model_validate(given)


def test_every_trained_row_comes_back_from_its_own_values():
    from prsbench.harness.contract.catalog import resolve

    for entry in METHODS.values():
        config = resolve(entry.config).model_validate(dict(entry.defaults))
        if isinstance(config, TrainingConfig):
            assert type(config).model_validate(config.model_dump(mode="json")) == config

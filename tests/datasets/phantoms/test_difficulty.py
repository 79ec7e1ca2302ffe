"""The difficulty of phantoms: at 0 the known pictures, above it the same masks under harder ones, each axis by itself."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from prsbench.datasets.phantoms.canvas import Canvas
from prsbench.datasets.phantoms.dataset import PhantomsConfig
from prsbench.datasets.phantoms.difficulty import Difficulty, Harder
from prsbench.datasets.phantoms.drawing import draw
from prsbench.datasets.phantoms.lesions import Spot
from prsbench.harness.contract.modalities import MODALITIES
from pydantic import ValidationError
from scipy import ndimage

AXES = tuple(Difficulty.model_fields)
SEED, INDEX = 7, 2_000_001
# sha256 of pictures and masks 0 to 5 of the seeds 0 and 7. A change here changes the numbers of every run on phantoms.
EASY = {
    "brain_mri": "5b759bab6f63145cc5b71f0e",
    "breast_us": "277eaf9b51ac85b9169765af",
    "lung_ct": "927e845bb110a251a961dde6",
    "lung_xray": "5f65d8d2217410d3cad4ba5b",
    "polyp_endoscopy": "a0b1e939b33ef2dc8f62366f",
    "skin_rgb": "ce8565cc0b8e5aaa3bdca9be",
}


def of(amount, *axes):
    return Difficulty(**dict.fromkeys(axes or AXES, amount))


DISC = (np.hypot(*(np.mgrid[:80, :80] - 40)) < 15).astype(float)  # a lesion of level 1 on 0


def harder(difficulty, number):
    """The disc's picture under a difficulty."""
    harder = Harder(lambda more: Canvas(DISC.shape, np.random.default_rng([number, *more])), difficulty)
    return harder.lesion(np.zeros_like(DISC), DISC, Spot(40, 40, 15))


def inner(picture):
    return picture[35:46, 35:46].mean()


@pytest.mark.parametrize("modality", MODALITIES)
def test_pictures_without_difficulty_are_byte_for_byte_what_they_were(modality):
    digest = hashlib.sha256()
    for seed in (0, 7):
        for index in range(6):
            phantom = draw(modality, seed, index)
            digest.update(phantom.image.tobytes() + phantom.mask.tobytes())
    assert digest.hexdigest()[:24] == EASY[modality]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("axis", AXES)
def test_every_axis_changes_the_picture_and_never_the_mask(modality, axis):
    easy, hard = draw(modality, SEED, INDEX), draw(modality, SEED, INDEX, None, of(1.0, axis))
    assert (hard.mask == easy.mask).all() and (hard.image != easy.image).any()
    assert (draw(modality, SEED, INDEX, None, of(1.0, axis)).image == hard.image).all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_axes_do_not_change_one_another(modality):
    """Away from the lesion, contrast and borders change nothing that the other axes draw."""
    others = draw(modality, SEED, INDEX, None, of(0.6, "texture", "noise", "confounders"))
    every = draw(modality, SEED, INDEX, None, of(0.6))
    far = ndimage.distance_transform_edt(~others.mask) > 60
    assert (others.image[far] == every.image[far]).mean() > 0.99  # a shadow reaches further


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_higher_difficulty_keeps_the_look_alikes_of_a_lower_one(modality):
    n_some, n_kept = 0, 0
    for index in range(4):
        easy, some, more = (draw(modality, SEED, index, None, of(amount, "confounders")).image for amount in (0.0, 0.4, 0.9))
        added = (some != easy).any(axis=2)
        n_some, n_kept = n_some + added.sum(), n_kept + (more != easy).any(axis=2)[added].sum()
    assert n_kept > 0.95 * n_some > 0


@pytest.mark.parametrize(("amount", "least", "most"), [(0.5, 0.6, 0.8), (1.0, 0.2, 0.6)])
def test_the_contrast_axis_leaves_a_stated_share_of_a_lesion_s_contrast(amount, least, most):
    left = [inner(harder(of(amount, "contrast"), number)) for number in range(30)]
    assert least < min(left) and max(left) < most


def test_the_borders_axis_blurs_the_outline_and_leaves_the_middle_of_most_lesions():
    pictures = [harder(of(1.0, "borders"), number) for number in range(20)]
    assert np.median([inner(picture) for picture in pictures]) > 0.6
    steepest = [np.abs(np.diff(picture[40])).max() for picture in pictures]
    assert max(steepest) < 0.5 < np.abs(np.diff(DISC[40])).max()


def test_look_alikes_leave_the_lesion_alone():
    for modality in MODALITIES:
        for index in range(4):
            easy, hard = draw(modality, SEED, index), draw(modality, SEED, index, None, of(1.0, "confounders"))
            assert (easy.image[easy.mask] == hard.image[easy.mask]).mean() > 0.8  # a hair or a lobule may cross it


@pytest.mark.parametrize(("given", "amounts", "text"), [
    ("medium", [0.5] * 5, "0.5"),
    (0.3, [0.3] * 5, "0.3"),
    (1, [1.0] * 5, "1"),
    ({"noise": 0.2, "contrast": 1}, [1.0, 0.0, 0.2, 0.0, 0.0], "contrast 1, noise 0.2"),
])  # fmt: skip
def test_a_level_an_amount_or_amounts_by_axis_are_read_and_written_back(given, amounts, text):
    config = PhantomsConfig.model_validate({"difficulty": given})
    assert list(config.difficulty.model_dump().values()) == amounts and str(config.difficulty) == text
    assert PhantomsConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("given", [-0.1, 1.1, float("nan"), True, "hardest", {"colour": 1}, [0.5]])
def test_anything_else_is_refused(given):
    with pytest.raises(ValidationError):
        PhantomsConfig.model_validate({"difficulty": given})

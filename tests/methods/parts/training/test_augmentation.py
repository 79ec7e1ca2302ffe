"""Training images moved within their frame: pixels, masks and words go together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.position import position_of, position_phrase
from prsbench.methods.parts.training.augmentation import (
    IDENTITY,
    AugmentationRange,
    Scene,
    View,
    scenes,
    view_of_images,
    view_of_mask,
)
from prsbench.methods.parts.training.images import PackedMask
from prsbench.methods.parts.training.word_augmentation import answer_template

VIEWS = st.builds(
    View, st.booleans(), st.booleans(), st.floats(0.7, 1.3), st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)
)  # fmt: skip


def square(side: int, top: int, left: int, size: int) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def test_a_view_moves_scales_and_mirrors_by_hand():
    mask = square(8, 0, 0, 2)
    assert np.array_equal(view_of_mask(mask, IDENTITY, (8, 8)), mask)
    assert np.array_equal(view_of_mask(mask, View(x=0.5, y=0.25), (8, 8)), square(8, 1, 2, 2))
    assert np.array_equal(view_of_mask(mask, View(left_right=True), (8, 8)), square(8, 0, 6, 2))
    assert np.array_equal(view_of_mask(square(8, 2, 2, 2), View(scale=2.0), (8, 8)), square(8, 0, 0, 4))
    moved_then_mirrored = view_of_mask(mask, View(left_right=True, x=0.5), (8, 8))
    assert np.array_equal(moved_then_mirrored, square(8, 0, 4, 2))


def test_what_comes_in_from_outside_is_background():
    full = np.ones((8, 8), bool)
    assert view_of_mask(full, View(x=0.5), (8, 8)).sum() == 6 * 8
    assert view_of_images(torch.ones(1, 3, 8, 8), [View(x=0.5)])[0, 0].sum() == 6 * 8


@given(VIEWS)
def test_image_and_mask_of_a_view_lie_on_each_other(view):
    mask = square(64, 24, 20, 20)
    image = torch.from_numpy(mask).float().expand(1, 3, 64, 64)
    seen, moved = view_of_images(image, [view])[0, 0].numpy() >= 0.5, view_of_mask(mask, view, (64, 64))
    assert (seen != moved).sum() <= moved.any(0).sum() * 2 + moved.any(1).sum() * 2  # at most a rim of one pixel


@given(VIEWS)
def test_a_centroid_moves_with_the_view(view):
    seen = centroid(view_of_mask(square(256, 118, 98, 40), view, (256, 256)))
    x, y = (98 + 20) / 128 - 1, (118 + 20) / 128 - 1
    x, y = x * view.scale + view.x, y * view.scale + view.y
    assert seen.x == pytest.approx(-x if view.left_right else x, abs=0.01)
    assert seen.y == pytest.approx(-y if view.top_bottom else y, abs=0.01)


def test_a_mask_is_labelled_in_the_proportions_of_its_image(discs):
    [sample] = discs(1)
    wide = np.zeros((60, 240), bool)
    wide[26:34, 60:70] = True
    [scene] = scenes([replace(sample, truth=replace(sample.truth, mask=wide))])
    assert scene.mask_HW.shape == (32, 128)


@given(st.integers(0, 30), st.integers(0, 10_000))
def test_the_words_of_a_moved_image_are_those_of_its_moved_mask(disc, number, seed):
    [scene] = scenes([disc(number)])
    view, seen = scene.sample_view(AugmentationRange(0.5, 0.5, 0.5, 0.3), np.random.default_rng(seed))
    [(question, answer)] = scene.pairs_in(view, seen, [0])
    expected = position_phrase(*position_of(scene.mask_in(view), scene.modality))
    assert question == "Where is the lesion?"
    if view != IDENTITY:
        assert answer == f"The lesion is at the {expected}."


def test_an_image_whose_answer_hides_its_place_is_mirrored_and_never_moved(disc):
    sample = disc(1)
    sample = replace(sample, truth=replace(sample.truth, answer="Somewhere on the left."))
    [scene] = scenes([sample])
    rng = np.random.default_rng(0)
    views = [scene.sample_view(AugmentationRange(0.5, 0.0, 0.5, 0.3), rng)[0] for _ in range(50)]
    assert not any(view.moves for view in views) and {view.left_right for view in views} == {False, True}
    assert scene.pairs_in(View(left_right=True), scene.mask_HW, [0]) == [("Where is the lesion?", "Somewhere on the right.")]


def test_a_move_never_takes_all_of_the_lesion_out_of_the_image():
    corner = Scene("a", "skin_rgb", PackedMask.of(square(40, 0, 0, 3)), (("Where?", "top left and far from the center"),), ())
    corner = replace(corner, templates=(answer_template("top left and far from the center", ("top left",), False),))
    rng = np.random.default_rng(0)
    views, masks = zip(*(corner.sample_view(AugmentationRange(shift=0.9), rng) for _ in range(200)), strict=True)
    assert all(mask.any() for mask in masks) and any(view.moves for view in views)


def test_images_without_a_lesion_move_and_keep_their_words(disc):
    [scene] = scenes([disc(2, empty=True)])
    view, seen = scene.sample_view(AugmentationRange(shift=0.4), np.random.default_rng(0))
    assert view.moves and scene.pairs_in(view, seen, [0]) == [("Where is the lesion?", "No lesion is visible.")]


def test_questions_about_one_image_share_its_scene(disc):
    first = disc(3)
    second = replace(first, query=replace(first.query, sample_id="skin_rgb/3#1", question="And where?"))
    [scene] = scenes([first, second])
    assert [question for question, _ in scene.pairs] == ["Where is the lesion?", "And where?"]


def test_an_answer_of_another_family_keeps_its_words_and_its_image_is_not_moved(disc):
    sample = disc(3)
    mask = square(40, 2, 2, 6)
    truth = replace(sample.truth, mask=mask, position=("center",), near_centre=True, answer="It is near the center.")
    asked = [replace(sample, truth=replace(truth, family=family)) for family in ("where", "near-far")]
    (official,), (other,) = scenes(asked[:1]), scenes(asked[1:])
    assert official.movable and not other.movable
    rng = np.random.default_rng(0)
    assert all(not other.sample_view(AugmentationRange(shift=0.3, zoom=0.3), rng)[0].moves for _ in range(5))
    assert [scene.sample_pairs(IDENTITY, mask, 3, 0, rng)[0][1:] for scene in (official, other)] == [
        ("It is near the center.", True), ("It is near the center.", False),
    ]  # fmt: skip

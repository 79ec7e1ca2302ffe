from collections import Counter

import numpy as np
import pytest
from prsbench.harness.contract.position import official_lung_positions, official_position
from prsbench.methods.parts.language.grammar.random_masks import WIDTH_PX, sample_lesions, sample_lungs


def drawn(sample, count, seed=0, **given):
    rng = np.random.default_rng(seed)
    return [sample(rng, **given) for _ in range(count)]


@pytest.mark.parametrize(("sample", "given"), [(sample_lesions, {"modality": "skin_rgb"}), (sample_lungs, {})])
def test_one_seed_gives_the_same_masks_and_another_seed_others(sample, given):
    first, again, other = (drawn(sample, 5, seed, **given) for seed in (0, 0, 1))
    assert all(np.array_equal(a.mask_HW, b.mask_HW) for a, b in zip(first, again, strict=True))
    assert any(a.mask_HW.shape != b.mask_HW.shape or (a.mask_HW != b.mask_HW).any() for a, b in zip(first, other, strict=True))


def test_every_mask_has_foreground_the_stated_width_and_the_official_label_of_its_rule():
    for one in drawn(sample_lesions, 40, modality="breast_us", at_boundary=0.3):
        position, near = official_position(one.mask_HW)
        assert (one.position, one.near_centre, one.whole_lungs) == ((position,), near, False)
    for one in drawn(sample_lesions, 40, modality="lung_ct", at_boundary=0.3) + drawn(sample_lungs, 40):
        assert one.position == official_lung_positions(one.mask_HW)
        assert one.mask_HW.any() and one.mask_HW.dtype == bool and one.mask_HW.shape[1] == WIDTH_PX


def test_lesions_lie_everywhere_and_measure_from_a_few_pixels_to_half_the_image():
    masks = drawn(sample_lesions, 600, modality="brain_mri")
    positions = Counter(one.position[0] for one in masks)
    assert len(positions) == 5 and min(positions.values()) > 60
    areas = [one.mask_HW.mean() for one in masks]
    assert min(areas) < 0.001 and max(areas) > 0.5
    assert Counter(one.near_centre for one in masks if one.position != ("center",))[True] > 60


def test_whole_lungs_are_mostly_a_left_and_a_right_component():
    sides = [{phrase.split()[1] for phrase in one.position} for one in drawn(sample_lungs, 200)]
    assert sum(side == {"left", "right"} for side in sides) > 120
    assert all(one.whole_lungs for one in drawn(sample_lungs, 3))


def test_masks_at_the_boundary_are_those_whose_label_a_shift_of_a_few_pixels_changes():
    def changeable(at_boundary):
        changed = 0
        for one in drawn(sample_lesions, 150, modality="brain_mri", at_boundary=at_boundary):
            moved = [np.roll(one.mask_HW, by, axis) for axis in (0, 1) for by in (-4, 4)]
            changed += any(official_position(mask)[0] != one.position[0] for mask in moved)
        return changed / 150

    assert changeable(1.0) > 1.5 * changeable(0.0)

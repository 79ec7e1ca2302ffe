import numpy as np
from prsbench.methods.parts.language.small_llama import LEVELS, layout_of


def test_a_place_is_level_zero_only_where_it_holds_no_foreground_at_all():
    mask = np.zeros((60, 90), bool)
    mask[29, 44] = True  # one pixel of the place in row 2, column 2 of a 6 x 6 layout
    mask[50:, 75:] = True
    layout = layout_of(mask, 6)
    assert layout[2, 2] == 1
    assert layout[5, 5] == LEVELS - 1
    assert np.count_nonzero(layout) == 2

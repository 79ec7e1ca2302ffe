import numpy as np
from prsbench.methods.parts.language.small_llama import LEVELS, draw


def test_a_place_is_level_zero_only_where_it_holds_no_foreground_at_all():
    mask = np.zeros((60, 90), bool)
    mask[29, 44] = True  # one pixel of the place in row 2, column 2 of a 6 x 6 drawing
    mask[50:, 75:] = True
    drawing = draw(mask, 6)
    assert drawing[2, 2] == 1
    assert drawing[5, 5] == LEVELS - 1
    assert np.count_nonzero(drawing) == 2

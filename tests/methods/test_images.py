from dataclasses import replace

import numpy as np
from prsbench.methods.images import distinct_images


def test_questions_about_equal_pixels_share_an_image_and_equal_bytes_of_another_shape_do_not(discs):
    first, second = (sample.query for sample in discs(2))
    turned = replace(first, image=first.image.reshape(first.image.shape[1], first.image.shape[0], 3))
    images, rows = distinct_images([first, second, replace(first, question="And now?", image=first.image.copy()), turned])
    assert rows == [0, 1, 0, 2]
    assert all(np.array_equal(*pair) for pair in zip(images, (first.image, second.image, turned.image), strict=True))
    assert distinct_images([]) == ([], [])

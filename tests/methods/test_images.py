from dataclasses import replace

import numpy as np
import torch
from prsbench.methods.images import distinct_images, resize
from torch.nn import functional as F


def test_questions_about_equal_pixels_share_an_image_and_equal_bytes_of_another_shape_do_not(discs):
    first, second = (sample.query for sample in discs(2))
    turned = replace(first, image=first.image.reshape(first.image.shape[1], first.image.shape[0], 3))
    images, rows = distinct_images([first, second, replace(first, question="And now?", image=first.image.copy()), turned])
    assert rows == [0, 1, 0, 2]
    assert all(np.array_equal(*pair) for pair in zip(images, (first.image, second.image, turned.image), strict=True))
    assert distinct_images([]) == ([], [])


def test_an_image_of_the_networks_size_is_what_interpolation_would_make_of_it():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    expected = F.interpolate(tensor, size=(64, 64), mode="bilinear", antialias=True)[0]
    assert torch.equal(resize(image, 64), expected) and resize(image, 64).stride() == expected.stride()

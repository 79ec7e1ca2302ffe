"""Each prior steers its own layer, checked by hand; the network is a function of its image and report alone."""

import pytest
import torch
from prsbench.methods.medseg_r.config import MedSegRConfig
from prsbench.methods.medseg_r.network import DeformableSampling, DynamicConvolution, MedSegR, SpatialAttention, places

WIDTH = 8


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(2, WIDTH, 6, 6)


def test_places_are_pixel_centres_from_minus_one_to_one():
    x, y = places(2, 4, torch.zeros(1))[0]
    assert x[0].tolist() == [-0.75, -0.25, 0.25, 0.75] and y[:, 0].tolist() == [-0.5, 0.5]
    assert torch.equal(x[0], x[1]) and torch.equal(y[:, 0], y[:, 3])


def test_attention_raises_the_place_that_fits_the_location_prior_and_no_place_by_more_than_double(x):
    attention = SpatialAttention(WIDTH)
    attention.key = attention.query = torch.nn.Identity()
    placed = torch.zeros_like(x)
    placed[:, :, 1, 2] = 100.0
    raised = attention(x, placed, torch.ones(2, WIDTH)) / x
    assert torch.allclose(raised[:, :, 1, 2], torch.tensor(2.0)) and torch.allclose(raised[:, :, 0], torch.tensor(1.5))


def test_the_texture_prior_mixes_the_kernels_of_its_own_image(x):
    convolution = DynamicConvolution(WIDTH, kernels=2)
    convolution.mixture = torch.nn.Identity()
    convolution.pointwise = torch.nn.Identity()
    texture = torch.tensor([[30.0, 0.0], [0.0, 0.0]])  # all of the first kernel; half of each
    mixed = convolution(x, texture) - x
    first, second = convolution.kernel_KD.reshape(2, WIDTH, 1, 3, 3)
    for image, kernel in enumerate((first, (first + second) / 2)):
        expected = torch.nn.functional.conv2d(x[image : image + 1], kernel, padding=1, groups=WIDTH)
        assert torch.allclose(mixed[image : image + 1], expected, atol=1e-5)


def test_sampling_reads_the_pixels_its_offsets_name_with_their_weights(x):
    sampling = DeformableSampling(WIDTH, points=2)
    sampling.pointwise = torch.nn.Identity()
    with torch.no_grad():  # right neighbour with weight 1/4, the pixel two below with 3/4
        sampling.choose.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 2.0, 0.0, torch.tensor(3.0).log()]))
    read = sampling(x, torch.randn(2, WIDTH)) - x
    expected = 0.25 * x[:, :, 1:4, 2:5] + 0.75 * x[:, :, 3:6, 1:4]
    assert torch.allclose(read[:, :, 1:4, 1:4], expected, atol=1e-5)


def test_the_shape_prior_moves_where_it_samples(x):
    sampling = DeformableSampling(WIDTH, points=2)
    torch.nn.init.normal_(sampling.choose.weight)
    assert not torch.allclose(sampling(x, torch.zeros(2, WIDTH)), sampling(x, torch.ones(2, WIDTH)), atol=1e-3)


@torch.no_grad()
def test_the_mask_is_four_times_the_map_and_depends_on_the_report():
    torch.manual_seed(0)
    network = MedSegR(MedSegRConfig(width=16)).eval()
    features, report = torch.randn(2, 256, 5, 5), torch.randn(2, 3, 384)
    logits = network(features, report)
    assert logits.shape == (2, 1, 20, 20)
    assert torch.allclose(network(features[1:], report[1:]), logits[1:], atol=1e-5)
    assert not torch.allclose(network(features, report.flip(0)), logits, atol=1e-4)
    assert torch.allclose(network(features, report.flip(1)), logits, atol=1e-5), "the order of sentences says nothing"


def test_every_parameter_gets_a_gradient():
    network = MedSegR(MedSegRConfig(width=16))
    torch.nn.init.normal_(network.sampling.choose.weight)  # zero at the start, so that nothing reaches `shape` in the first step
    network(torch.randn(1, 256, 5, 5), torch.randn(1, 2, 384)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []

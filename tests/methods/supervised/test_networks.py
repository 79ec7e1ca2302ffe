import numpy as np
import pytest
import torch
from monai.networks.nets import DynUNet
from prsbench.methods.images import z_score
from prsbench.methods.supervised.config import SupervisedConfig
from prsbench.methods.supervised.networks import build_network, deep_supervision_weights, nnunet_plan

SMALL = {"base_features": 4, "max_features": 16, "image_size_px": 64}


@pytest.mark.parametrize(
    ("side", "stages", "last"),
    [(512, 8, 4), (256, 7, 4), (128, 6, 4), (96, 5, 6), (8, 2, 4), (7, 1, 7)],
)
def test_the_plan_halves_until_the_next_map_would_be_smaller_than_4_px(side, stages, last):
    plan = nnunet_plan(side, 32, 512)
    assert len(plan.features) == len(plan.strides) == stages
    assert side // np.prod(plan.strides) == last


def test_the_plan_of_a_512_px_patch_is_nnunets_own():
    plan = nnunet_plan(512, 32, 512)  # as nnU-Net v2 plans 2-D isotropic images of that size
    assert plan.features == (32, 64, 128, 256, 512, 512, 512, 512)
    assert plan.strides == (1, 2, 2, 2, 2, 2, 2, 2)


def test_the_network_is_built_by_the_plan_and_supervised_at_all_but_the_two_coarsest_resolutions():
    network = build_network(SupervisedConfig(network="nnunet", **SMALL))
    assert isinstance(network, DynUNet)
    assert [len(stage) for stage in (network.downsamples, network.upsamples, network.deep_supervision_heads)] == [3, 4, 2]
    image = torch.rand(2, 3, 64, 64)
    assert network.train()(image).shape == (2, 3, 1, 64, 64)
    assert network.eval()(image).shape == (2, 1, 64, 64)


@pytest.mark.parametrize(("name", "base"), [("unet", 4), ("swin_unet", 12)])
def test_the_other_networks_give_one_logit_a_pixel(name, base):
    network = build_network(SupervisedConfig(network=name, **SMALL | {"base_features": base})).eval()
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 1, 64, 64)


def test_finer_resolutions_weigh_twice_as_much_and_all_weights_sum_to_one():
    assert deep_supervision_weights(3) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert deep_supervision_weights(1) == [1.0]


def test_z_score_is_by_channel_and_image_and_a_uniform_channel_is_zero():
    image = torch.rand(2, 3, 8, 8) * torch.tensor([1.0, 5.0, 0.0])[:, None, None] + 3
    scored = z_score(image)
    assert torch.allclose(scored[:, :2].mean((2, 3)), torch.zeros(2, 2), atol=1e-4)
    assert torch.allclose(scored[:, :2].std((2, 3), correction=0), torch.ones(2, 2), atol=1e-4)
    assert torch.equal(scored[:, 2], torch.zeros(2, 8, 8))


def test_the_imagenet_unet_keeps_its_encoders_statistics_and_trains_its_weights():
    network = build_network(SupervisedConfig(network="unet_imagenet", **SMALL)).train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    logits = network(torch.rand(2, 3, 64, 64))
    logits.square().mean().backward()
    assert logits.shape == (2, 1, 64, 64) and network.is_pretrained and "ImageNet" in network.note
    assert all(parameter.grad is not None for parameter in network.parameters())
    moved = {name.partition(".")[0] for name, buffer in network.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved == {"decoder"}


def test_the_imagenet_unet_starts_from_cg_reasoners_backbone():
    from prsbench.methods.cg_reasoner.config import BackboneConfig
    from prsbench.methods.parts.weights.timm_backbone import build_backbone

    theirs, _, _ = build_backbone(BackboneConfig().name, BackboneConfig().stages, BackboneConfig().weights)
    ours = build_network(SupervisedConfig(network="unet_imagenet", **SMALL)).encoder.state_dict()
    shared = [name for name in theirs.state_dict() if name in ours]
    assert len(shared) > 200 and all(torch.equal(ours[name], theirs.state_dict()[name]) for name in shared)

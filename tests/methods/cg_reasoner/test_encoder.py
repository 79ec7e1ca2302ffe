"""The backbone's batch norms keep a pre-training's statistics; all other parts learn theirs."""

import pytest
import torch
from prsbench.methods.cg_reasoner.encoder import VisualEncoder
from prsbench.methods.parts.training import data_parallel
from torch import nn


class Stages(nn.Module):
    """Two stages of 4 channels, at strides 2 and 4."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4))
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4))

    def forward(self, x):
        return [x := self.first(x), self.second(x)]


@pytest.mark.parametrize("keeps", [True, False])
def test_a_backbones_statistics_move_only_if_it_starts_from_random_weights(keeps):
    encoder = VisualEncoder(Stages(), [4, 4], 8, keeps_statistics=keeps).train()
    image = torch.rand(2, 3, 16, 16)
    encoder(image).sum().backward()
    encoder.eval()
    encoder.train()
    encoder(image)
    means = [module.running_mean for module in (encoder.backbone.first[1], encoder.backbone.second[1])]
    assert all(bool(mean.any()) != keeps for mean in means)
    assert all(refine[1].running_mean.any() for refine in encoder.refine)
    assert encoder.backbone.first[1].weight.grad is not None  # scale and shift are trained all the same


def test_norms_shared_by_several_workers_have_fixed_statistics_too(monkeypatch):
    monkeypatch.setattr(data_parallel, "workers", lambda: 2)
    monkeypatch.setattr(data_parallel.dist, "get_backend", lambda: "gloo")
    encoder = data_parallel.synchronised(VisualEncoder(Stages(), [4, 4], 8, keeps_statistics=True)).train()
    shared = data_parallel._BatchNormOverWorkers
    assert [type(module) for module in (encoder.backbone.first[1], encoder.refine[0][1])] == [shared, shared]
    assert not encoder.backbone.first[1].training and not encoder.backbone.second[1].training
    assert encoder.refine[0][1].training

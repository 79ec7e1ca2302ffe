"""What workers share, with a group of one: the group's own arithmetic against torch's. Two workers: cg_reasoner/."""

import pytest
import torch
import torch.distributed as dist
from prsbench.methods.parts.training import data_parallel
from timm.layers import BatchNormAct2d
from torch import nn


@pytest.fixture
def group(monkeypatch):
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    monkeypatch.setattr(data_parallel, "workers", lambda: 2)  # or all would be left as it is
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, BatchNormAct2d])
def test_batch_norm_over_workers_is_torchs_in_training_and_in_eval(norm, group):
    torch.manual_seed(0)
    plain, shared = (nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), norm(5)) for _ in range(2))
    shared.load_state_dict(plain.state_dict())
    assert data_parallel.synchronised(shared) is shared and not isinstance(shared[1], norm)
    assert list(shared.state_dict()) == list(plain.state_dict())
    for _ in range(3):
        image = 100 * torch.randn(4, 3, 9, 9) + 7
        outputs = [network(image) for network in (plain, shared)]
        torch.testing.assert_close(outputs[1], outputs[0], atol=1e-5, rtol=1e-5)
        for output in outputs:
            output.square().sum().backward()
    for ours, theirs in zip(shared.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-2, rtol=1e-4)
    for ours, theirs in zip(shared.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(shared.eval()(image), plain.eval()(image))


def test_gradients_are_summed_and_an_unused_parameter_has_none(group):
    used, unused = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(4))
    (2 * used).sum().backward()
    data_parallel.sum_gradients([used, unused])
    assert torch.equal(used.grad, torch.full((2, 3), 2.0)) and unused.grad is None

"""Data-parallel training on several workers through Ray Train: gloo between CPUs, NCCL between GPUs.

All workers make the same random choices for a step, and each computes its share of the images; losses are weighted by each
worker's counts (`training_loop`), so the workers' gradients sum to the gradient of one worker with all images.

Inside a grid the training's own task must have reserved the cores, for example `execution.resources.cg_reasoner: {cpus: 2}`:
the workers do not ask Ray for cores again, because two such trainings would wait for each other for ever. The workers do ask
for GPUs, one each, so the task must reserve none: `{cpus: 2, gpus: 0}`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import FitContext
from torch import Tensor, nn
from torch.nn import functional as F


def train_on_workers(train: Callable[[], None], count: int, context: FitContext) -> None:
    """Call `train` in `count` connected processes; it must write its results to a folder that all of them can reach.

    Raises:
        PrsbenchError: `train` raised it on a worker, or Ray has too few GPUs.
        MissingPrerequisite: Ray Train is not installed.
    """
    try:
        import ray
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
    except ImportError as error:
        raise MissingPrerequisite(f"data_parallel_workers: {count} needs Ray Train. pip install 'ray[train]'.") from error
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    on_gpu = context.device.startswith("cuda")
    # One byte of memory instead of a core: Ray accepts no empty reservation.
    per_worker = {"GPU": 1} if on_gpu else {"CPU": 0, "memory": 1}
    threads = torch.get_num_threads()

    def work() -> None:
        torch.set_num_threads(threads)
        train()

    with TemporaryDirectory(prefix="ray-", dir=context.scratch) as storage:
        scaling = ScalingConfig(num_workers=count, use_gpu=on_gpu, resources_per_worker=per_worker)
        try:
            if on_gpu:
                held = {} if is_ours else ray.get_runtime_context().get_assigned_resources()
                _refuse_too_few_gpus(ray, count, held.get("GPU", 0.0))
            TorchTrainer(work, scaling_config=scaling, run_config=RunConfig(storage_path=storage)).fit()
        except ray.train.TrainingFailedError as error:
            for failure in getattr(error, "worker_failures", {}).values():
                if isinstance(failure, PrsbenchError):
                    raise failure from None
            raise
        finally:
            if is_ours:
                ray.shutdown()


def _refuse_too_few_gpus(ray: Any, count: int, held: float) -> None:
    """held: GPUs reserved by the task that waits for the workers."""
    available = ray.cluster_resources().get("GPU", 0.0)
    if available - held < count:
        raise PrsbenchError(
            f"data_parallel_workers: {count} workers need a GPU each, Ray has {available:g}, of which the training's own "
            f"task holds {held:g}. Set execution.resources.cg_reasoner: {{cpus: {count}, gpus: 0}}, or fewer workers."
        )


def workers() -> int:
    """How many processes train together; 1 outside `train_on_workers`."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this worker, from 0."""
    return dist.get_rank() if workers() > 1 else 0


def share(numbers: Sequence[object]) -> slice:
    """This worker's contiguous slice of `numbers`; all workers get equally many."""
    count = len(numbers) // workers()
    return slice(rank() * count, (rank() + 1) * count)


def summed(values: Mapping[str, float]) -> dict[str, float]:
    """Each value summed over the workers; all of them must pass the same names."""
    if workers() == 1:
        return dict(values)
    total = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
    dist.all_reduce(total)
    return dict(zip(values, total.tolist(), strict=True))


def sum_gradients(parameters: Sequence[Tensor]) -> None:
    """Sum gradients over the workers, in one message. A parameter without a gradient on any worker stays without one."""
    if workers() == 1:
        return
    has = torch.tensor([float(p.grad is not None) for p in parameters], device=_device())
    dist.all_reduce(has)
    used = [p for p, n in zip(parameters, has.tolist(), strict=True) if n]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in used]
    vector = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(vector)
    for p, gradient, total in zip(used, gradients, vector.split([p.numel() for p in used]), strict=True):
        p.grad = gradient.copy_(total.view_as(p))


def synchronised(network: nn.Module) -> nn.Module:
    """The network with batch norm over the images of all workers; tensor names stay. One worker's network is left unchanged."""
    if workers() == 1:
        return network
    if dist.get_backend() == "nccl":
        from timm.layers import convert_sync_batchnorm

        return convert_sync_batchnorm(network)  # torch's own would lose timm's activations
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _BatchNormOverWorkers(child))
    return network


class _BatchNormOverWorkers(nn.Module):
    """Batch norm for gloo, which torch's SyncBatchNorm does not support; replaces a BatchNorm2d, including timm's activation."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    drop: nn.Module
    act: nn.Module

    def __init__(self, norm: nn.BatchNorm2d):
        super().__init__()
        assert norm.momentum is not None  # None: torch's cumulative average, which no backbone uses
        self.weight, self.bias, self.eps, self.momentum = norm.weight, norm.bias, norm.eps, norm.momentum
        for name, buffer in norm.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self.drop, self.act = getattr(norm, "drop", nn.Identity()), getattr(norm, "act", nn.Identity())
        self.train(norm.training)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if not self.training:
            x = F.batch_norm(x_BCHW, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
            return self.act(self.drop(x))
        count = x_BCHW.new_tensor([x_BCHW.numel() / x_BCHW.shape[1]])
        sums = _SumOverWorkers.apply(torch.cat([x_BCHW.sum((0, 2, 3)), count]))
        mean, n = sums[:-1] / sums[-1], sums[-1]
        centred = x_BCHW - mean[:, None, None]
        variance = _SumOverWorkers.apply(centred.square().sum((0, 2, 3))) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return self.act(self.drop(centred * scale[:, None, None] + self.bias[:, None, None]))


class _SumOverWorkers(torch.autograd.Function):
    """Sum over the workers; the gradient of the sum of their losses is the sum of their gradients."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004 (torch's signature)
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:  # noqa: ARG004 (torch's signature)
        total = grad.clone()
        dist.all_reduce(total)
        return total


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"

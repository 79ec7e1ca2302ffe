"""What a method costs: parameters, floating-point operations, seconds and memory of one image."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prsbench.harness.contract.types import Method, Query

KIBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """parameters: of all networks inside, shared ones counted once; trainable ones are those a training here changes.

    flops_per_image: 2 a multiply-add, of matrix products, convolutions and attention; 0 without a network.
    seconds_per_image: the method's own. peak_memory_bytes: of the device on CUDA, else of the process since its start.
    """

    parameters: int
    trainable_parameters: int
    flops_per_image: int
    seconds_per_image: float
    peak_memory_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.parameters / 1e6:.2f} M parameters ({self.trainable_parameters / 1e6:.2f} M trainable), "
            f"{self.flops_per_image / 1e9:.2f} GFLOPs and {self.seconds_per_image:.2f} s an image, "
            f"peak memory {self.peak_memory_bytes / 2**20:.0f} MiB"
        )


def networks_of(method: Any) -> dict[str, Any]:
    """The networks a method holds, by attribute."""
    torch = sys.modules.get("torch")
    return {} if torch is None else {name: value for name, value in vars(method).items() if isinstance(value, torch.nn.Module)}


def measure(method: Method, queries: Sequence[Query]) -> Cost:
    """The cost of these queries asked one by one. Ask with images it has not seen: cached features cost nothing."""
    torch = sys.modules.get("torch")
    parameters = {id(p): p for network in networks_of(method).values() for p in network.parameters()}
    # Counting slows every operation down, so the time is taken apart from it, and first.
    seconds = sum(method.predict([query])[0].seconds for query in queries)
    flops = _count_flops(method, queries) if parameters else 0
    return Cost(
        parameters=sum(p.numel() for p in parameters.values()),
        trainable_parameters=sum(p.numel() for p in parameters.values() if p.requires_grad),
        flops_per_image=flops // len(queries),
        seconds_per_image=seconds / len(queries),
        peak_memory_bytes=_peak_memory_bytes(torch),
    )


def _count_flops(method: Method, queries: Sequence[Query]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    _forget_features()
    with FlopCounterMode(display=False) as counter:
        for query in queries:
            method.predict([query])
    return counter.get_total_flops()


def _forget_features() -> None:
    """Empty the SAM family's shared image features, if it is loaded."""
    family = sys.modules.get("prsbench.methods.sam_family")
    if family is not None:
        family.forget_features()


def _peak_memory_bytes(torch: Any) -> int:
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * KIBIBYTE

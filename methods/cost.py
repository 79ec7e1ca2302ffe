"""Cost of a method: parameters, FLOPs and peak memory for one image, the same image for every method."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from prsbench.harness.contract.results import Cost
from prsbench.harness.contract.types import Box, Method, Query, Trainable

SIDE_PX = 256
_CACHES = {  # shared by the rows of one process; a hit would make a prediction look free
    "prsbench.methods.feature_cache": "fresh_features",
    "prsbench.methods.parts.language.sentence_bert": "fresh_sentences",
}
_POLL_EVERY_S = 0.002
_STATM = Path("/proc/self/statm")


def networks_of(method: Any) -> dict[str, Any]:
    """The networks that a method holds, by attribute name."""
    torch = sys.modules.get("torch")
    return {} if torch is None else {name: value for name, value in vars(method).items() if isinstance(value, torch.nn.Module)}


def measure(method: Method) -> Cost:
    """The cost of predicting `standard_query`; a method without networks is not run."""
    parameters = {id(p): p for network in _all_networks(method) for p in network.parameters()}
    device = "cuda" if any(p.is_cuda for p in parameters.values()) else "cpu"
    flops, peak = _measure_prediction(method, device) if parameters else (0, nan)
    return Cost(
        parameters=sum(p.numel() for p in parameters.values()),
        trainable_parameters=sum(p.numel() for p in parameters.values() if p.requires_grad),
        flops_per_image=flops,
        peak_memory_bytes=peak,
        device=device,
    )


def standard_query() -> Query:
    """Seeded noise with a brighter central square, and that square's box and centre point."""
    image = np.random.default_rng(0).integers(0, 160, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    low, high = SIDE_PX // 4, 3 * SIDE_PX // 4
    image[low:high, low:high] += 90
    middle = SIDE_PX / 2
    return Query("cost", image, "Where is the lesion?", "skin_rgb", Box(low, low, high, high), (middle, middle))


def _all_networks(holder: Any) -> Iterator[Any]:
    """Networks of a method, and of the methods and parts that it holds."""
    yield from networks_of(holder).values()
    for value in vars(holder).values():
        if isinstance(value, Trainable) and value is not holder:
            yield from _all_networks(value)


def _measure_prediction(method: Method, device: str) -> tuple[int, float]:
    from torch.utils.flop_counter import FlopCounterMode

    with ExitStack() as stack:
        for module, name in _CACHES.items():
            if module in sys.modules:
                stack.enter_context(getattr(sys.modules[module], name)())
        peak = stack.enter_context(_peak_memory(device))
        stack.enter_context(_frozen(method))
        counter = stack.enter_context(FlopCounterMode(display=False))
        method.predict([standard_query()])
    return counter.get_total_flops(), peak[0]


@contextmanager
def _frozen(method: Method) -> Iterator[None]:
    """Turn off all gradients: the counter hooks tensors that require them, and cannot hook a view made without gradients."""
    trained = [p for network in _all_networks(method) for p in network.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def _peak_memory(device: str) -> Iterator[list[float]]:
    """Peak bytes in use inside the context: of the device on CUDA, else of this process, polled every 2 ms.

    NaN if the system does not report it.
    """
    torch, peak = sys.modules["torch"], [nan]
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        yield peak
        peak[0] = float(torch.cuda.max_memory_allocated())
        return
    if not _STATM.exists():
        yield peak
        return
    done, peak[0] = threading.Event(), _resident_bytes()

    def poll() -> None:
        while not done.wait(_POLL_EVERY_S):
            peak[0] = max(peak[0], _resident_bytes())

    poller = threading.Thread(target=poll, daemon=True)
    poller.start()
    try:
        yield peak
    finally:
        done.set()
        poller.join()


def _resident_bytes() -> float:
    import resource

    return float(_STATM.read_text().split()[1]) * resource.getpagesize()

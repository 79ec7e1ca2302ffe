"""What a method costs: parameters, floating-point operations and memory of one image, the same image for every method."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from prsbench.harness.contract.records import Cost
from prsbench.harness.contract.types import Box, Method, Query, Trainable

SIDE_PX = 256
_CACHES = {  # what rows of one process share, so that the second one to ask would seem to cost nothing
    "prsbench.methods.shared_features": "fresh_features",
    "prsbench.methods.sentence_encoder": "fresh_sentences",
}
_LOOK_EVERY_S = 0.002
_STATM = Path("/proc/self/statm")


def networks_of(method: Any) -> dict[str, Any]:
    """The networks a method holds, by attribute."""
    torch = sys.modules.get("torch")
    return {} if torch is None else {name: value for name, value in vars(method).items() if isinstance(value, torch.nn.Module)}


def measure(method: Method) -> Cost:
    """The cost of one prediction for `standard_query`; nothing is asked of a method that holds no network."""
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
    """Seeded noise with a brighter square in its middle, the square's box and its centre."""
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
    """No parameter asks for gradients: the counter hooks whatever does, and cannot hook a view made without gradients."""
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
    """The most bytes held while in the context: of the device on CUDA, else of this process, looked at every 2 ms.

    NaN where the system does not say.
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

    def look() -> None:
        while not done.wait(_LOOK_EVERY_S):
            peak[0] = max(peak[0], _resident_bytes())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield peak
    finally:
        done.set()
        looking.join()


def _resident_bytes() -> float:
    import resource

    return float(_STATM.read_text().split()[1]) * resource.getpagesize()

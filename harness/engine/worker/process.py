"""A worker process: thread counts, offline libraries, freed memory (malloc, CUDA), and the device that `auto` means."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.memory import keep_freed_memory


def prepare_process(threads: int) -> None:
    """Set thread counts, keep every library offline, keep freed memory. The thread variables count only before torch loads."""
    os.environ |= {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # spinning at barriers on a busy machine takes 20 times as long
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "MPLBACKEND": "Agg",
    }
    if "torch" in sys.modules:  # a reused worker, whose thread count the pool may have changed
        sys.modules["torch"].set_num_threads(threads)
    keep_freed_memory()


def free_device_memory() -> None:
    """Return cached memory, such as that of a failed batch, to the device."""
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        sys.modules["torch"].cuda.empty_cache()


def resolve_device(device: str) -> str:
    """The device; `auto` becomes cuda if this process sees a GPU, otherwise cpu."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(device: str) -> None:
    """Refuse `cuda` on a machine without a GPU: its jobs would fail one by one, or wait for ever.

    Raises:
        ConfigError: torch sees no GPU here.
    """
    if device == "cuda" and resolve_device("auto") != "cuda":
        raise ConfigError(
            "execution.device: cuda: torch sees no GPU on this machine. Say auto or cpu. `prsbench doctor` says more."
        )


def try_gpus(seconds: float = 1.0, side: int = 4096) -> list[dict[str, Any]]:
    """Name, bytes, CUDA version and TFLOP/s of float32 matrix products of each GPU; without one, {"why_none": text} alone."""
    import torch

    if not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        return [{"why_none": f"torch {torch.__version__}, {built}, sees no GPU"}]
    found = []
    for device in range(torch.cuda.device_count()):
        square, n = torch.ones((side, side), device=f"cuda:{device}"), -1  # the first product is not timed: it loads the library
        start = time.monotonic()
        while n < 0 or time.monotonic() - start < seconds:
            (square @ square).sum().item()  # waits for the device
            start, n = (time.monotonic(), 0) if n < 0 else (start, n + 1)
        facts = torch.cuda.get_device_properties(device)
        tflops = 2 * side**3 * n / (time.monotonic() - start) / 1e12
        found.append({"name": facts.name, "bytes": facts.total_memory, "cuda": torch.version.cuda, "tflops": tflops})
    return found

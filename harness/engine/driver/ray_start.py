"""Ray, started on this machine for one run, or joined at a cluster's address."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from prsbench.harness.contract.errors import ConfigError

OBJECT_STORE_BYTES = 128 * 1024**2  # results live on the disk; only small status objects travel


def start_ray(ray: Any, address: str | None, workers: int) -> None:
    """Connect to the cluster at this address, or start Ray with so many workers on this machine alone.

    Raises:
        ConfigError: no cluster answers, or Ray does not start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    local = {"num_cpus": workers, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **({} if address else local))
    except Exception as error:  # noqa: BLE001 (Ray raises a bare Exception if a node does not start in time)
        if address:
            raise ConfigError(f"No Ray cluster answers at '{address}' ({error}). Correct --address, or leave it out.") from None
        raise ConfigError(f"Ray did not start on this machine ({error}). Try again, or use --executor serial.") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray installs its own, which would end the run silently

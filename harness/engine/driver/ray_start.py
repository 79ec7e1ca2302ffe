"""Ray, started on this machine for one run and open to nobody else, or joined at a cluster's address."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import ConfigError, RunFolderError, first_line

OBJECT_STORE_BYTES = 128 * 1024**2  # results live on the disk; only small status objects travel
ANSWER_S = 5.0  # within which a cluster's address must answer
LOOK_S = 10.0  # between two looks at the processes of a Ray of our own
_TOKEN = secrets.token_hex(32)  # of the Rays that this process starts
_ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # "no cluster": Ray's processes then listen on the loopback interface
    "RAY_AUTH_MODE": "token",  # an older Ray knows no token and ignores both
    "RAY_AUTH_TOKEN": _TOKEN,
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",  # instead of 60, until Ray's processes end after its GCS has died
}
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # with which every gRPC client begins


def import_ray(address: str | None) -> Any:
    """Import Ray with the settings for this machine alone, or for a cluster; some of its code reads them on import."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        os.environ.update(_ALONE)
    elif os.environ.get("RAY_AUTH_TOKEN") == _TOKEN:  # an earlier run of this process was alone
        for name in _ALONE:
            os.environ.pop(name)
    was_imported = "ray" in sys.modules
    import ray
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = address is not None
    if was_imported:
        with suppress(AttributeError):  # an older Ray, which knows no token
            raylet: Any = ray._raylet
            raylet.Config.initialize("")
            raylet.AuthenticationTokenLoader.instance().reset_cache()
    return ray


def start_ray(ray: Any, address: str | None, workers: int) -> None:
    """Connect to the cluster at this address, or start Ray with so many workers on this machine alone.

    Raises:
        ConfigError: no cluster answers, it asks for a token, or Ray does not start.
    """
    on_sigterm = signal.getsignal(signal.SIGTERM)
    local: dict[str, Any] = {"num_cpus": workers, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    local |= {"_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **({} if address else local))
    except Exception as error:  # noqa: BLE001 (Ray raises a bare Exception if a node does not start in time)
        if address and re.search(r"auth\w*token|unauthenticated|authenticationerror", str(error), re.IGNORECASE):
            raise _wants_token(address) from None
        if address:
            raise _no_cluster(address, first_line(str(error))) from None
        raise ConfigError(f"Ray did not start on this machine ({error}). Try again, or use --executor serial.") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray installs its own, which would end the run silently


def try_ray() -> float:
    """Start Ray on this machine alone, run one task and end it; returns the seconds. Raises what `start_ray` raises."""
    start = time.monotonic()
    ray = import_ray(None)
    start_ray(ray, None, 1)
    own = OwnRay(ray)
    try:
        ray.get(ray.remote(lambda: os.getpid()).remote(), timeout=60)  # Ray takes no built-in function
    finally:
        ray.shutdown()
        own.end()
    return time.monotonic() - start


def check_address(address: str) -> None:
    """Return if a Ray answers at host:port, or a gRPC server at ray://host:port. "auto", which Ray looks up, is not checked.

    Raises:
        ConfigError: it is no such address, nothing answers there within `ANSWER_S`, or it asks for another token.
    """
    if address == "auto":
        return
    found = re.fullmatch(r"(?:ray://)?(?:\[([0-9a-fA-F:.]+)\]|([^:/\[\]\s]+)):(\d{1,5})", address)
    if found is None or not 0 < int(found[3]) < 2**16:
        raise ConfigError(
            f"--address: expected auto, host:port or ray://host:port, got '{address}'. Leave it out to use this machine."
        )
    try:
        with socket.create_connection((found[1] or found[2], int(found[3])), ANSWER_S) as stream:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            stream.settimeout(ANSWER_S)
            stream.sendall(_HTTP2)
            answer, said = stream.recv(9), b""
            if answer[3:4] == b"\4" and not address.startswith("ray://"):
                stream.sendall(_call())
                while b"grpc-status" not in said and (more := stream.recv(4096)):
                    said += more
    except (OSError, UnicodeError) as error:
        raise _no_cluster(address, str(error) or type(error).__name__) from None
    if answer[3:4] != b"\4":  # SETTINGS
        raise _no_cluster(address, "what listens there is no Ray")
    if b"InvalidAuthToken" in said or b"Authentication token" in said:
        raise _wants_token(address)
    if b"grpc-status" not in said and not address.startswith("ray://"):
        raise _no_cluster(address, "what listens there answers no call")


def _call() -> bytes:
    """Frames of HTTP/2 that ask a head for its cluster's id, with the token that Ray would send."""
    fields = {":method": "POST", ":scheme": "http", ":path": "/ray.rpc.NodeInfoGcsService/GetClusterId", ":authority": "ray"}
    fields |= {"content-type": "application/grpc", "te": "trailers"}
    if os.environ.get("RAY_AUTH_MODE") == "token" and (token := _token()):
        fields["authorization"] = f"Bearer {token}"
    texts = [text.encode() for field in fields.items() for text in field]
    block = b"".join(b"\0" * (i % 2 == 0) + bytes([len(text)]) + text for i, text in enumerate(texts))  # HPACK, not indexed
    return len(block).to_bytes(3) + b"\1\4\0\0\0\1" + block + b"\0\0\5\0\1\0\0\0\1" + b"\0" * 5


def _token() -> str:
    """The user's token, below 100 letters: from RAY_AUTH_TOKEN, the file at RAY_AUTH_TOKEN_PATH, or Ray's own file."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return "" if token == _TOKEN else token[:100]  # ours is for nobody else
    with suppress(OSError, UnicodeError):
        return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token").read_text().strip()[:100]
    return ""


def _wants_token(address: str) -> ConfigError:
    return ConfigError(
        f"The Ray cluster at '{address}' asks for a token, and yours is missing or wrong. Set RAY_AUTH_MODE=token and "
        "RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH, a file) to the token that the cluster was started with."
    )


def _no_cluster(address: str, why: str) -> ConfigError:
    return ConfigError(f"No Ray cluster answers at '{address}' ({why}). Correct --address, or leave it out to use this machine.")


class OwnRay:
    """The processes of a Ray that this process started: noticed when one of its servers dies, and ended with it."""

    def __init__(self, ray: Any):
        self._node = ray._private.worker._global_node  # no public call tells it before a minute is over
        self._processes: dict[int, str] = {}
        self._looked_at = -LOOK_S
        self._look()

    def check(self) -> None:
        """Raise RunFolderError if a server of this Ray has died; what it left behind is killed."""
        if time.monotonic() - self._looked_at > LOOK_S:
            self._look()
        dead = [name for name, _ in self._node.dead_processes()] if self._node else []
        if dead:
            self.end()
            raise RunFolderError(f"Ray's {', '.join(dead)} died. What is finished is kept; the same command resumes the run.")

    def end(self) -> None:
        """Kill what is left of this Ray. Only processes that were seen as descendants of this one are touched."""
        self._look()
        for pid, began in self._processes.items():
            if _process(pid)[1:] == (began,):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def _look(self) -> None:
        """Note all descendants of Ray's servers by process id and start time. Where there is no /proc, there are none."""
        self._looked_at = time.monotonic()
        servers = {process.pid for _, process in self._node.live_processes()} if self._node else set()
        names = [path.name for path in Path("/proc").iterdir()] if Path("/proc/self/stat").exists() else []
        parents = {int(name): _process(int(name)) for name in names if name.isdigit()}
        family, more = set(servers), set(servers)
        while more:
            more = {pid for pid, (parent, _) in parents.items() if parent in more} - family
            family |= more
        self._processes |= {pid: parents[pid][1] for pid in family if pid in parents}


def _process(pid: int) -> tuple[int, str]:
    """Parent and start time of a process; (0, "") if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[1]), fields[19]
    except (OSError, IndexError, ValueError):
        return 0, ""

"""A Ray of our own listens to this machine alone and ends with its servers; an address that cannot be used ends in seconds."""

import os
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine_driver import Driver, slowly
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.driver import ray_start
from prsbench.harness.engine.driver.ray_start import check_address, import_ray, start_ray

SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # an empty frame of HTTP/2, with which every gRPC server begins
LISTENS = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@contextmanager
def server(answer):
    """The address of a server that answers whoever connects; it says nothing if answer is None."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            stream, _ = listener.accept()
            with stream:
                stream.recv(100)
                if answer is None:
                    time.sleep(1)
                else:
                    stream.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    "address", ["", "local", "here", "here:", ":6379", "here:0", "here:65536", "http://here:8265", "ray://here", "a b:1", "[::1]"]
)
def test_what_is_no_address_is_refused_with_the_forms_of_one(address):
    with pytest.raises(ConfigError, match="expected auto, host:port or ray://host:port, got"):
        check_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "no-such-host.invalid:6379"])
def test_an_address_where_nothing_listens_is_refused_in_one_sentence(address):
    with pytest.raises(ConfigError, match=r"No Ray cluster answers at '.*' \(.+\). Correct --address, or leave it out"):
        check_address(address)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"", b"\0", None, SETTINGS])
def test_a_server_that_is_no_ray_is_refused(answer, monkeypatch):
    monkeypatch.setattr(ray_start, "ANSWER_S", 0.2)
    with server(answer) as address, pytest.raises(ConfigError, match="No Ray cluster answers"):
        check_address(address)


def test_a_server_that_speaks_grpc_passes():
    for prefix, answer in (("", SETTINGS + b"grpc-status 0"), ("ray://", SETTINGS)):
        with server(answer) as address:
            check_address(f"{prefix}{address}")
    check_address("auto")


def test_a_cluster_that_refuses_the_token_is_known_before_ray_tries_for_half_a_minute(monkeypatch):
    refusal = b"\0\x0bgrpc-status\x0216\0\x0cgrpc-messageInvalidAuthToken: Authentication token is missing or incorrect"
    for prefix in (b"", b"grpc-status first, "):
        with server(SETTINGS + prefix + refusal) as address, pytest.raises(ConfigError, match="asks for a token, and yours is"):
            check_address(address)


def test_the_users_token_goes_to_the_cluster_and_that_of_our_own_ray_to_nobody(monkeypatch, tmp_path):
    for name in (*ray_start._ALONE, "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert b"authorization" not in ray_start._call()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", ray_start._TOKEN)
    assert b"authorization" not in ray_start._call()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    assert b"\0\x0dauthorization\x0dBearer theirs" in ray_start._call()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / "token").write_text("of the file\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert b"Bearer of the file" in ray_start._call()


class Refusing:
    """A Ray whose cluster says this."""

    def __init__(self, text):
        self.text = text

    def init(self, **named):
        raise RuntimeError(self.text)


@pytest.mark.parametrize(
    "text",
    [
        "RPC error: InvalidAuthToken: Authentication token is missing or incorrect.",
        "rpc UNAUTHENTICATED",
        "AuthenticationError: x",
    ],
)
def test_a_cluster_that_asks_for_a_token_is_not_reported_as_silent(text):
    with pytest.raises(ConfigError, match="asks for a token, and yours is missing or wrong. Set RAY_AUTH_MODE=token and"):
        start_ray(Refusing(text), "head:6379", 1)
    with pytest.raises(ConfigError, match=r"No Ray cluster answers at 'head:6379' \(gone\)"):
        start_ray(Refusing("gone\nTraceback"), "head:6379", 1)


def test_the_token_of_our_own_ray_is_not_sent_to_a_cluster(monkeypatch):
    for name in ray_start._ALONE:
        monkeypatch.delenv(name, raising=False)
    import_ray(None)
    assert os.environ["RAY_AUTH_TOKEN"] == ray_start._TOKEN and len(ray_start._TOKEN) == 64
    import_ray("head:6379")
    assert not set(ray_start._ALONE) & set(os.environ)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    import_ray("head:6379")
    assert os.environ["RAY_AUTH_TOKEN"] == "theirs"


def descendants(pid):
    parents = {int(path.name): ray_start._process(int(path.name))[0] for path in Path("/proc").iterdir() if path.name.isdigit()}
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def listening(pids):
    """The local addresses, in hex, of the sockets on which these processes listen."""
    inodes = set()
    for link in (link for pid in pids for link in Path(f"/proc/{pid}/fd").glob("*")):
        try:
            inodes.add(str(link.readlink()))
        except OSError:  # just closed
            continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENS and f"socket:[{row[9]}]" in inodes}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_a_local_run_listens_on_loopback_alone_and_ends_soon_with_nothing_left_when_its_gcs_is_killed(data_root, tmp_path):
    driver = Driver(data_root, tmp_path / "run", slowly(["bright"], 30))
    process = driver.start("ray")
    driver.wait_for_work(1, process)
    family = descendants(process.pid)
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in family}
    assert listening(family) <= LOOPBACK and listening(family), "GCS, raylet, agents, workers and driver"
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family]
    assert not [command for command in commands if b"RAY_AUTH" in command], "other users can read command lines"
    os.kill(next(pid for pid, name in names.items() if name == "gcs_server"), 9)
    said, _ = process.communicate(timeout=60)
    assert process.returncode and "Ray's gcs_server died. What is finished is kept" in said
    give_up = time.monotonic() + 10
    while (left := {pid for pid in family if Path(f"/proc/{pid}/cmdline").exists()}) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not {names[pid] for pid in left if Path(f"/proc/{pid}/cmdline").read_bytes()}

"""--out URL from the command line: two filesystems, a killed run resumed from the URL alone, no credentials anywhere."""

import json
import os
import shutil
import subprocess
import sys
import time

import fsspec
import pytest
from engine_driver import PLACE
from fsspec.implementations.memory import MemoryFileSystem
from prsbench.harness.cli import main, running
from prsbench.harness.engine.store import remote
from prsbench.harness.engine.store.cell_folder import SCORED
from prsbench.harness.engine.store.run_folder import SEAL

PROGRAM = (
    "import sys, engine_stand_ins; from prsbench.harness.cli import main, running; "
    "from prsbench.harness.engine.store import remote; "
    "running.registry = lambda: engine_stand_ins.REGISTRY; remote.BEATS_S = 0.05; sys.exit(main.main(sys.argv[1:]))"
)
SLOW = "{seconds_per_sample: 0.05}"


class Vault(MemoryFileSystem):
    """A filesystem that is opened with a user and a password, and tells everybody when it is closed."""

    protocol, store, pseudo_dirs, closed = "vault", {}, [""], False

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.partition("://")[2].rpartition("@")[2].partition("?")[0].strip("/") if "://" in path else path

    def pipe_file(self, path, value, **named):
        if Vault.closed:
            raise RuntimeError("530 login of user:s3cr3t%21 failed, s3cr3t! is wrong and so is T0KEN")
        super().pipe_file(path, value, **named)


@pytest.fixture
def go(stand_ins, data_root, tmp_path, monkeypatch):
    """Run a grid on an empty machine, in this process."""
    monkeypatch.setattr(running, "registry", lambda: stand_ins.REGISTRY)
    monkeypatch.setattr(remote, "BEATS_S", 0.05)
    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *arguments: [])
    fsspec.register_implementation("vault", Vault, clobber=True)
    Vault.closed = False
    for system in (Vault, MemoryFileSystem):
        system.store.clear()

    def run(url, machine="machine"):
        place = tmp_path / machine
        place.mkdir(exist_ok=True)
        monkeypatch.chdir(place)
        return main.main(arguments(place, data_root, url))

    return run


def arguments(place, data_root, url, methods="[bright, trained]"):
    (place / "g.yaml").write_text(f"name: g\ndata: [{{source: prs_med}}]\nmethods: {methods}\n")
    return ["run", "g.yaml", "--data", str(data_root), "--executor", "serial", "--out", url]


def lines(tmp_path):
    return (tmp_path / "log.txt").read_text().splitlines()


@pytest.mark.parametrize("scheme", ["memory://runs/a", "memory://a/", "file://{}/a"])
def test_a_run_at_a_url_is_found_there_by_an_empty_machine_which_computes_nothing_again(go, tmp_path, scheme):
    url = scheme.format(tmp_path / "store")
    assert go(url, "first") == 0
    work = [line for line in lines(tmp_path) if not line.startswith("pid")]
    assert go(url, "second") == 0
    assert [line for line in lines(tmp_path) if not line.startswith("pid")] == work
    system, root = fsspec.core.url_to_fs(url)
    names = [name[len(root.rstrip("/")) :] for name in system.find(root)]
    assert sum(name.endswith(SEAL) for name in names) == 6 and "/run.json" in names, "four cells and two trainings"


def test_a_killed_run_is_resumed_from_the_url_alone_by_an_empty_machine(tmp_path, data_root):
    url, place = f"file://{tmp_path}/store", tmp_path / "machine"
    place.mkdir()
    command = arguments(place, data_root, url, methods=f"[{{bright: {SLOW}}}, {{echo: {SLOW}}}]")
    environment = {**os.environ, "PYTHONPATH": str(PLACE), "PRSBENCH_TEST_LOG": str(tmp_path / "log.txt")}

    def start():
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *command], cwd=place, env=environment, stdout=subprocess.PIPE, text=True
        )

    first, give_up = start(), time.monotonic() + 60
    while len(list((tmp_path / "store").glob(f"cells/*/{SEAL}"))) < 2 and first.poll() is None and time.monotonic() < give_up:
        time.sleep(0.01)
    assert first.poll() is None, "it is killed at work"
    first.kill()
    first.communicate()
    whole = (tmp_path / "store").glob(f"cells/*/{SCORED}")  # written last
    finished = {path.parent.name for path in whole if path.read_bytes().endswith(b"}\n")}  # the kill may cut it short
    shutil.rmtree(place / "runs")
    second = start()
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert f"4 cells, {len(finished)} of them finished before" in said
    assert len(list((tmp_path / "store").glob(f"cells/*/{SEAL}"))) == 4


def test_what_ended_while_the_url_could_not_be_written_is_sent_by_the_next_run(go, tmp_path, monkeypatch):
    write = remote.Mirror.push
    with monkeypatch.context() as patched:
        patched.setattr(remote.Mirror, "push", lambda self, folder: None if "cells" in str(folder) else write(self, folder))
        assert go("memory://a") == 0
    assert go("memory://a") == 0
    assert sum("/cells/" in name and name.endswith(SEAL) for name in MemoryFileSystem.store) == 4


URL = "vault://user:s3cr3t%21@host/a/run?key=T0KEN"
SECRETS = ("s3cr3t", "T0KEN", "user:")


def test_credentials_in_a_url_are_in_no_file_and_no_line(go, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["prsbench", "run", "g.yaml", "--out", URL, f"--out={URL}"])
    assert go(URL) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    texts = [path.read_bytes().decode("latin-1") for path in files] + [value.getvalue().decode("latin-1") for value in
                                                                      Vault.store.values()]  # fmt: skip
    said = capfd.readouterr()
    assert len(texts) > 20
    assert not [secret for text in (*texts, *map(str, files), *Vault.store, *said) for secret in SECRETS if secret in text]
    run = json.loads(Vault.store["/host/a/run/run.json"].getvalue())
    assert run["provenance"]["command"][-2:] == ["vault://***@host/a/run?***", "--out=vault://***@host/a/run?***"]


def test_an_error_of_the_filesystem_is_one_sentence_without_credentials(go, capfd):
    Vault.closed = True
    assert go(URL) == 2
    said = capfd.readouterr().err
    assert "vault://***@host/a/run?***: pipe_file failed (RuntimeError: 530 login of ***" in said
    assert "Traceback" not in said and not [secret for secret in SECRETS if secret in said]


@pytest.mark.parametrize("url", ["nosuch://user:s3cr3t@x", "s3cr3t://x"])
def test_an_unknown_filesystem_is_refused_in_one_sentence(go, capfd, url):
    assert go(url) == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said and "user:s3cr3t" not in said and "Name a path, or a URL" in said


def test_a_new_password_finds_the_same_folder_of_work_and_another_user_does_not():
    folder = remote.mirror_folder("ftp://ann:1@host/run")
    assert remote.mirror_folder("ftp://ann:2@host/run?x=1") == folder != remote.mirror_folder("ftp://bob:1@host/run")

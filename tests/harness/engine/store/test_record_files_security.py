"""What comes from a user is data: no file of theirs is run, none is unpickled, no text reaches a shell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SOURCES = [path for room in ("harness", "methods", "metrics", "datasets") for path in sorted((ROOT / room).rglob("*.py"))]
# Reads what its parent process, ours, sends through a pipe: functions of ours by name, and their arguments.
READS_ITS_PARENT = ROOT / "harness" / "engine" / "apart" / "child.py"
# Writes the members of an archive one by one, after their names, kinds and sizes are checked.
CHECKS_ITS_MEMBERS = ROOT / "datasets" / "prepare" / "unpacked.py"
FORBIDDEN = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "dill.load", "marshal.loads", "shelve.open",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "eval", "exec",
    "shutil.unpack_archive", "zipfile.ZipFile", "tarfile.open",
}  # fmt: skip


def calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and not ast.unparse(node).startswith("pickle.loads(pickle.dumps("):  # its own bytes
            yield ast.unparse(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_unpickles_unpacks_evaluates_or_starts_a_shell(path):
    for name, keywords in calls(path):
        allowed = {READS_ITS_PARENT: {"pickle.loads"}, CHECKS_ITS_MEMBERS: {"zipfile.ZipFile", "tarfile.open"}}.get(path, set())
        assert name not in FORBIDDEN - allowed, f"{path}: {name}"
        assert keywords.get("shell", "False") == "False", f"{path}: {name}(shell=...)"
        if name == "torch.load":
            assert keywords.get("weights_only") == "True", f"{path}: torch.load without weights_only"
        if name in ("np.load", "numpy.load"):
            assert keywords.get("allow_pickle") == "False", f"{path}: np.load without allow_pickle=False"


def test_a_checkpoint_that_runs_code_is_refused_and_its_code_does_not_run(tmp_path):
    import os

    import torch
    from prsbench.harness.contract.errors import PrsbenchError
    from prsbench.methods.parts.weights.timm_backbone import build_backbone

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "it ran"),)

    torch.save({"weight": Malicious()}, tmp_path / "weights.pth")
    with pytest.raises(PrsbenchError, match="holds pickled objects"):
        build_backbone("convnext_atto", (1, 2, 3), str(tmp_path / "weights.pth"))
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", ".hidden", "x y"])
def test_a_grids_name_cannot_leave_its_folder(name):
    from prsbench.harness.contract.errors import ConfigError
    from prsbench.harness.engine.grid.loading import load_grid

    with pytest.raises(ConfigError, match="name: String should match pattern"):
        load_grid("smoke", [f"name='{name}'"])

"""The catalog passes the suite, and the suite finds each fault it is there for."""

import sys
from importlib.metadata import EntryPoint

import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.methods.authoring.conformance import CHECKS, FAILED, MEASURED, NOT_APPLICABLE, PASSED, SKIPPED, examine, report
from prsbench.methods.authoring.skeleton import write_skeleton
from prsbench.methods.catalog import METHODS
from prsbench.methods.plugins import GROUP

# Of several rows made by the same code, one is examined by `make test` and the others by `make test-slow`; PRS-Med, MedSeg-R and
# the small LISA and PixelLM are examined at a smaller size in folders of their own.
SECOND = (
    "cg_reasoner", "cg_reasoner_small", "lite_medsam_jittered_box", "lite_medsam_automatic", "prs_med", "medseg_r",
    "lisa_tiny", "pixellm_tiny", *(name for name in METHODS if name.endswith("_text_box")),
)  # fmt: skip
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SECOND else ()) for name in METHODS]


@pytest.mark.parametrize("name", NAMES)
def test_every_method_of_the_catalog_passes_or_says_what_it_lacks(name):
    findings = list(examine(name))
    if findings[0].status == SKIPPED:
        assert f"methods.{name}." in findings[0].reason or "pip install" in findings[0].reason
        pytest.skip(findings[0].reason)
    assert [f"{f.check}: {f.reason}" for f in findings if f.status == FAILED] == []
    assert [f.check for f in findings if f.status == MEASURED] == ([] if name.startswith("oracle") else ["cost"])
    assert len(findings) == len(CHECKS) + (not name.startswith("oracle"))


@pytest.fixture
def skeleton(tmp_path):
    """The file that `new-method` writes, and what to call its class."""
    write_skeleton("my_method", tmp_path)
    return tmp_path / "my_method.py"


def test_the_written_method_is_short_and_passes(skeleton):
    findings = list(examine(f"{skeleton}:MyMethod"))
    assert {f.status for f in findings} == {PASSED, NOT_APPLICABLE, MEASURED}
    assert len(skeleton.read_text().splitlines()) <= 60


def test_a_method_of_an_installed_package_passes_the_same_suite(skeleton, monkeypatch):
    monkeypatch.syspath_prepend(str(skeleton.parent))
    monkeypatch.setitem(vars(METHODS), "_installed", {"theirs": EntryPoint("theirs", "my_method:MyMethod", GROUP)})
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
    assert {f.status for f in examine("theirs")} == {PASSED, NOT_APPLICABLE, MEASURED}
    sys.modules.pop("my_method")


MAP = "probability = (0.5**distance).astype(np.float32)  # (H, W) in [0, 1], native size"
INIT = "        self.config = config\n"
FAULTS = {
    "says what it is": ("Labels(self.config.prompt_source", "Labels('oracle box'"),
    "fits its queries": (MAP, "probability = 0.5**distance"),
    "same seed same numbers": (MAP, f"{MAP}\n        probability *= np.float32(np.random.default_rng().uniform(0.5, 1))"),
    "neighbours in the batch do not matter": ("for query in queries]", "for query in queries[:1] * len(queries)]"),
    "leaves its query alone": (MAP, f"{MAP}\n        query.image[:3] = 0"),
    "travels between processes": (INIT, f"{INIT}        self.key = lambda x: x\n"),
    "does not know the answer": (MAP, f"{MAP}\n        probability[:] = query.sample_id.startswith('brain')"),
    "loads what it saved": ('json.loads((folder / "foreground.json").read_text())', "110.0"),
    "uses every weight it was given": (INIT, f"{INIT}        self.net = __import__('torch').nn.Linear(9, 9)\n"),
    "gives its memory back": (INIT, f"{INIT}        KEPT.append(self)\n"),
    "names a missing checkpoint": ("    width:", "    checkpoint: str | None = None\n    width:"),
}


@pytest.mark.parametrize("claim", FAULTS)
def test_a_fault_is_found_by_the_check_that_is_there_for_it(claim, skeleton):
    old, new = FAULTS[claim]
    text = skeleton.read_text()
    assert old in text
    skeleton.write_text(text.replace(old, new) + "\n\nKEPT = []\n")
    found = {f.check: f.status for f in examine(f"{skeleton}:MyMethod")}
    assert found[claim] == FAILED


def test_each_check_has_a_fault_it_finds():
    assert set(FAULTS) == {check.__name__.replace("_", " ") for check in CHECKS}


def test_a_method_that_breaks_in_training_is_one_failure_with_its_error(skeleton):
    skeleton.write_text(skeleton.read_text().replace("float(np.mean(inside))", "1 / 0"))
    lines = []
    assert not report(f"{skeleton}:MyMethod", lines.append)
    assert len(lines) == 1 and "ZeroDivisionError" in lines[0]


def test_the_written_method_never_overwrites_and_needs_a_python_name(tmp_path):
    write_skeleton("mine", tmp_path)
    with pytest.raises(ConfigError, match="exists and was not changed"):
        write_skeleton("mine", tmp_path)
    with pytest.raises(ConfigError, match="not a valid module name"):
        write_skeleton("my-method", tmp_path)

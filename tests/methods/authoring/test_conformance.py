"""The catalog passes the conformance suite, and each check of the suite finds its fault."""

import sys
from importlib.metadata import EntryPoint
from inspect import isfunction, signature

import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.methods.authoring import conformance
from prsbench.methods.authoring.conformance import CHECKS, Verdict, examine, report
from prsbench.methods.authoring.skeleton import write_skeleton
from prsbench.methods.catalog import METHODS
from prsbench.methods.plugins import GROUP

# Of several rows made by the same code, one is examined by `make test` and the others by `make test-slow`; PRS-Med, MedSeg-R and
# the small LISA and PixelLM are examined at a smaller size in folders of their own.
SECOND = (
    "cg_reasoner", "cg_reasoner_small", "lite_medsam_jittered_box", "lite_medsam_automatic", "prs_med", "medseg_r",
    "lisa_tiny", "pixellm_tiny", *(name for name in METHODS if name.endswith(("_text_box", "_own_mask_text"))),
)  # fmt: skip
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SECOND else ()) for name in METHODS]


@pytest.mark.parametrize("name", NAMES)
def test_every_method_of_the_catalog_passes_or_names_what_it_lacks(name):
    findings = list(examine(name))
    if findings[0].verdict is Verdict.SKIPPED:
        cures = (f"methods.{name}.", "pip install", "Set `from`")  # the last: of saved predictions, whose name the grid gives
        assert any(cure in findings[0].reason for cure in cures)
        pytest.skip("the row needs a checkpoint that its users bring")
    assert [f"{f.check}: {f.reason}" for f in findings if f.verdict is Verdict.FAILED] == []
    assert [f.check for f in findings if f.verdict is Verdict.MEASURED] == ([] if name.startswith("oracle") else ["cost"])
    assert len(findings) == len(CHECKS) + (not name.startswith("oracle"))


@pytest.fixture
def skeleton(tmp_path):
    """The file that `new-method` writes, and what to call its class."""
    write_skeleton("my_method", tmp_path)
    return tmp_path / "my_method.py"


def test_the_written_method_is_short_and_passes(skeleton):
    findings = list(examine(f"{skeleton}:MyMethod"))
    assert {f.verdict for f in findings} == {Verdict.PASSED, Verdict.NOT_APPLICABLE, Verdict.MEASURED}
    assert len(skeleton.read_text().splitlines()) <= 60


def test_a_method_of_an_installed_package_passes_the_same_suite(skeleton, monkeypatch):
    monkeypatch.syspath_prepend(str(skeleton.parent))
    monkeypatch.setitem(vars(METHODS), "_installed", {"theirs": EntryPoint("theirs", "my_method:MyMethod", GROUP)})
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
    assert {f.verdict for f in examine("theirs")} == {Verdict.PASSED, Verdict.NOT_APPLICABLE, Verdict.MEASURED}
    sys.modules.pop("my_method")


MAP = "probability = (0.5**distance).astype(np.float32)  # (H, W) in [0, 1], native size"
INIT = "        self.config = config\n"
FAULTS = {
    "discloses its labels": ("Labels(self.config.prompt_source", "Labels('oracle box'"),
    "answers every query": (MAP, "probability = 0.5**distance"),
    "is reproducible": (MAP, f"{MAP}\n        probability *= np.float32(np.random.default_rng().uniform(0.5, 1))"),
    "does not depend on the batch": ("for query in queries]", "for query in queries[:1] * len(queries)]"),
    "does not change its queries": (MAP, f"{MAP}\n        query.image[:3] = 0"),
    "can be pickled": (INIT, f"{INIT}        self.key = lambda x: x\n"),
    "ignores what its labels exclude": (MAP, f"{MAP}\n        probability[:] = query.sample_id.startswith('brain')"),
    "loads what it saved": ('json.loads((folder / "foreground.json").read_text())', "110.0"),
    "uses all its weights": (INIT, f"{INIT}        self.net = __import__('torch').nn.Linear(9, 9)\n"),
    "frees its memory": (INIT, f"{INIT}        KEPT.append(self)\n"),
    "names a missing checkpoint": ("    width:", "    checkpoint: str | None = None\n    width:"),
}


MORE_FAULTS = [
    ("does not change its queries", (MAP, f"{MAP}\n        object.__setattr__(query, 'question', '')")),
    ("does not change its queries", ("for query in queries]", "for query in [queries.pop(0) for _ in queries[:]]]")),
]


@pytest.mark.parametrize(("claim", "fault"), [*FAULTS.items(), *MORE_FAULTS])
def test_a_fault_is_found_by_the_check_that_is_there_for_it(claim, fault, skeleton):
    old, new = fault
    text = skeleton.read_text()
    assert old in text
    skeleton.write_text(text.replace(old, new) + "\n\nKEPT = []\n")
    found = {f.check: f.verdict for f in examine(f"{skeleton}:MyMethod")}
    assert found[claim] is Verdict.FAILED


def test_each_check_is_run_and_has_a_fault_it_finds():
    functions = {name: item for name, item in vars(conformance).items() if isfunction(item) and name[0] != "_"}
    assert {name for name, item in functions.items() if [*signature(item).parameters] == ["subject"]} == {
        c.__name__ for c in CHECKS
    }
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

"""`plan`: what is new, what is stale and why, and what the rest will take."""

from dataclasses import replace
from uuid import uuid4

import pytest
from prsbench.harness.contract.catalog import Catalog, PackagedFile
from prsbench.harness.engine.driver.forecast import planned_lines
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.plan import fingerprints, planning
from prsbench.harness.engine.store.run_folder import SEAL, RunFolder, TrainingFolder

BEFORE = ["bright", {"trained": {"secret": "a"}}]


@pytest.fixture
def planned(stand_ins, data_root, tmp_path):
    """The lines of a plan in a run folder where BEFORE is finished."""
    folder = RunFolder(tmp_path / "run")
    run_grid(stand_ins.make_grid(data_root, BEFORE), stand_ins.REGISTRY, folder, str, "serial")

    def lines(methods=BEFORE, root=data_root, registry=stand_ins.REGISTRY, **options):
        run = plan_run(stand_ins.make_grid(root, methods, **options), registry, folder, str)
        return list(planned_lines(run, workers=2))

    return lines


def of(lines, method):
    return next(line for line in lines if f" {method}--" in line)


def test_a_finished_grid_is_cached_and_nothing_is_left_to_compute(planned):
    *cells, counts, forecast = planned()
    assert all(line.startswith("cached ") for line in cells)
    assert (counts, forecast) == ("4 cached", "Nothing to compute.")


def test_a_changed_key_of_a_method_is_named_with_both_values(planned):
    lines = planned(["bright", {"trained": {"secret": "b"}}])
    assert of(lines, "bright").startswith("cached ")
    assert "stale " in of(lines, "trained") and of(lines, "trained").endswith(": secret a -> b; trained: secret a -> b")
    assert "2 cached, 2 stale" in lines


def test_what_was_never_there_is_new_and_of_unknown_cost(planned):
    *_, counts, forecast = planned([*BEFORE, "jittered"])
    assert counts == "4 cached, 2 new"
    assert forecast == "2 nodes to compute; time, memory and disk unknown: this run folder has no timings of similar nodes."


def test_another_seed_is_new_and_its_cost_is_known_from_the_first(planned):
    *_, counts, forecast = planned(seeds=(0, 1))
    assert counts == "4 cached, 4 new"
    assert forecast.startswith("6 nodes to compute: about ") and "GiB memory each" in forecast and "unknown" not in forecast


def test_a_changed_picture_is_reported_as_changed_data(planned, stand_ins, tmp_path):
    root = stand_ins.write_data(tmp_path / "copy")
    picture = root / "skin_rgbimage" / "test_images" / "test0.png"
    picture.write_bytes(picture.read_bytes() + b"\0")
    lines = planned(root=root)
    changed = [line for line in lines if line.startswith("stale ")]
    assert len(changed) == 2 and all("skin_rgbimage" in line and line.endswith(": manifest changed") for line in changed)


@pytest.fixture
def replan(stand_ins, data_root, tmp_path, monkeypatch):
    """The plan of a finished run after one module is rewritten: of two rows that import one module each and a shared one."""
    lab = f"lab_{uuid4().hex}"  # a name that no other test has looked up
    (tmp_path / lab).mkdir()
    for name in ("only_left", "only_right", "shared"):
        (tmp_path / lab / f"{name}.py").write_text('"""What it is."""\n\nLEVEL = 1 + 2  # a sum\n')
    for name in ("left", "right"):
        text = f"from stand_in_methods import Bright, StandInConfig\nfrom {lab} import only_{name}, shared\n"
        (tmp_path / lab / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    rows = [stand_ins.entry(name, f"{lab}.{name}:Bright", f"{lab}.{name}:StandInConfig") for name in ("left", "right")]
    registry = replace(stand_ins.REGISTRY, methods=Catalog("method", rows))
    chosen, folder = stand_ins.make_grid(data_root, ["left", "right"]), RunFolder(tmp_path / "run")
    run_grid(chosen, registry, folder, str, "serial")

    def replan(module, text):
        (tmp_path / lab / f"{module}.py").write_text(text)
        fingerprints._module_hash.cache_clear()  # another process would start with an empty one
        lines = [line for line in planned_lines(plan_run(chosen, registry, folder, str), workers=1) if "--s0-" in line]
        return {name: {line.split()[0] for line in lines if f" {name}--" in line} for name in ("left", "right")}, lines

    return replan


@pytest.mark.parametrize("module", ["only_left", "only_right", "shared"])
def test_a_mended_docstring_or_a_new_comment_leaves_every_cell_cached(replan, module):
    states, _ = replan(module, '"""What it really is."""\n# and why\n\nLEVEL = 1 + 2\n')
    assert states == {"left": {"cached"}, "right": {"cached"}}


@pytest.mark.parametrize(("module", "stale"), [("only_left", ["left"]), ("only_right", ["right"]), ("shared", ["left", "right"])])
def test_a_changed_operator_makes_exactly_the_rows_that_import_the_module_stale_and_names_them(replan, module, stale):
    states, lines = replan(module, '"""What it is."""\n\nLEVEL = 1 - 2  # a sum\n')
    assert states == {name: {"stale"} if name in stale else {"cached"} for name in ("left", "right")}
    assert all(line.endswith(f".{module}") and ": code of lab_" in line for line in lines if line.startswith("stale"))


def test_a_weight_package_installed_since_is_reported_for_the_training_that_lacked_it(
    stand_ins, data_root, tmp_path, monkeypatch
):
    part = replace(stand_ins.PART, packaged=(PackagedFile("weights", "weights==1", "model.bin", ""),))
    registry = replace(stand_ins.REGISTRY, parts=Catalog("part", [part]))
    chosen, folder = stand_ins.make_grid(data_root, ["trained"]), RunFolder(tmp_path / "run")
    monkeypatch.setattr(planning, "packaged_hash", lambda file: "not installed")
    run_grid(chosen, registry, folder, str, "serial")
    monkeypatch.setattr(planning, "packaged_hash", lambda file: "f" * 64)
    lines = list(planned_lines(plan_run(chosen, registry, folder, str), workers=1))
    assert of(lines, "trained").endswith(": trained: part: packaged.weights==1: model.bin not installed -> installed")


def test_changed_metrics_and_a_repeated_training_are_told_apart(planned, stand_ins, data_root, tmp_path, monkeypatch):
    run = plan_run(stand_ins.make_grid(data_root, BEFORE), stand_ins.REGISTRY, RunFolder(tmp_path / "run"), str)
    training = next(node for node in run.plan.trainings.values() if node.name == "trained")
    folder = TrainingFolder(run.setting.training_folder(training.key))
    folder.write(SEAL, {**folder.read(SEAL), "digest": "retrained"})
    monkeypatch.setattr("prsbench.harness.engine.driver.run.make_plan", lambda *a: replace(run.plan, scoring_hash="changed"))
    lines = planned()
    assert of(lines, "bright").startswith("re-score ") and of(lines, "bright").endswith(": scoring changed")
    assert of(lines, "trained").endswith(": its training was done again, with other weights")

"""The command line on a run folder of another version, whose plan names modules, classes or config keys that no longer exist."""

import json
import shutil

import pytest
from prsbench.harness.cli.main import main
from prsbench.harness.contract.files import file_hash
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.store.json_files import FIELDS, sealed
from prsbench.harness.engine.store.run_folder import RunFolder

GONE_MODULE, GONE_CLASS = "prsbench.methods.gone.adapter:Gone", "prsbench.harness.contract.types:Gone"
OF_ANOTHER_VERSION = "so this run was made by another version of prsbench; run its grid again."


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    import engine_stand_ins

    place = tmp_path_factory.mktemp("finished") / "run"
    grid = engine_stand_ins.make_grid(engine_stand_ins.write_data(place / "data" / "given"), ["bright", "trained"])
    run_grid(grid, engine_stand_ins.REGISTRY, RunFolder(place), str, "serial")
    return place


@pytest.fixture
def old_run(finished, tmp_path):
    """A copy of a finished run as another version would have written it."""

    def write(loader=None, **fields):
        shutil.copytree(finished, tmp_path / "run")
        path = tmp_path / "run" / "run.json"
        content = json.loads(path.read_text())
        content["setting"]["loader"] = loader or content["setting"]["loader"]
        for node in (*content["plan"]["trainings"].values(), *content["plan"]["cells"]):
            node.update(fields)
        path.write_text(json.dumps({"status": content.pop("status"), **sealed(without_seal(content))}))
        for cell in (path.parent / "cells").iterdir():
            stored, seal = (json.loads((cell / name).read_text()) for name in ("cell.json", "sealed.json"))
            stored["node"].update(fields)
            (cell / "cell.json").write_text(json.dumps(sealed(without_seal(stored))))
            facts = (cell / "cell.json").stat()
            now = {"sha256": file_hash(cell / "cell.json"), "bytes": facts.st_size, "changed_ns": facts.st_mtime_ns}
            seal["files"]["cell.json"] = now
            (cell / "sealed.json").write_text(json.dumps(sealed(without_seal(seal))))
        return str(path.parent)

    return write


def without_seal(content):
    return {name: value for name, value in content.items() if name != FIELDS}


@pytest.mark.parametrize("gone", [GONE_MODULE, GONE_CLASS])
@pytest.mark.parametrize("command", ["verify", "audit prscore", "audit leaks trained --run", "export --to out trained"])
def test_commands_that_run_code_of_the_plan_report_in_one_line_that_another_version_made_it(old_run, capsys, command, gone):
    assert main([*command.split(), old_run(loader=gone, factory=gone, config_type=gone)]) == 2
    assert capsys.readouterr() == ("", f"prsbench has no '{gone}', {OF_ANOTHER_VERSION}\n")


def test_a_config_that_this_version_refuses_is_named_with_its_key(old_run, capsys):
    assert main(["audit", "leaks", "trained", "--run", old_run(config={"gone_key": 1})]) == 2
    said = capsys.readouterr().err
    assert "refuses 'gone_key'" in said and said.endswith(f", {OF_ANOTHER_VERSION}\n") and len(said.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "report"])
def test_what_only_reads_results_needs_no_code_of_the_plan(old_run, capsys, command):
    run = old_run(loader=GONE_MODULE, factory=GONE_MODULE, config_type=GONE_MODULE)
    assert main([command, run]) == 0
    assert ("4 cached" if command == "status" else "report.html") in capsys.readouterr().out


def test_verify_needs_the_text_models_and_no_method(old_run, capsys):
    assert main(["verify", old_run(factory=GONE_MODULE, config_type=GONE_MODULE)]) == 0

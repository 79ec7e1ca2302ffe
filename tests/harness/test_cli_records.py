"""The commands that read a run folder or its records: both give the same tables, and neither changes what it reads."""

import json
import shutil

import pytest
from prsbench.harness import cli
from prsbench.harness.contract.results import digest_of
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.store.run_folder import RunFolder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    import engine_stand_ins

    place = tmp_path_factory.mktemp("finished") / "run"
    grid = engine_stand_ins.make_grid(engine_stand_ins.write_data(place / "data" / "given"), ["bright", "trained", "echo"])
    run_grid(grid, engine_stand_ins.REGISTRY, RunFolder(place), str, "serial")
    assert cli.main(["report", str(place)]) == 0
    return place


@pytest.fixture(scope="module")
def records(finished, tmp_path_factory):
    place = tmp_path_factory.mktemp("records") / "of_run"
    assert cli.main(["records", str(finished), "--to", str(place)]) == 0
    return place


def files_of(folder, *kinds):
    return {p.relative_to(folder): p.read_bytes() for kind in kinds for p in (folder / kind).rglob("*") if p.is_file()}


def test_the_report_of_records_has_the_tables_and_costs_of_the_run_byte_for_byte(finished, records, tmp_path):
    assert cli.main(["report", str(records), "--to", str(tmp_path)]) == 0
    tables = files_of(finished, "tables")
    assert len(tables) > 20 and files_of(tmp_path, "tables") == tables
    for name in ("cost/cost.csv", "cost/cost.md"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
    assert (tmp_path / "report.html").is_file() and not (records / "tables").exists()


def test_figures_without_images_are_those_of_the_run_byte_for_byte(finished, records, tmp_path):
    assert cli.main(["report", str(records), "--to", str(tmp_path)]) == 0
    ours, theirs = files_of(tmp_path, "figures"), files_of(finished, "figures")
    assert ours and ours == {name: theirs[name] for name in ours}


def test_a_second_report_of_the_same_records_has_the_same_bytes(records, tmp_path):
    for name in "ab":
        assert cli.main(["report", str(records), "--to", str(tmp_path / name)]) == 0
    assert files_of(tmp_path / "a", ".") == files_of(tmp_path / "b", ".")


def test_records_say_of_what_run_they_are_and_keep_its_digest(finished, records):
    about = json.loads((records / "cells.json").read_text())["about"]
    assert about["digest"] == digest_of(results(open_run(finished)))
    assert {"prsbench", "commit", "dirty", "command", "time", "packages", "hardware", "grid"} <= set(about)


def test_records_of_records_are_the_same_bytes(records, tmp_path):
    assert cli.main(["records", str(records), "--to", str(tmp_path / "again")]) == 0
    assert files_of(tmp_path / "again", ".") == files_of(records, ".")


def test_records_never_go_into_a_folder_with_other_files(finished, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.main(["records", str(finished), "--to", str(tmp_path)]) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert cli.main(["records", str(finished), "--to", str(finished)]) == 2


def test_what_needs_the_predictions_refuses_records_and_says_so(records, capsys):
    assert cli.main(["verify", str(records)]) == 2
    assert "these are a run's records, without its predictions" in capsys.readouterr().err


def test_losses_of_a_training_that_is_gone_do_not_stay_in_the_records(records, tmp_path):
    place = shutil.copytree(records, tmp_path / "copy")
    (place / "trainings" / "old").mkdir(parents=True)
    (place / "trainings" / "old" / "losses.csv").write_text("step,loss\n")
    assert cli.main(["records", str(place), "--to", str(place)]) == 0
    assert not (place / "trainings" / "old" / "losses.csv").exists()

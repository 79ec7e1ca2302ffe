"""The commands that read a run folder or its records: both give the same tables, and neither changes what it reads."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from prsbench.harness.cli.main import main
from prsbench.harness.cli.results import EXPORTS
from prsbench.harness.contract.results import digest_of
from prsbench.harness.contract.summary import summarise_cell
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.report.exports.formats import FORMATS
from prsbench.harness.report.exports.samples import read_results, write_results


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    import engine_stand_ins

    place = tmp_path_factory.mktemp("finished") / "run"
    grid = engine_stand_ins.make_grid(engine_stand_ins.write_data(place / "data" / "given"), ["bright", "trained", "echo"])
    run_grid(grid, engine_stand_ins.REGISTRY, RunFolder(place), str, "serial")
    assert main(["report", str(place)]) == 0
    return place


@pytest.fixture(scope="module")
def records(finished, tmp_path_factory):
    place = tmp_path_factory.mktemp("records") / "of_run"
    assert main(["records", str(finished), "--to", str(place)]) == 0
    return place


def files_of(folder, *kinds):
    return {p.relative_to(folder): p.read_bytes() for kind in kinds for p in (folder / kind).rglob("*") if p.is_file()}


def test_the_report_of_records_has_the_tables_and_costs_of_the_run_byte_for_byte(finished, records, tmp_path):
    assert main(["report", str(records), "--to", str(tmp_path)]) == 0
    tables = files_of(finished, "tables")
    assert len(tables) > 20 and files_of(tmp_path, "tables") == tables
    for name in ("cost/cost.csv", "cost/cost.md"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
    assert (tmp_path / "report.html").is_file() and not (records / "tables").exists()


def test_figures_without_images_are_those_of_the_run_byte_for_byte(finished, records, tmp_path):
    assert main(["report", str(records), "--to", str(tmp_path)]) == 0
    ours, theirs = files_of(tmp_path, "figures"), files_of(finished, "figures")
    assert ours and ours == {name: theirs[name] for name in ours}


def test_a_second_report_of_the_same_records_has_the_same_bytes(records, tmp_path):
    for name in "ab":
        assert main(["report", str(records), "--to", str(tmp_path / name)]) == 0
    assert files_of(tmp_path / "a", ".") == files_of(tmp_path / "b", ".")


def test_records_say_of_what_run_they_are_and_keep_its_digest(finished, records):
    about = json.loads((records / "cells.json").read_text())["about"]
    assert about["digest"] == digest_of(results(open_run(finished)))
    assert {"prsbench", "commit", "dirty", "command", "time", "packages", "hardware", "grid"} <= set(about)


def test_records_of_records_are_the_same_bytes(records, tmp_path):
    assert main(["records", str(records), "--to", str(tmp_path / "again")]) == 0
    assert files_of(tmp_path / "again", ".") == files_of(records, ".")


def test_records_never_go_into_a_folder_with_other_files(finished, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["records", str(finished), "--to", str(tmp_path)]) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert main(["records", str(finished), "--to", str(finished)]) == 2


def test_what_needs_the_predictions_refuses_records_and_says_so(records, capsys):
    assert main(["verify", str(records)]) == 2
    assert "these are a run's records, without its predictions" in capsys.readouterr().err


def test_losses_of_a_training_that_is_gone_do_not_stay_in_the_records(records, tmp_path):
    place = shutil.copytree(records, tmp_path / "copy")
    (place / "trainings" / "old").mkdir(parents=True)
    (place / "trainings" / "old" / "losses.csv").write_text("step,loss\n")
    assert main(["records", str(place), "--to", str(place)]) == 0
    assert not (place / "trainings" / "old" / "losses.csv").exists()


def test_the_papers_tables_are_the_same_from_a_run_and_from_its_records(finished, records, tmp_path):
    for name, folder in (("run", finished), ("records", records)):
        assert main(["paper", str(folder), "--to", str(tmp_path / name), "--with", "n", "failures", "intervals"]) == 0
    files = files_of(tmp_path / "run", ".")
    assert files == files_of(tmp_path / "records", ".") and any(path.name == "example.tex" for path in files)


def test_a_run_compared_with_its_records_has_the_same_digest_and_passes_every_check(finished, records, capsys):
    assert main(["compare", str(finished), str(records), "--fail-below", "0"]) == 0
    out = capsys.readouterr().out
    assert "COMPARISON OF RUNS" in out and "the same digest" in out and "No row became worse." in out


def worse(records, place):
    """A copy of records in which every sample of the row "echo" failed to overlap."""
    found = read_results(records)
    cells = []
    for cell in found.cells:
        scores = [{name: value / 2 for name, value in line.items()} for line in cell.scores]
        cells.append(cell if cell.method != "echo" else with_records(cell, cell.records, scores))
    write_results(replace(found, cells=cells), place)
    return str(place)


def with_records(cell, records, scores):
    summary, samples = summarise_cell(records, scores)
    return replace(cell, summary=summary, samples=lambda: samples, read=lambda: (records, scores), digest="another")


def test_a_regression_has_exit_code_1_only_if_a_limit_was_given(records, tmp_path, capsys):
    second = worse(records, tmp_path / "worse")
    assert main(["compare", str(records), second]) == 0
    assert main(["compare", str(records), second, "--fail-below", "0.9"]) == 0
    capsys.readouterr()
    assert main(["compare", str(records), second, "--fail-below", "0.01"]) == 1
    assert "echo: Dice@0.5 1.000 -> 0.500, worse by more than 0.01" in capsys.readouterr().out
    assert main(["compare", second, str(records), "--fail-below", "0.01"]) == 0


def test_a_limit_that_is_no_share_is_refused(records, capsys):
    for limit in ("-1", "nan", "2"):
        assert main(["compare", str(records), str(records), "--fail-below", limit]) == 2
        assert "--fail-below: expected 0 to 1" in capsys.readouterr().err


def test_the_leaderboard_verifies_runs_and_marks_records(finished, records, tmp_path, capsys):
    assert main(["leaderboard", str(finished), str(records), "--to", str(tmp_path)]) == 0
    lines = list(csv.DictReader((tmp_path / "leaderboard.csv").open()))
    assert {(line["run"], line["check"]) for line in lines} == {
        (str(finished), "verified"),
        (str(records), "records only, not verified"),
    }
    assert {line["table"] for line in lines} == {"1"}
    page = (tmp_path / "leaderboard.html").read_text()
    assert "records only, not verified" in page and "src=" not in page and "<h1>prsbench leaderboard</h1>" in page
    assert main(["leaderboard", str(records), "--to", str(tmp_path), "--by", "dice"]) == 2


def test_a_changed_run_is_marked_in_the_leaderboard(finished, tmp_path, capsys):
    changed = shutil.copytree(finished, tmp_path / "run")
    table = changed / "tables" / "main.csv"
    table.write_text(table.read_text().replace("1.000", "0.999"))
    assert main(["leaderboard", str(changed), "--to", str(tmp_path / "board")]) == 0
    assert "verify found 1 problems" in (tmp_path / "board" / "leaderboard.csv").read_text()
    assert "main.csv: differs" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["challenger", "claims", "model-card", "dataset-card", "parquet"])
def test_every_export_is_the_same_from_a_run_and_from_its_records(finished, records, tmp_path, name):
    for place, folder in (("run", finished), ("records", records)):
        assert main(["export-scores", str(folder), "--format", name, "--to", str(tmp_path / place)]) == 0
    files = files_of(tmp_path / "run", ".")
    assert files and files == files_of(tmp_path / "records", ".")


def test_the_formats_of_the_command_line_are_those_that_can_be_written():
    assert tuple(EXPORTS) == FORMATS

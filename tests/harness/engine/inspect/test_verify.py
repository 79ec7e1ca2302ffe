"""`verify`, `status`, `logs` and `retry`: what they report of a run folder."""

import os
import shutil
from pathlib import Path

import engine_stand_ins
import pytest
from prsbench.harness.cli import running
from prsbench.harness.cli.main import main
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import move_damaged, open_run
from prsbench.harness.engine.inspect.status import log_text, status_lines
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.store import cell_folder, record_files
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.report.tables.formats import to_csv
from prsbench.harness.report.tables.selection import tables_of


@pytest.fixture(scope="module")
def finished(finish):
    return finish("bright", "trained")


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return open_run(tmp_path / "run")


def flip(path, position=-20):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def cell(run, method="bright"):
    return run.setting.run.cell(next(node.folder for node in run.plan.cells if node.method == method))


def training(run):
    return run.setting.run.training(next(node.folder for node in run.plan.trainings.values() if node.name == "trained"))


def test_an_untouched_run_copied_elsewhere_has_no_problem(run):
    assert list(verify_run(run)) == []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda run: flip(cell(run) / "records.jsonl", 300), "records.jsonl line 1 is not what was measured"),
        (lambda run: flip(cell(run) / "predictions.jsonl", 100), "predictions.jsonl line 1 is not what was sealed"),
        (lambda run: flip(cell(run) / "maps.bin"), "maps.bin is not what was sealed"),
        (lambda run: (cell(run) / "maps.bin").unlink(), "maps.bin is not what was sealed"),
        (lambda run: flip(training(run) / "weights" / "level.json", 3), "level.json"),
        (lambda run: (training(run) / "weights" / "more.bin").write_bytes(b"1"), "more.bin"),
        (lambda run: flip(run.setting.roots[0] / "skin_rgbimage" / "test_masks" / "test1.png"), "Data set 'skin_rgbimage'"),
    ],
    ids=["a record", "an answer", "a map", "no maps", "a weight", "a file beside the weights", "a mask"],
)
def test_a_changed_byte_is_found_and_named(run, harm, said):
    harm(run)
    (problem,) = verify_run(run)
    assert said in problem


def test_a_changed_score_is_found_even_if_the_hashes_are_those_of_the_changed_file(run):
    folder = cell_folder.CellFolder(cell(run))
    scores = [dict(row) for row in folder.scores()]
    scores[2]["dice@0.5"] -= 1e-12
    record_files.write_scores(folder.path / cell_folder.SCORES, scores)
    (problem,) = verify_run(run)
    assert "scores.json is not what was measured" in problem
    assert [result.status for result in results(run)].count("failed") == 1, "no table has it"
    folder.write_scores(folder.scored_with, engine_stand_ins.Judges(), folder.records(), scores)
    (problem,) = verify_run(run)
    assert "its scores are not those of its records" in problem


def test_bytes_that_change_without_a_trace_in_size_or_time_reach_no_table_and_verify_names_them(run):
    expected = {table.name: to_csv(table) for table in tables_of(results(run))}
    path = cell(run) / "records.jsonl"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    flip(path, 300)
    os.utime(path, ns=times)
    assert {table.name: to_csv(table) for table in tables_of(results(run))} == expected  # from the summary, which is complete
    assert "records.jsonl line 1" in next(verify_run(run))
    flip(cell(run) / cell_folder.SUMMARY)
    damaged, *others = results(run)  # now the records have to be read
    assert damaged.status == "failed" and "records.jsonl line 1" in damaged.error
    assert {other.status for other in others} == {"complete"}


@pytest.mark.parametrize("harm", [flip, lambda path: flip(path, 10), Path.unlink], ids=["its numbers", "its head", "gone"])
def test_a_summary_that_is_not_the_one_written_is_made_again_from_the_records_and_verify_names_it(run, harm):
    expected = {table.name: to_csv(table) for table in tables_of(results(run))}
    harm(cell(run) / cell_folder.SUMMARY)
    assert {table.name: to_csv(table) for table in tables_of(results(run))} == expected
    (problem,) = verify_run(run)
    assert "summary.bin is not the summary of its records and scores" in problem


@pytest.mark.parametrize("year", [1980, 2100])
def test_a_clock_that_jumps_makes_nothing_stale_and_moves_no_number(run, stand_ins, monkeypatch, year):
    expected = stand_ins.numbers(run)
    for path in run.setting.folder.rglob("*"):
        os.utime(path, (seconds := (year - 1970) * 365 * 86400, seconds))
    monkeypatch.setattr("prsbench.harness.engine.driver.run.now", lambda: f"{year}-01-01T00:00:00+00:00")
    monkeypatch.setattr(stand_ins.Bright, "predict", lambda *arguments: pytest.fail("predicted again"))
    grid = stand_ins.make_grid(run.setting.roots[0], ["bright", "trained"])
    again = run_grid(grid, stand_ins.REGISTRY, RunFolder(run.setting.folder), str, "serial")
    assert stand_ins.numbers(again) == expected and list(verify_run(again)) == []


def test_a_damaged_cell_is_moved_aside_and_computed_again(run, stand_ins):
    flip(cell(run) / "predictions.jsonl", 100)
    (said,) = move_damaged(run)
    assert "predictions.jsonl line 1" in said and (run.setting.folder / "aside" / f"{cell(run).name}-1").is_dir()
    assert "failed (damaged, 1 attempt)" in " ".join(next(iter(status_lines(run))).split()).replace(cell(run).name + " ", "")
    grid = stand_ins.make_grid(run.setting.roots[0], ["bright", "trained"])
    again = run_grid(grid, stand_ins.REGISTRY, RunFolder(run.setting.folder), str, "serial", states={"failed"})
    assert again.status == "complete" and list(verify_run(again)) == []


def test_status_counts_every_sample_once_and_names_what_is_incomplete(stand_ins, data_root, tmp_path):
    methods = [{"bright": {"breaks_on": "brain_mri/test2"}}, {"trained": {"fit_fails": True}}, "absent"]
    run = run_grid(stand_ins.make_grid(data_root, methods), stand_ins.REGISTRY, RunFolder(tmp_path / "run"), str, "serial")
    *lines, samples, states = status_lines(run)
    assert samples == "samples: 30 = 9 scored + 1 failed + 0 excluded + 20 in unfinished cells"
    assert states == "incomplete: 2 cached, 2 failed, 2 skipped"
    said = [" ".join(line.split()) for line in lines]
    assert any(line.startswith("failed trained-s0-") and "(error, 1 attempt): RuntimeError: the loss" in line for line in said)
    assert any(line.startswith("partial bright--brain") and line.endswith("1 of 5 samples failed") for line in said)
    assert sum("(not run, 1 attempt): not run: train trained s0 failed" in line for line in said) == 2
    assert sum("(missing prerequisite, 1 attempt)" in line for line in said) == 2
    assert "RuntimeError: the loss is not finite\n-- log.txt" in log_text(run, "trained-s0", show_all=False)


def test_a_run_whose_driver_was_killed_is_not_reported_as_running(run):
    description = run.setting.run.description
    description.write_text(description.read_text().replace('"status": "complete"', '"status": "running"'))
    assert list(status_lines(open_run(run.setting.folder)))[-1].startswith("killed: ")
    with run.setting.run.driver_lock():
        assert list(status_lines(open_run(run.setting.folder)))[-1].startswith("running: ")


def test_retry_and_verify_of_the_command_line_end_in_a_complete_run(run, stand_ins, monkeypatch, capsys):
    folder = str(run.setting.folder)
    monkeypatch.setattr(running, "registry", lambda: stand_ins.REGISTRY)
    flip(cell(run) / "maps.bin")
    assert main(["verify", folder]) == 1
    assert main(["retry", folder, "--failed", "--executor", "serial"]) == 0
    capsys.readouterr()
    assert main(["verify", folder]) == 0
    assert "all hashes, scores and tables match the records" in capsys.readouterr().out
    flip(run.setting.folder / "tables" / "main.csv")
    assert main(["verify", folder]) == 1
    assert "main.csv: differs from the table of the records" in capsys.readouterr().out
    assert main(["logs", folder, "brigth"]) == 2
    assert "No cell or training of this run is called 'brigth'" in capsys.readouterr().err


def test_a_run_folder_of_another_version_is_refused_with_its_schema(run):
    description = run.setting.run.description
    description.write_text(description.read_text().replace('"schema": 4', '"schema": 3'))
    with pytest.raises(Exception, match="run.json has schema 3, this version reads 4"):
        open_run(run.setting.folder)

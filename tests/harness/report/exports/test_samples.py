"""samples.csv.gz and cells.json: every table follows from them byte for byte, and damage is refused."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.results import Cost, HeldOut, digest_of
from prsbench.harness.report.exports.samples import CELLS, SAMPLES, Results, read_results, write_results
from prsbench.harness.report.tables.cost import cost_table
from prsbench.harness.report.tables.formats import to_csv
from prsbench.harness.report.tables.selection import tables_of

REFERENCE = Path(__file__).parents[4] / "results" / "reference"
HELD_OUT = HeldOut("cg_reasoner", 0, ("position", "n", "error"), (("top left", "3", "0.1"),))


@pytest.fixture
def results(cell):
    names = ("cg_reasoner", "cg_reasoner_without_t2c", "oracle", "whole_image")
    cells = [cell(n, (0.1 * i + 0.123456789, 0.5, 0.75), m) for i, n in enumerate(names) for m in ("brain_mri", "lung_ct")]
    cells += [cell("prs_med", (0.5, 0.6, 0.7), "brain_mri", failed=(1,), empty=(2,))]
    cells += [cell("prs_med", (0.5, 0.6, 0.7), "lung_ct", status="failed", error="out of memory")]
    cells[0] = replace(cells[0], cost=Cost(10, 5, 7, float("nan"), "cpu"), judge="packaged 1", judge_notes=("a note",))
    return Results(cells, [HELD_OUT], {})


def texts(found):
    return {table.name: to_csv(table) for table in [*tables_of(found.cells, found.held_out), cost_table(found.cells)]}


def test_every_table_follows_from_the_two_files_byte_for_byte(results, tmp_path):
    write_results(results, tmp_path)
    assert texts(read_results(tmp_path)) == texts(results)


def test_the_same_results_give_the_same_bytes_and_so_does_what_was_read(results, tmp_path):
    write_results(replace(results, about={"commit": "abc"}), tmp_path / "a")
    write_results(read_results(tmp_path / "a"), tmp_path / "b")
    assert read_results(tmp_path / "b").about == {"commit": "abc"}
    for name in (SAMPLES, CELLS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_no_folder_of_a_machine_stands_in_the_records(results, tmp_path):
    command = ["prsbench", "run", "/home/me/grids/mine.yaml", "--data=/data/set/", "--out", "runs/mine", "--to", "s3://store/a"]
    about = {"command": command, "grid": {"data": [{"path": "/srv/my data/x", "share": 0.5}], "note": "1 / 2, ../a/b and /x"}}
    write_results(replace(results, about=about), tmp_path)
    assert read_results(tmp_path).about == {
        "command": ["prsbench", "run", "mine.yaml", "--data=set/", "--out", "runs/mine", "--to", "s3://store/a"],
        "grid": {"data": [{"path": "my data/x", "share": 0.5}], "note": "1 / 2, ../a/b and x"},
    }


def test_there_is_one_line_per_sample_and_row_with_its_question_and_answer(results, tmp_path):
    write_results(results, tmp_path)
    head, *lines = gzip.decompress((tmp_path / SAMPLES).read_bytes()).decode().splitlines()
    assert len(lines) == 8 * 3 + 3 and head.startswith("row,dataset,modality,seed,data_kind,sample_id")
    assert "According to oracle" in "".join(lines) and ",synthetic," in lines[0]


def test_losses_of_trainings_come_along(results, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "losses.csv").write_text("step,loss\n1,2.0\n")
    (tmp_path / "weights" / "model.safetensors").write_bytes(b"no")
    write_results(replace(results, trainings={"cg_reasoner s0": tmp_path / "weights"}), tmp_path / "out")
    [(title, folder)] = read_results(tmp_path / "out").trainings.items()
    assert title == "cg_reasoner s0" and [path.name for path in folder.iterdir()] == ["losses.csv"]


@pytest.mark.parametrize("damage", ["missing", "cut", "format", "json", "list", "field"])
def test_files_that_are_missing_or_damaged_are_refused_by_name(results, tmp_path, damage):
    write_results(results, tmp_path)
    if damage == "missing":
        (tmp_path / SAMPLES).unlink()
    elif damage == "cut":
        (tmp_path / SAMPLES).write_bytes((tmp_path / SAMPLES).read_bytes()[:-40])
    elif damage == "json":
        (tmp_path / CELLS).write_text("{")
    elif damage == "list":
        (tmp_path / CELLS).write_text("[]")
    elif damage == "field":
        described = json.loads((tmp_path / CELLS).read_text())
        del described["cells"][0]["protocol"]
        (tmp_path / CELLS).write_text(json.dumps(described))
    else:
        described = json.loads((tmp_path / CELLS).read_text())
        (tmp_path / CELLS).write_text(json.dumps({**described, "format": "other"}))
    with pytest.raises(DataError, match=f"{tmp_path}"):
        read_results(tmp_path)


def test_a_changed_score_is_noticed(results, tmp_path):
    write_results(results, tmp_path)
    text = gzip.decompress((tmp_path / SAMPLES).read_bytes())
    (tmp_path / SAMPLES).write_bytes(gzip.compress(text.replace(b"0.75", b"0.85", 1)))
    with pytest.raises(DataError, match="not those that were written"):
        read_results(tmp_path)


def test_lines_packed_again_by_another_program_are_read(results, tmp_path):
    write_results(results, tmp_path)
    (tmp_path / SAMPLES).write_bytes(gzip.compress(gzip.decompress((tmp_path / SAMPLES).read_bytes()), 1, mtime=5))
    assert texts(read_results(tmp_path)) == texts(results)


def test_the_digest_and_what_must_be_known_of_the_data_come_along(results, tmp_path):
    cells = [replace(results.cells[0], data_note="one image is in train and test", digest="abc"), *results.cells[1:]]
    write_results(replace(results, cells=cells), tmp_path)
    assert digest_of(read_results(tmp_path).cells) == digest_of(cells) != digest_of(results.cells)


@pytest.mark.parametrize("answer", ['one, "two"\r\nthree', "x" * 200_000, "\ud800 and \x00", "=1+1", ""], ids=range(5))
def test_any_answer_comes_back_as_it_was(cell, refilled, tmp_path, answer):
    plain = cell("oracle", (0.5,), "brain_mri")
    written = refilled(plain, [replace(plain.records[0], answer=answer)], plain.scores)
    write_results(Results([written], [], {}), tmp_path)
    assert read_results(tmp_path).cells[0].records[0].answer == answer


@pytest.mark.parametrize("folder", sorted(path.parent for path in REFERENCE.glob("*/cells.json")), ids=lambda path: path.name)
def test_the_reference_records_can_be_read_and_name_no_folder_of_a_machine(folder):
    assert read_results(folder).cells
    texts = (folder / CELLS).read_text(), gzip.decompress((folder / SAMPLES).read_bytes()).decode()
    assert not [text for text in texts for start in ("/home/", "/root/", "/tmp/", "/mnt/", "/srv/") if start in text]

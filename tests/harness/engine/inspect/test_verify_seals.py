"""What is under the seals of a finished run folder: each field edited, each file damaged, folders exchanged."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from prsbench.harness.cli import running
from prsbench.harness.cli.main import main
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.results import digest_of
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.inspect.state import open_run
from prsbench.harness.engine.inspect.status import status_lines
from prsbench.harness.engine.inspect.verify import verify_run
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.report.tables.formats import to_csv
from prsbench.harness.report.tables.selection import tables_of

# Files of a finished run that no seal holds, and why no number depends on them.
NOT_SEALED = {
    "attempts.json": "when attempts ended, and what they took; `plan` estimates time from it",
    "progress.json": "how far a running node got, for display",
    "log.txt": "what a node printed",
}
METHODS = ["bright", "trained"]


@pytest.fixture(scope="module")
def finished(finish):
    return finish(*METHODS)


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return open_run(tmp_path / "run")


def leaves(value, path=()):
    """The path of every value in a JSON file that holds no other."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = [leaf for key, content in items for leaf in leaves(content, (*path, key))]
    return inner or [path]


def other(value):
    """A value of the same type, or of another."""
    if isinstance(value, bool) or value is None:
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x" if isinstance(value, str) else "x"


def edited(content, path):
    """A copy with one value changed."""
    content = json.loads(json.dumps(content))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = other(place[path[-1]])
    return content


def alone(run, folder):
    """The run with the plan of one node, which is verified as in the whole plan, only sooner."""
    cells = tuple(cell for cell in run.plan.cells if run.setting.run.cell(cell.folder) == folder)
    trainings = {key: n for key, n in run.plan.trainings.items() if run.setting.run.training(n.folder) == folder}
    return replace(run, plan=replace(run.plan, cells=cells, trainings=trainings))


@pytest.mark.parametrize("kind", ["cells/trained", "trainings/part"])
def test_verify_names_the_file_and_the_field_of_each_edited_value(run, kind):
    folder = next(run.setting.folder.glob(f"{kind}*"))
    files = sorted(path for path in folder.glob("*.json") if path.name not in (*NOT_SEALED, "scores.json"))
    assert {path.name for path in files} >= {"sealed.json"} and len(files) >= (4 if kind.startswith("cells") else 1)
    part = alone(run, folder)
    for path in files:
        content, stored = json.loads(path.read_text()), path.read_text()
        for leaf in leaves(content):
            path.write_text(json.dumps(edited(content, leaf)))
            said = "\n".join(verify_run(part))
            field = ".".join(map(str, (leaf[1:] if leaf[0] == "fields" else leaf)[:3]))
            assert str(path) in said and field in said, (path.name, leaf, said)
        path.write_text(stored)
    assert list(verify_run(part)) == []


def test_each_edited_value_of_run_json_is_refused_by_name_but_for_how_far_the_run_got(run):
    path = run.setting.run.description
    content = json.loads(path.read_text())
    for leaf in leaves(content):
        if leaf == ("status",):
            continue  # not sealed: the driver changes it, and the folders tell how far the run got
        path.write_text(json.dumps(edited(content, leaf)))
        with pytest.raises(RunFolderError) as error:
            open_run(run.setting.folder)
        name = leaf[1] if leaf[0] == "fields" else ".".join(map(str, leaf[:3]))
        assert "run.json" in str(error.value) and name in str(error.value), leaf
        if leaf[:2] == ("plan", "cells"):
            names_the_folder = leaf[3] in ("method", "dataset", "seed")
            assert ("no such cell" if names_the_folder else leaf[3]) in str(error.value) and "--s" in str(error.value), leaf


@pytest.mark.parametrize(
    ("name", "path", "value", "said"),
    [
        ("cell.json", ("labels", "prompt_source"), "oracle box", "labels.prompt_source"),
        ("cell.json", ("labels", "text_source"), "truth", "labels.text_source"),
        ("cell.json", ("labels", "weights"), "official checkpoint", "labels.weights"),
        ("cell.json", ("labels",), {}, "labels"),
        ("cell.json", ("node", "data_kind"), "real", "node.data_kind"),
        ("sealed.json", ("statuses", "ok"), 500, "statuses.ok"),
        ("scored.json", ("judge",), "a better one 2", "judge"),
    ],
)
def test_a_forged_field_is_a_failed_row_that_names_it_and_the_others_stay(run, name, path, value, said):
    expected = results(run)
    file = run.setting.run.cell(run.plan.cells[0].folder) / name
    content = place = json.loads(file.read_text())
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(content))
    first, *others = results(open_run(run.setting.folder))
    assert first.status == "failed" and str(file) in first.error and said in first.error
    assert [(other.status, other.labels, other.digest) for other in others] == [
        (other.status, other.labels, other.digest) for other in expected[1:]
    ]


def test_labels_that_are_missing_are_damage(run):
    (run.setting.run.cell(run.plan.cells[0].folder) / "cell.json").unlink()
    first, *others = results(run)
    assert first.status == "failed" and "cell.json is not what was sealed" in first.error
    assert {other.status for other in others} == {"complete"}
    assert "cell.json is not what was sealed" in "\n".join(verify_run(run))


def test_data_that_become_real_in_run_json_are_refused_by_report_and_verify_with_cell_and_field(run, capsys):
    path = run.setting.run.description
    path.write_text(path.read_text().replace('"data_kind": "undeclared"', '"data_kind": "real"'))
    for command in ("report", "verify", "status"):
        assert main([command, str(run.setting.folder)]) == 2
        said = capsys.readouterr().err
        assert run.plan.cells[0].folder in said and "data_kind 'undeclared', not 'real'" in said


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


def linked_to_nothing(path):
    path.unlink()
    path.symlink_to("nowhere")


def linked_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


DAMAGE = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "empty": lambda path: path.write_bytes(b""),
    "a list": lambda path: path.write_text("[1, 2]"),
    "a number": lambda path: path.write_text("7"),
    "null": lambda path: path.write_text("null"),
    "nested deeply": lambda path: path.write_text("[" * 100_000),
    "not finite": lambda path: path.write_text('{"n": NaN}'),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "a folder": replaced_by_a_folder,
    "a dangling link": linked_to_nothing,
    "a loop": linked_to_itself,
}


def restored(path, content):
    """The file as it was."""
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_of_a_cell_is_one_failed_row_that_names_it(run, harm):
    for name in ("cell.json", "sealed.json", "measured.json", "scored.json", "scores.json", "records.jsonl", "maps.bin"):
        file = run.setting.run.cell(run.plan.cells[0].folder) / name
        content = file.read_bytes()
        harm(file)
        first, *others = results(run)
        assert (first.status, {other.status for other in others}) == ("failed", {"complete"}), name
        assert str(file) in first.error and str(file) in "\n".join(verify_run(alone(run, file.parent)))
        assert file.parent.name in "\n".join(status_lines(run))
        restored(file, content)


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_of_the_run_ends_each_command_in_a_sentence(run, harm, capsys):
    for name in ("trainings/trained*/sealed.json", "cells/bright*/attempts.json"):
        file = next(run.setting.folder.glob(name))
        content = file.read_bytes()
        harm(file)
        assert str(file) in "\n".join(verify_run(alone(run, file.parent)))
        assert main(["status", str(run.setting.folder)]) == 0
        assert {result.status for result in results(run)} == {"complete"}
        restored(file, content)
    harm(run.setting.run.description)
    assert [main([command, str(run.setting.folder)]) for command in ("status", "report", "verify", "retry")] == [2] * 4
    assert capsys.readouterr().err.count("run.json") >= 4


def test_exchanged_cells_and_a_cell_of_another_run_are_named_with_what_differs(run, finished):
    one, two = (run.setting.run.cell(cell.folder) for cell in run.plan.cells[:2])
    one.rename(one.with_name("x"))
    two.rename(one)
    one.with_name("x").rename(two)
    found = results(open_run(run.setting.folder))
    assert [cell.status for cell in found] == ["failed", "failed", "complete", "complete"]
    assert "is of another cell than the plan's (dataset " in found[0].error
    assert all(str(folder) in "\n".join(verify_run(run)) for folder in (one, two))


def test_a_cell_folder_that_is_a_file_or_gone_is_named(run):
    one, two = (run.setting.run.cell(cell.folder) for cell in run.plan.cells[:2])
    shutil.rmtree(one)
    one.write_text("")
    shutil.rmtree(two)
    assert [cell.status for cell in results(open_run(run.setting.folder))] == ["failed", "missing", "complete", "complete"]
    said = "\n".join(verify_run(open_run(run.setting.folder)))
    assert f"{one}/sealed.json is damaged (Not a directory)" in said and f"{two}: run.json says the run is complete" in said


@pytest.mark.slow
def test_retry_mends_cells_of_every_damage(run, stand_ins, monkeypatch, capsys):
    expected = digest_of(results(run))
    folders = [run.setting.run.cell(cell.folder) for cell in run.plan.cells]
    replaced_by_a_folder(folders[0] / "sealed.json")
    (folders[1] / "cell.json").write_text("[")
    (folders[2] / "scored.json").write_text("{}")
    (folders[3] / "scores.json").unlink()
    monkeypatch.setattr(running, "registry", lambda: stand_ins.REGISTRY)
    assert main(["retry", str(run.setting.folder), "--executor", "serial"]) == 0
    assert main(["verify", str(run.setting.folder)]) == 0
    assert f"Digest of these results: {expected}" in capsys.readouterr().out


def test_one_digest_for_the_same_results_whatever_the_folder_the_order_and_the_time(run, finished, stand_ins, tmp_path):
    expected = digest_of(results(run))
    assert digest_of(reversed(results(run))) == expected
    root = Path(shutil.copytree(run.setting.roots[0], tmp_path / "moved"))
    grid = stand_ins.make_grid(root, list(reversed(METHODS)), workers=1)
    again = run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "again"), str, "serial")
    assert digest_of(results(again)) == expected
    first, *others = results(run)
    for change in ({"digest": "0"}, {"n_manifest": 9}, {"judge": "x"}, {"labels": None}, {"data_note": "x"}, {"protocol": "x"}):
        assert digest_of([replace(first, **change), *others]) != expected


@pytest.mark.slow
def test_a_report_without_its_data_is_written_from_the_records(run, capsys):
    expected = {table.name: to_csv(table) for table in tables_of(results(run))}
    shutil.rmtree(run.setting.roots[0])
    assert main(["report", str(run.setting.folder)]) == 0
    assert {name: (run.setting.folder / "tables" / f"{name}.csv").read_text() for name in expected} == expected
    assert "data" in "\n".join(verify_run(run))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(run):
    file = run.setting.run.cell(run.plan.cells[0].folder) / "cell.json"
    file.chmod(0)
    assert str(file) in "\n".join(verify_run(run))

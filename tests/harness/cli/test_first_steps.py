"""What a newcomer meets first: help by groups, exit codes, completion, a project that runs as it is, JSON for scripts."""

import json
import re
import subprocess

import pytest
from prsbench.harness.cli.exit_codes import EXIT_CODES
from prsbench.harness.cli.main import main, parser


def help_of_all(monkeypatch, capsys, columns="80"):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        main(["--help"])
    return capsys.readouterr().out


def test_help_lists_every_command_once_by_what_one_does_first(monkeypatch, capsys):
    text = help_of_all(monkeypatch, capsys)
    listed = re.findall(r"^  ([a-z-]+)  +[A-Z]", text, re.MULTILINE)
    (subparsers,) = [action for action in parser()._actions if action.choices and action.metavar == "COMMAND"]
    assert sorted(listed) == sorted(subparsers.choices)
    assert listed[:3] == ["doctor", "init", "run"] and "Further commands:" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_help_and_readers_get_the_exit_codes_from_one_place(monkeypatch, capsys):
    text = help_of_all(monkeypatch, capsys)
    for code, meaning in EXIT_CODES.items():
        assert re.search(rf"^  {code} +{re.escape(meaning)}$", text, re.MULTILINE)


@pytest.mark.parametrize(("typed", "found"), [("sta", "status"), ("comp", "compare completion"), ("list me", "methods metrics")])
def test_tab_completes_commands_and_choices_in_bash(typed, found, capsys):
    assert main(["completion", "bash"]) == 0
    words = ["prsbench", *typed.split()]
    ask = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_prsbench; echo ${{COMPREPLY[*]}}"
    done = subprocess.run(["bash", "-c", f"{capsys.readouterr().out}\n{ask}"], capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.split()) == found.split(), done.stderr


@pytest.mark.parametrize("what", ["methods", "datasets", "families", "metrics", "grids"])
def test_list_as_json_holds_the_names_and_their_summaries(what, capsys):
    main(["list", what, "--json"])
    names = json.loads(capsys.readouterr().out)
    main(["list", what])
    assert len(names) == len(capsys.readouterr().out.splitlines()) and all(names.values())


def test_init_writes_a_grid_and_a_method_that_run_as_they_are(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "a first try"
    assert main(["init", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["grid.yaml", "my_method.py"]
    assert "cd '" in capsys.readouterr().out
    monkeypatch.chdir(folder)
    small = ["--set", "data.0.train=1", "--set", "data.0.val=1", "--set", "data.0.test=1", "--set", "judge=parser"]
    assert main(["run", "grid.yaml", "--executor", "serial", *small]) == 0
    assert "my_method.py:MyMethod" in capsys.readouterr().out and (folder / "runs" / "a-first-try" / "report.html").is_file()


def test_init_overwrites_nothing(tmp_path, capsys):
    (tmp_path / "my_method.py").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "already exists, so nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my_method.py"]


@pytest.mark.parametrize("name", ["...", "äö", "x" * 200])
def test_init_gives_the_grid_a_name_whatever_the_folders(name, tmp_path, capsys):
    from prsbench.harness.engine.grid.loading import load_grid

    assert main(["init", str(tmp_path / name)]) == 0
    assert load_grid(str(tmp_path / name / "grid.yaml")).name


def test_plan_and_status_as_json_hold_every_cell_and_nothing_else_is_printed(tmp_path, data_root, capsys):
    grid = ["real", "--data", str(data_root), "--out", str(tmp_path / "run"), "--set", "methods=[oracle,empty_constant]"]
    assert main(["plan", *grid, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["counts"] == {"new": len(planned["cells"])} and planned["forecast"]["nodes"] == len(planned["cells"])
    assert main(["run", *grid, "--executor", "serial", "--quiet"]) == 0
    assert "done" not in capsys.readouterr().out.partition("MAIN")[0]
    assert main(["status", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "complete" and {cell["state"] for cell in found["cells"]} == {"cached"}
    assert {cell["folder"] for cell in found["cells"]} == {cell["folder"] for cell in planned["cells"]}
    assert found["samples"] == {"ok": sum(cell["samples"]["ok"] for cell in found["cells"])}

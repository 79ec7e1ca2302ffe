"""Odd arguments, files in the place of folders, outputs that cannot be written: one sentence and exit code 2, no traceback."""

import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prsbench.harness.cli import main, running

ROOT = Path(__file__).parents[3]
OF_A_RUN = [
    ["status"],
    ["report"],
    ["verify"],
    ["retry"],
    ["logs"],
    ["export", "cg_reasoner"],
    ["audit", "prscore"],
    ["audit", "judge"],
    ["audit", "leaks", "oracle", "--run"],
]
REST = {"export": ["--to", "out"], "logs": ["cell"], "judge": ["--model", "."]}


def of_run(command, run):
    return [*command, run, *next((rest for word, rest in REST.items() if word in command), [])]


@pytest.mark.parametrize("command", OF_A_RUN, ids=" ".join)
def test_what_is_no_run_folder_is_one_sentence_and_nothing_is_written(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "odd" / "run.json").mkdir(parents=True)
    for run, said in [
        ("file", "file: this is not a folder. Name the folder that `run` wrote"),
        ("pipe", "pipe: this is not a folder"),
        ("/dev/null", "/dev/null: this is not a folder"),
        ("folder", "folder: no run.json here"),
        ("nowhere", "nowhere: no run.json here"),
        ("", "no run.json here"),
        ("file/x", "Not a directory"),
        ("loop", "loop"),
        ("odd", "odd/run.json"),
        ("x" * 300, "File name too long"),
        ("x/" * 3000, "File name too long"),
        ("a\0b", "holds control characters"),
        ("M\udcfcller", "bytes that are not UTF-8"),
    ]:
        assert main.main(of_run(command, run)) == 2, run
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1 and len(error) < 600, error
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder", "pipe", "loop", "odd"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "smoke", "--minutes", "nan"], "--minutes: expected 0.001 to 100,000, got nan"),
        (["tune", "smoke", "--minutes", "inf"], "--minutes: expected"),
        (["plan", "smoke", "--workers", "-1"], "--workers: expected 1 to 100,000, got -1"),
        (["plan", "smoke", "--workers", str(10**30)], "--workers: expected"),
        (["audit", "leaks", "oracle", "--samples", "0"], "--samples: expected 1 to 1,000,000, got 0"),
        (["export", "cg_reasoner", "run", "--to", "out", "--seed", "-1"], "--seed: expected 0 to 4,294,967,295, got -1"),
        (["plan", "smoke", "--out", "x/" * 1600], "expected a path of at most 3,000 bytes"),
        (["run", "smoke", "--out", "x/" * 1600], "expected a path of at most 3,000 bytes"),
        (["run", "x" * 100_000], "No grid is called"),
        (["ablate", "x" * 100_000, "smoke"], "No ablation is called"),
        (["run", "smoke", "--executor", "serial", "--only", "x" * 100_000], "is called"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_number_or_a_name_that_cannot_be_is_refused_before_any_work(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and len(error) < 1500
    assert not list(tmp_path.rglob("*.png"))


ODD = st.text(st.sampled_from(list("abc.=/:-[]{}*&!\"' \n\t\0\ud800é0127²~%@")), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(ODD, ODD)
@example("x" * 5000, "methods." + "x" * 5000 + "=1")
@example("~", "=")
def test_any_two_arguments_end_in_a_sentence(tmp_path, monkeypatch, first, second):
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["status", first],
        ["config", "show", first, "--set", second],
        ["config", "show", "smoke", f"--set={second}", f"--set=methods.oracle.{first}={second}"],
        ["audit", "leaks", first, "--run", second],
        ["ablate", first, second, "--plan"],
        [first, second],
    ):
        try:
            code = main.main(arguments)
        except SystemExit as ended:  # argparse's own
            code = ended.code
        assert code in (0, 2)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch, capsys):
    def refuse(options):
        raise PermissionError(errno.EACCES, "Permission denied", str(options.run))

    monkeypatch.setattr(running, "_status", refuse)
    assert main.main(["status", str(tmp_path)]) == 2
    advice = "Correct the path or its permissions, or choose another one."
    assert capsys.readouterr().err == f"{tmp_path}: Permission denied. {advice}\n"


@pytest.mark.parametrize("name", [str(Path(main.__file__).with_name("engine") / "missing.py"), None])
def test_an_error_of_our_own_files_is_not_hidden(name, tmp_path, monkeypatch):
    def fail(_):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)

    monkeypatch.setattr(running, "_status", fail)
    with pytest.raises(FileNotFoundError):
        main.main(["status", str(tmp_path)])


def started(code, tmp_path, **how):
    command = ["sh", "-c", code, "sh", sys.executable, "import sys; from prsbench.harness.cli.main import main; sys.exit(main())"]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, **how)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path):
    done = started('"$1" -c "$2" list methods > /dev/full', tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space left" in done.stderr


def test_a_closed_output_is_no_error(tmp_path):
    done = started('"$1" -c "$2" list methods >&-', tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_working_folder_that_is_gone_is_one_sentence(tmp_path):
    done = started('mkdir gone; cd gone; rmdir ../gone; "$1" -P -c "$2" list grids', tmp_path)
    assert (done.returncode, done.stderr) == (2, "The working folder no longer exists. Change to another one.\n")


@pytest.mark.parametrize("command", [["run", "smoke"], ["data", "show", "somewhere"]], ids=" ".join)
def test_an_unknown_option_shows_the_usage_of_its_command(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main.main([*command, "--lmit", "3"])
    words = " ".join(command[:-1])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.startswith(f"usage: prsbench {words} [-h]") and "unrecognized arguments: --lmit 3" in err


def test_a_terminal_without_utf_8_is_no_error(tmp_path):
    (tmp_path / "g.yaml").write_text("name: g\ndata: [{source: phantoms}]\nmethods: [{oracle: {é: 1}}]\n", encoding="utf-8")
    done = started('"$1" -c "$2" config show g.yaml', tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "\\xe9: 1" in done.stdout


def test_the_module_is_the_command_line_also_beside_folders_named_as_packages(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "yaml.py").write_text("raise SystemExit('imported from the working folder')\n")
    command = [sys.executable, "-m", "prsbench"]
    done = subprocess.run([*command, "run", "nothing_like_this"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2 and "No grid is called 'nothing_like_this'" in done.stderr
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("usage: prsbench ")


def test_the_module_is_in_the_wheel():
    settings_of = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "prsbench" in settings_of["packages"] and settings_of["include-package-data"] is False

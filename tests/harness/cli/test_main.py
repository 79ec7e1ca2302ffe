"""The command line as a user meets it: real processes, exit codes, and errors without tracebacks."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def prsbench(*arguments, cwd):
    code = "import sys; from prsbench.harness.cli.main import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60)


@pytest.mark.parametrize("what", ["methods", "datasets", "families", "metrics", "grids"])
def test_listing_loads_no_torch_ray_or_pandas(what, tmp_path):
    code = (
        "import sys; from prsbench.harness.cli.main import main; main(['list', sys.argv[1]]);"
        "heavy = {'torch', 'ray', 'pandas', 'matplotlib'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, what], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 3


@pytest.mark.parametrize("command", ["list methods", "config schema"])
def test_a_reader_who_leaves_early_gets_no_traceback(command, tmp_path):
    code = "import sys; from prsbench.harness.cli.main import main; sys.exit(main(sys.argv[1:]))"
    writer = subprocess.Popen(
        [sys.executable, "-c", code, *command.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    writer.stdout.close()  # before it has written a line
    assert writer.stderr.read() == "" and writer.wait(60) == 141


def test_every_command_explains_itself(tmp_path):
    from prsbench.harness.cli.main import main

    commands = (
        "run",
        "plan",
        "ablate",
        "tune",
        "report",
        "view",
        "status",
        "logs",
        "retry",
        "verify",
        "audit",
        "config",
        "prepare",
        "export",
        "records",
        "paper",
        "compare",
        "leaderboard",
        "export-scores",
        "list",
    )
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "defualt"], "Did you mean 'default'?"),
        (["run", "smoke", "--set", "methds=[oracle]"], "unknown key 'methds'. Did you mean 'methods'?"),
        (["run", "real"], "Set it with --data DIR"),
        (["run", "real", "--data", "nowhere"], "nowhere: no such folder"),
        (["run", "smoke", "--workers", "0"], "--workers: expected 1 to 100,000, got 0"),
        (["ablate", "text2centriod", "smoke"], "Did you mean 'text2centroid'?"),
        (["ablate", "text2centroid", "smoke", "--setting", "answer"], "Did you mean 'answers'?"),
        (["tune", "smoke", "--minutes", "0"], "--minutes: expected 0.001 to 100,000, got 0.0"),
        (["tune", "smoke"], "no row of this grid is trained here"),
        (["tune", "default", "--only", "cg_raesoner"], "Did you mean 'cg_reasoner'?"),
        (["report", "nowhere"], "no run.json here"),
        (["view", "nowhere"], "no run.json here"),
        (["status", "nowhere"], "no run.json here"),
        (["audit", "prscore", "nowhere"], "no run.json here"),
        (["export", "cg_reasoner", "nowhere", "--to", "out"], "no run.json here"),
        (["audit", "leaks", "oracle", "--run", "nowhere"], "no run.json here"),
        (["prepare", "bussi", "--from", ".", "--to", "out"], "Did you mean 'busi'?"),
    ],
)
def test_a_user_error_is_one_message_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    from prsbench.harness.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_unknown_methods_are_refused_before_anything_is_trained(tmp_path, data_root, capsys):
    from prsbench.harness.cli.main import main

    arguments = ["run", "real", "--data", str(data_root), "--out", str(tmp_path / "run"), "--set", "methods=[orcale]"]
    assert main(arguments) == 2
    assert "No method is called 'orcale'. Did you mean 'oracle'?" in capsys.readouterr().err
    assert not (tmp_path / "run" / "trainings").exists()


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("methods=[orcale]", "No method is called 'orcale'. Did you mean 'oracle'?"),
        ("methods=[{unet: {epohcs: 1}}]", "method 'unet': unknown key 'epohcs'. Did you mean 'epochs'?"),
        ("methods=[{unet: {epochs: many}}]", "method 'unet': epochs: Input should be a valid integer"),
        ("methods.lite_medsam_oracel_box.batch_size=3", "Did you mean 'methods.lite_medsam_oracle_box'?"),
        ("name=!!python/object/apply:os.getcwd []", "this is not plain YAML"),
        ("data.0.modalities=[skin_rgbb]", "grid 'smoke' line 5: data.0.phantoms.modalities: No modality is called"),
        ("exclude=[{method: orcale}]", "no cell of this grid fits (method='orcale'"),
        ("execution.resources={orcale: {cpus: 1}}", "No method or part is called 'orcale'"),
        ("data=[{source: phantoms}, {source: prs_med, root: nowhere}]", "nowhere: no such folder"),
        ("data=[{source: phantoms}, {source: prs_med}]", "Set it with --data DIR"),
    ],
)
def test_a_mistake_in_a_grid_is_reported_before_any_picture_is_made(command, change, message, tmp_path, monkeypatch, capsys):
    from prsbench.harness.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main([command, "smoke", "--set", change]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and "Drawing" not in printed.out
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_place_where_nothing_can_be_written_is_one_sentence(command, capsys):
    from prsbench.harness.cli.main import main

    assert main([command, "smoke", "--out", "/proc/prsbench"]) == 2
    assert "choose another place with --out" in capsys.readouterr().err.lower()


def test_a_run_writes_its_tables_and_its_exit_code_tells_whether_it_is_complete(
    tmp_path, data_root, stand_ins, monkeypatch, capsys
):
    from prsbench.harness.cli import running
    from prsbench.harness.cli.main import main

    monkeypatch.setattr(running, "registry", lambda: stand_ins.REGISTRY)
    base = ["run", "real", "--data", str(data_root), "--executor", "serial", "--out", str(tmp_path / "run")]
    assert main([*base, "--set", "methods=[bright, echo]"]) == 0
    assert "Tables, figures and report.html are in" in capsys.readouterr().out
    tables = {path: path.read_bytes() for path in (tmp_path / "run" / "tables").rglob("*.*")}
    assert {"main.csv", "segmentation.tex"} <= {path.name for path in tables}

    assert main(["report", str(tmp_path / "run")]) == 0
    assert tables == {path: path.read_bytes() for path in (tmp_path / "run" / "tables").rglob("*.*")}
    capsys.readouterr()
    assert main(["status", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == "samples: 20 = 20 scored + 0 failed + 0 excluded\ncomplete: 4 cached\n"

    assert main(["audit", "prscore", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "audit" / "prscore.md").exists()
    capsys.readouterr()
    assert main(["audit", "leaks", "bright", "--run", str(tmp_path / "run"), "--samples", "2"]) == 0
    assert "bright: no leak found" in capsys.readouterr().out

    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *arguments: [])  # drawn twice is enough
    assert main([*base, "--set", "methods=[bright, absent]"]) == 1
    assert main(["plan", *base[1:4], "--out", str(tmp_path / "run"), "--set", "methods=[bright, absent, echo, jittered]"]) == 0
    printed = capsys.readouterr().out
    assert "4 cached, 2 new, 2 skipped\n4 nodes to compute" in printed or "2 skipped" in printed


def test_run_benchmark_keeps_the_root_off_the_path_and_answers(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_benchmark.py"), "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout.startswith("prsbench ")


def test_run_benchmark_explains_how_to_install_what_is_missing(tmp_path):
    script = ROOT / "run_benchmark.py"
    done = subprocess.run([sys.executable, "-S", "-I", str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2 and "make install" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_full_disk_is_reported_in_one_sentence_that_promises_to_resume(tmp_path, data_root, stand_ins, monkeypatch, capsys):
    from prsbench.harness.cli import running
    from prsbench.harness.cli.main import main
    from prsbench.harness.engine.store.run_folder import NodeFolder

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(running, "registry", lambda: stand_ins.REGISTRY)
    monkeypatch.setattr(NodeFolder, "record_attempt", full)
    arguments = ["run", "real", "--data", str(data_root), "--executor", "serial", "--out", str(tmp_path / "run")]
    assert main([*arguments, "--set", "methods=[absent]"]) == 2
    assert "No space left on device. Make room" in capsys.readouterr().err
    assert '"status": "interrupted"' in (tmp_path / "run" / "run.json").read_text()


def test_an_ablation_states_its_cost_runs_as_a_grid_and_resumes(tmp_path, data_root, stand_ins, monkeypatch, capsys):
    from prsbench.harness.cli import running
    from prsbench.harness.cli.main import main
    from prsbench.harness.engine.plan import ablation

    (tmp_path / "ablations").mkdir()
    (tmp_path / "ablations" / "words.yaml").write_text("# Words\nmethod: bright\nchange: {secret: [a, b]}\n")
    monkeypatch.setattr(ablation, "ABLATIONS", tmp_path / "ablations")
    monkeypatch.setattr(ablation, "packaged_ablations", lambda: {"words": "Words"})
    monkeypatch.setattr(running, "registry", lambda: stand_ins.REGISTRY)
    monkeypatch.setattr("prsbench.harness.report.figures.selection.figures_of", lambda *arguments: [])
    command = ["ablate", "words", "real", "--data", str(data_root), "--out", str(tmp_path / "run"), "--set", "methods=[bright]"]
    assert main([*command, "--plan"]) == 0
    printed = capsys.readouterr().out
    assert (
        "Rows: bright, bright@secret=a, bright@secret=b" in printed
        and "Seeds: 0, 1, 2" in printed
        and "nodes to compute" in printed
    )
    assert not (tmp_path / "run" / "cells").exists()
    assert main([*command, "--executor", "serial"]) == 0
    assert "ABLATIONS" in capsys.readouterr().out
    for kind in ("csv", "md", "tex"):
        assert "secret=b" in (tmp_path / "run" / "tables" / f"ablations.{kind}").read_text()
    assert "minus the parent without it" in (tmp_path / "run" / "report.html").read_text()
    assert main([*command, "--executor", "serial"]) == 0
    assert "18 cells, 18 of them finished before." in capsys.readouterr().out


def test_a_tuning_writes_every_try_and_is_no_run_to_report(tmp_path, data_root, stand_ins, monkeypatch, capsys):
    from prsbench.harness.cli import running
    from prsbench.harness.cli.main import main
    from prsbench.harness.contract.catalog import Catalog

    learner = stand_ins.entry(
        "learner", "stand_in_learners:Learner", "stand_in_learners:LearnerConfig", trains=True, epoch_s=0.01
    )
    registry = replace(stand_ins.REGISTRY, methods=Catalog("method", [learner]))
    monkeypatch.setattr(running, "registry", lambda: registry)
    command = ["tune", "real", "--data", str(data_root), "--out", str(tmp_path / "run"), "--executor", "serial"]
    command += ["--set", "methods=[{learner: {learning_rate: 0.002}}]", "--set", "judge=val", "--minutes", "0.001"]
    assert main(command) == 0
    assert "| real | learner | learning_rate=0.0006" in capsys.readouterr().out
    assert len((tmp_path / "run" / "tuning.csv").read_text().splitlines()) == 9
    assert main(["report", str(tmp_path / "run")]) == 2
    assert "scored on val" in capsys.readouterr().err

"""`export`: which training is written, and what cannot be."""

import shutil

import pytest
from prsbench.harness.cli.main import main


@pytest.fixture(scope="module")
def finished(finish):
    return finish("bright", "trained", seeds=[0, 1])


@pytest.fixture
def can_export(stand_ins, monkeypatch):
    def write(self, folder):
        (folder / "level.txt").write_text(str(self.level))

    monkeypatch.setattr(stand_ins.Trained, "export", write, raising=False)


def exported(run, place, *more):
    assert main(["export", "trained", str(run), "--to", str(place), *more]) == 0
    return (place / "level.txt").read_text()


def test_the_training_of_the_seed_is_loaded_and_written(finished, can_export, tmp_path, capsys):
    first = exported(finished, tmp_path / "a")
    levels = [exported(finished, tmp_path / seed, "--seed", seed) for seed in ("0", "1")]
    assert first == levels[0] != levels[1]
    kept = {path.read_text() for path in finished.rglob("weights/level.json")}
    assert set(levels) <= kept


@pytest.mark.parametrize(
    ("method", "more", "said"),
    [
        ("trianed", [], "Did you mean 'trained'?"),
        ("trained", ["--seed", "7"], "no seed 7 in this run. Known: 0, 1."),
        ("bright", [], "bright cannot be exported"),
    ],
)
def test_what_cannot_be_exported_is_one_message(finished, can_export, tmp_path, capsys, method, more, said):
    assert main(["export", method, str(finished), "--to", str(tmp_path / "out"), *more]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_export_that_breaks_off_leaves_nothing_that_could_be_read(finished, stand_ins, tmp_path, monkeypatch, capsys):
    def half(self, folder):
        (folder / "level.txt").write_text("half")
        raise OSError(28, "no space left")

    monkeypatch.setattr(stand_ins.Trained, "export", half, raising=False)
    assert main(["export", "trained", str(finished), "--to", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_left_alone_and_an_unfinished_training_is_reported(finished, can_export, tmp_path, capsys):
    (tmp_path / "mine").write_text("kept")
    assert main(["export", "trained", str(finished), "--to", str(tmp_path)]) == 2
    assert "expected an empty folder" in capsys.readouterr().err and [p.name for p in tmp_path.iterdir()] == ["mine"]
    shutil.copytree(finished, run := tmp_path / "run")
    for seal in run.glob("trainings/trained*/sealed.json"):
        seal.unlink()
    assert main(["export", "trained", str(run), "--to", str(tmp_path / "out")]) == 2
    assert "its training is not finished" in capsys.readouterr().err

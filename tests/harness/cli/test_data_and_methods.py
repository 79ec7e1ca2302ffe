"""`prsbench data check`, `prepare --check`, and `plan --exclude --limit` on a small archive with a planted duplicate."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from prsbench.harness.cli import running
from prsbench.harness.cli.main import main
from prsbench.harness.contract.types import SeenData
from scipy import ndimage


@pytest.fixture
def archive(tmp_path):
    """An archive of eight pictures with fixed splits; one picture of train is mirrored in test."""
    for number in range(8):
        split = "test" if number > 4 else "val" if number > 3 else "train"
        rng = np.random.default_rng(0 if number == 7 else number)
        image = np.sum([ndimage.gaussian_filter(rng.normal(size=(64, 96, 3)), (s, s, 0)) * s for s in (1, 4, 12)], axis=0)
        image = (255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
        mask = np.zeros((64, 96), np.uint8)
        mask[8:20, 10 + number : 30] = 255
        if number == 7:
            image = np.ascontiguousarray(np.fliplr(image))
        for kind, pixels in (("images", image), ("masks", mask)):
            folder = tmp_path / "archive" / split / kind
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"p{number}x.png")
    return tmp_path / "archive"


@pytest.fixture
def prepared(archive, tmp_path, capsys):
    command = [
        "prepare",
        "pairs",
        "--from",
        str(archive),
        "--to",
        str(tmp_path / "data"),
        "--modality",
        "skin_rgb",
        "--target",
        "mole",
    ]
    code = main([*command, "--check"])
    return code, capsys.readouterr().out, tmp_path / "data"


def test_prepare_with_check_finds_the_mirrored_picture_and_writes_a_card(prepared):
    code, out, root = prepared
    assert code == 1 and "Nearly the same picture in two splits" in out and "mirrored" in out
    assert {"DATA_CARD.md", "croissant.json"} <= {path.name for path in root.iterdir()}


def test_the_list_of_the_check_makes_the_next_check_of_the_plan_smaller(prepared, tmp_path, monkeypatch, capsys):
    *_, root = prepared
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", str(root), "--workers", "1", "--exclude", "list.txt", "--to", "page"]) == 1
    assert "list.txt: 1 pictures to leave out." in capsys.readouterr().out
    assert (tmp_path / "page" / "check.html").is_file()
    (tmp_path / "grid.yaml").write_text("name: g\ndata: [{source: prs_med}]\nmethods: [mean_mask_frequent_answer]\n")
    assert main(["plan", "grid.yaml", "--data", str(root), "--exclude", "list.txt"]) == 0
    assert "7 of 8 pictures are taken (1 excluded)" in capsys.readouterr().out
    assert main(["plan", "grid.yaml", "--data", str(root), "--limit", "5"]) == 0
    assert "5 of 8 pictures are taken (at most 5 of all modalities)" in capsys.readouterr().out


def test_a_list_that_does_not_exist_is_one_sentence(prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").write_text("name: g\ndata: [{source: prs_med}]\nmethods: [mean_mask_frequent_answer]\n")
    assert main(["plan", "grid.yaml", "--data", str(prepared[2]), "--exclude", "nowhere.txt"]) == 2
    assert "expected a list of excluded pictures" in capsys.readouterr().err


def test_a_report_without_exposed_rows_names_those_left_out(tmp_path, data_root, stand_ins, monkeypatch, capsys):
    from prsbench.harness.engine.inspect import results

    monkeypatch.setattr(running, "registry", lambda: stand_ins.REGISTRY)
    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *arguments: [])
    folder = str(tmp_path / "run")
    arguments = ["--data", str(data_root), "--executor", "serial", "--out", folder, "--set", "methods=[bright, echo]"]
    assert main(["run", "real", *arguments]) == 0
    read, seen = results.results, tuple(SeenData(name, "half", "a list") for name in ("BUSI", "PH2"))

    def disclosed(run):
        cells = read(run)
        return [replace(cell, labels=replace(cell.labels, **given)) if cell.method == "echo" else cell for cell in cells]

    given = {"seen": seen}

    monkeypatch.setattr(results, "results", disclosed)
    capsys.readouterr()
    assert main(["report", folder, "--without-exposed", "ph2"]) == 0
    out = capsys.readouterr().out
    assert "Left out: echo, whose pre-training saw images of PH2." in out and "bright" in out.partition("Left out")[0]
    assert "echo" not in out.partition("Left out")[0]
    assert main(["report", folder, "--without-exposed", "LGG"]) == 0
    assert "No row discloses an exposure to them." in capsys.readouterr().out
    given = {"notes": ("pre-training exposure to the test data: yes for PH2 (half)",)}  # as older versions disclosed it
    assert main(["report", folder, "--without-exposed", "PH2"]) == 2
    assert "echo: run by a version whose labels do not list what the weights saw" in capsys.readouterr().err
    assert main(["report", folder, "--without-exposed", "PH3"]) == 2
    assert "expected some of LGG, BUSI" in capsys.readouterr().err


def test_families_of_questions_are_chosen_by_name(archive, tmp_path, capsys):
    command = ["prepare", "pairs", "--from", str(archive), "--to", str(tmp_path / "data"), "--modality", "skin_rgb"]
    command += ["--target", "lesion", "--families", "presence"]
    assert main([*command, "count"]) == 0
    with (tmp_path / "data" / "skin_rgbimage.csv").open() as table:
        assert {row["family"] for row in csv.DictReader(table)} == {"presence", "count"}
    assert "how many" not in (card := (tmp_path / "data" / "croissant.json").read_text()) and "presence: whether" in card
    assert main([*command, "cuont"]) == 2
    assert "Did you mean 'count'" in capsys.readouterr().err

"""The drawn data set goes through `prepare` and a grid to records, and the notebook redraws a figure from them."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prsbench.harness.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    runpy.run_path(str(EXAMPLES / "draw_data_set.py"))["draw"](folder / "drawn")
    pairs = ["--modality", "skin_rgb", "--target", "lesion", "--archive", "drawn", "--group", r"^(p\d+)"]
    assert main(["prepare", "pairs", "--from", str(folder / "drawn"), "--to", str(folder / "prepared"), *pairs]) == 0
    return folder


def test_every_image_has_a_mask_of_black_and_white_and_the_same_seed_draws_the_same(prepared, tmp_path):
    images, masks = (sorted((prepared / "drawn" / name).iterdir()) for name in ("images", "masks"))
    assert [path.name for path in images] == [path.name for path in masks] and len(masks) == 24
    assert all(set(np.unique(np.asarray(Image.open(path)))) == {0, 255} for path in masks)
    runpy.run_path(str(EXAMPLES / "draw_data_set.py"))["draw"](tmp_path)
    assert (tmp_path / "images" / images[0].name).read_bytes() == images[0].read_bytes()


def test_the_grid_runs_on_it_and_the_notebook_redraws_a_figure_from_its_records(prepared, tmp_path, monkeypatch):
    run, grid = str(tmp_path / "run"), str(EXAMPLES / "grids" / "own_data.yaml")
    quick = ["--executor", "serial", "--only", "oracle", "whole_image", "--set", "judge=parser"]
    assert main(["run", grid, "--data", str(prepared / "prepared"), "--out", run, *quick]) == 0
    assert main(["records", run, "--to", str(tmp_path / "records")]) == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    cells = json.loads((EXAMPLES / "redraw_figure.ipynb").read_text())["cells"]
    names: dict = {}
    for cell in cells:
        assert not cell.get("outputs"), "the notebook is stored without outputs"
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert (tmp_path / "dice.png").stat().st_size > 5000
    assert names["means"]["oracle"] == 1.0 and names["means"]["whole_image"] < 0.3


@pytest.mark.parametrize("name", ["own_data", "own_method", "sweep"])
def test_every_grid_can_be_planned_from_the_root_of_the_checkout(name, prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(EXAMPLES.parent)
    few = [] if name == "own_data" else ["--set", "data.0.train=1", "--set", "data.0.val=1", "--set", "data.0.test=1"]
    data = ["--data", str(prepared / "prepared")] if name == "own_data" else []
    assert main(["plan", str(EXAMPLES / "grids" / f"{name}.yaml"), "--out", str(tmp_path), "--json", *data, *few]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts == {"new": {"own_data": 4, "own_method": 4 * 6 * 3, "sweep": 4 * 2 + 1}[name]}

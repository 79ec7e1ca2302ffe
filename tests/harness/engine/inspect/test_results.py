"""The results that a run folder hands to the report and the viewer."""

import json
import shutil

import numpy as np
import pytest
from prsbench.harness.cli.main import main
from prsbench.harness.engine.inspect.results import STATUS_OF, masks_of, results, samples_of
from prsbench.harness.engine.inspect.state import CellState, open_run


@pytest.fixture(scope="module")
def finished(finish):
    return finish("bright", "echo")


def test_every_state_of_a_cell_has_a_status_in_the_report():
    assert set(STATUS_OF) == set(CellState)


def test_samples_and_masks_are_in_the_order_of_the_records(finished):
    run = open_run(finished)
    cell = next(cell for cell in results(run) if cell.method == "echo")  # predicts the truth
    samples, masks = samples_of(run, cell.dataset), dict(masks_of(run, cell))
    assert [sample.sample_id for sample in samples] == [record.sample_id for record in cell.records]
    assert all(np.array_equal(masks[number], sample.truth.mask) for number, sample in enumerate(samples))


@pytest.mark.parametrize("change", ["moved", "another answer", "another image", "no image"])
def test_data_that_are_not_those_of_the_run_are_never_shown(finished, tmp_path, change):
    place = shutil.copytree(finished, tmp_path / "run")
    root = place / "data" / "given"
    image = next(path for path in sorted(root.rglob("*test*")) if path.is_file() and "mask" not in str(path).lower())
    if change == "moved":
        root.rename(tmp_path / "elsewhere")
    elif change == "another answer":
        table = next(root.rglob("*.csv"))
        table.write_text(table.read_text().replace("left", "right"))
    elif change == "another image":
        image.write_bytes(image.read_bytes() + b" ")
    else:
        image.unlink()
    told = [samples_of(open_run(place), name) for name in {cell.dataset for cell in results(open_run(place))}]
    why = "is no longer where the run found it" if change == "moved" else "has changed since the run"
    assert any(isinstance(each, str) and why in each for each in told)


def test_the_viewer_of_a_run_is_written_beside_its_report_and_shows_all_of_it(finished, capsys):
    assert main(["view", str(finished)]) == 0
    page = finished / "viewer" / "index.html"
    assert capsys.readouterr().out.splitlines()[0] == str(page)
    text = (page.parent / "data" / "index.js").read_text()
    index = json.loads(text.removeprefix('put("index",')[:-2])
    cells = results(open_run(finished))
    assert len(index["ids"]) == sum(cell.n_manifest for cell in cells if cell.method == "echo")
    assert min(index["images"]) == 0 and index["reasons"] == []
    assert {"text_x", "text_y"} <= {name for name, *_ in index["metrics"]}


def test_the_viewer_refuses_a_folder_that_is_not_its_own(finished, capsys):
    assert main(["view", str(finished), "--to", str(finished)]) == 2
    assert "expected a new or empty folder or an earlier viewer" in capsys.readouterr().err
    assert (finished / "run.json").exists()

"""Questions go out as files, predictions come back as files, and the scores are those of the same method run here."""

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from prsbench.harness.contract.catalog import Entry
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.inspect.queries import write_queries
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.plan import fingerprints
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker.loaded_methods import clear_loaded_methods
from prsbench.methods.catalog import METHODS
from prsbench.methods.plugins import PluginCatalog

DIRECT = """
import numpy as np
from prsbench.harness.contract.config import MethodConfig as DirectConfig
from prsbench.harness.contract.types import Labels, Prediction, TextSource, Weights

def answered(image, question, box):
    map = image[..., 0].astype(np.float32) / np.float32(300)
    if box:
        left, top, right, bottom = box
        map[:top] = map[bottom:] = map[:, :left] = map[:, right:] = 0
    return map, f"{question[:12]}: {'left' if map[:, :10].sum() > map[:, 10:].sum() else 'right'}, and \\"so\\" on."

class Direct:
    def __init__(self, config): self.config = config
    labels = property(lambda self: Labels(self.config.prompt_source, Weights.NONE, TextSource.GENERATED))
    def load(self, folder, device): ...
    def fit(self, train, val, context): ...
    def save(self, folder): ...
    def predict(self, queries):
        boxes = [q.box and (q.box.left, q.box.top, q.box.right, q.box.bottom) for q in queries]
        return [Prediction(*answered(q.image, q.question, box), 0.25) for q, box in zip(queries, boxes)]
"""
STATED = {"weights": "a threshold of ours", "text_source": "generated"}


@pytest.fixture
def registry(stand_ins, tmp_path, monkeypatch):
    (tmp_path / "direct_method.py").write_text(DIRECT)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("direct_method", None)
    fingerprints.checkpoint_hash.cache_clear()
    clear_loaded_methods()
    direct = Entry("direct", "", "direct_method:Direct", "direct_method:DirectConfig", trains=False)
    return replace(stand_ins.REGISTRY, methods=PluginCatalog("method", [direct, METHODS["saved"]]))


def answer_elsewhere(queries, kind="npy"):
    """What a user's script does: read the questions, write masks and answers; returns the lines it wrote."""
    from direct_method import answered

    (queries / "masks").mkdir(exist_ok=True)
    lines = []
    with (queries / "questions.csv").open(newline="") as stream:
        for line in csv.DictReader(stream):
            box = [int(line[f"box_{side}"]) for side in ("left", "top", "right", "bottom")] if line.get("box_left") else None
            image = np.asarray(Image.open(queries / line["image"]))
            probability, answer = answered(image, line["question"], box)
            name = line["image"].replace("images/", "masks/").replace(".png", f".{kind}")
            if kind == "npy":
                np.save(queries / name, probability)
            else:
                Image.fromarray((probability >= 0.5).astype(np.uint8) * 255).save(queries / name)
            lines.append({"sample_id": line["sample_id"], "answer": answer, "seconds": 0.25})
    write_answers(queries, lines)
    return lines


def write_answers(folder, lines):
    with (folder / "answers.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def run(stand_ins, registry, root, folder, methods, said=None):
    grid = stand_ins.make_grid(root, methods)
    return run_grid(grid, registry, RunFolder(folder), str if said is None else said.append, "serial")


def scores(stand_ins, found, row):
    """All that was found out about a row, but for its name and labels."""
    return [[*entry[1:5], *entry[6:]] for entry in stand_ins.numbers(found) if entry[0] == row]


@pytest.mark.parametrize("source", ["question", "oracle box"])
def test_predictions_made_elsewhere_score_as_the_same_method_run_here(source, stand_ins, registry, tmp_path):
    root = stand_ins.write_data(tmp_path / "data", empty=(1,))
    direct = {"direct": {"prompt_source": source}}
    to, prompts = tmp_path / "q", source != "question"
    assert write_queries(stand_ins.make_grid(root, [direct]), RunFolder(tmp_path / "run"), registry, to, prompts, str) == to
    answer_elsewhere(to)
    saved = {"saved:my_model": {"from": str(to), "prompt_source": source.replace(" ", "_"), **STATED}}
    said = []
    found = run(stand_ins, registry, root, tmp_path / "run", [direct, saved], said)
    assert found.status == "complete" and not [line for line in said if line.startswith("Note")]
    assert scores(stand_ins, found, "saved:my_model") == scores(stand_ins, found, "direct") != []
    label = next(cell.labels for cell in results(found) if cell.method == "saved:my_model")
    assert label.weights == "stated by the user" and label.prompt_source == source
    assert "weights, stated by the user: a threshold of ours" in label.notes


def test_no_file_of_the_queries_holds_the_truth_nor_prompts_that_no_row_is_given(stand_ins, registry, tmp_path, data_root):
    grid = stand_ins.make_grid(data_root, ["direct"])
    write_queries(grid, RunFolder(tmp_path / "run"), registry, tmp_path / "q", False, str)
    with (tmp_path / "q" / "questions.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [*lines[0]] == ["sample_id", "image", "question", "modality"] and len(lines) == 10
    assert "At the left of" not in (tmp_path / "q" / "questions.csv").read_text()
    assert sorted(path.name for path in (tmp_path / "q").iterdir()) == ["README.md", "images", "questions.csv"]
    with pytest.raises(ConfigError, match="no row of this grid"):
        write_queries(grid, RunFolder(tmp_path / "run"), registry, tmp_path / "boxes", True, str)
    with pytest.raises(ConfigError, match="expected an empty folder"):
        write_queries(grid, RunFolder(tmp_path / "run"), registry, tmp_path / "q", False, str)


def test_a_missing_line_is_a_failed_sample_and_missing_and_surplus_lines_are_named_once(stand_ins, registry, tmp_path, data_root):
    to = tmp_path / "q"
    write_queries(stand_ins.make_grid(data_root, ["direct"]), RunFolder(tmp_path / "run"), registry, to, False, str)
    lines = answer_elsewhere(to, "png")
    left_out, renamed = lines.pop(2), {**lines[0], "sample_id": "brain_mri/another#0"}
    write_answers(to, [*lines, renamed])
    (to / "masks" / next(path.name for path in (to / "masks").iterdir() if "test0" in path.name)).unlink()
    saved, said = {"saved:my_model": {"from": str(to), "prompt_source": "question", **STATED}}, []
    found = run(stand_ins, registry, data_root, tmp_path / "run", [saved], said)
    errors = {r.sample_id: r.error for cell in results(found) for r in cell.records if r.status == "failed"}
    assert len(errors) == 2 and "no saved prediction for sample" in errors[left_out["sample_id"]]
    assert any("found no such file" in error for error in errors.values())
    notes = [line for line in said if "saved:my_model" in line and line.startswith("Note")]
    assert len(notes) == 1
    assert f"1 of 10 samples have no line and will fail: {left_out['sample_id']}; 1 lines are of no sample" in notes[0]
    assert f"{to}/answers.csv line 11" in notes[0]


def test_a_changed_mask_is_scored_again_and_an_unchanged_folder_elsewhere_is_not(stand_ins, registry, tmp_path, data_root):
    to = tmp_path / "q"
    write_queries(stand_ins.make_grid(data_root, ["direct"]), RunFolder(tmp_path / "run"), registry, to, False, str)
    answer_elsewhere(to, "png")

    def keys(place):
        fingerprints.checkpoint_hash.cache_clear()  # as in a new process
        saved = {"saved:my_model": {"from": str(place), "prompt_source": "question", **STATED}}
        planned = plan_run(stand_ins.make_grid(data_root, [saved]), registry, RunFolder(tmp_path / "run"), str)
        return [cell.key for cell in planned.plan.cells]

    first = keys(to)
    to = to.rename(tmp_path / "elsewhere")
    (to / "notes.txt").write_text("not read")
    assert keys(to) == first
    mask = next((to / "masks").iterdir())
    changed = np.array(Image.open(mask))
    changed[0, 0] ^= 255
    Image.fromarray(changed).save(mask)
    assert set(keys(to)).isdisjoint(first)

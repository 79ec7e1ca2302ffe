"""Figures: what they show, that they say what the images are, and that they repeat to the byte."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from prsbench.harness.contract.types import DataKind, Labels, PromptSource, TextSource, Weights
from prsbench.harness.report.figures import bars as bars_module
from prsbench.harness.report.figures import losses as losses_module
from prsbench.harness.report.figures.examples import median_sample
from prsbench.harness.report.figures.selection import figures_of
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tensorboard import write_events


@pytest.fixture(scope="module")
def figures(grid, pictures):
    cells = [cell for cell in grid() if cell.modality == "brain_mri"]
    return {figure.name: figure for figure in figures_of(cells, pictures)}


def test_synthetic_is_in_the_name_title_caption_and_bytes_of_every_figure(figures):
    names = ("examples", "scores", "dice_against_prscore", "t2c_slopes", "rank_stability", "subgroups")
    assert set(figures) == {f"{name}_synthetic" for name in names}
    for figure in figures.values():
        assert "SYNTHETIC" in figure.title and "SYNTHETIC" in figure.caption
        text = Image.open(BytesIO(figure.png)).text
        assert "SYNTHETIC" in text["Title"] and "SYNTHETIC" in text["Description"]


def test_real_images_are_not_marked_synthetic(cell, pictures):
    figures = figures_of([cell(kind=DataKind.REAL)], lambda *_: None)
    assert [figure.name for figure in figures] == ["scores_real", "subgroups_real"]
    assert not any("SYNTHETIC" in figure.caption + figure.title for figure in figures)


def test_no_pictures_no_examples_and_the_figures_of_scores_remain(cell):
    assert [figure.name for figure in figures_of([cell()], lambda *_: None)] == ["scores_synthetic", "subgroups_synthetic"]


def test_no_numbers_no_figure_but_the_bars_which_say_so(cell):
    failed = cell(status="failed", error="boom")
    assert [figure.name for figure in figures_of([failed], lambda *_: None)] == ["scores_synthetic"]


def test_the_same_cells_give_the_same_bytes(cell, pictures):
    first, second = (figures_of([cell()], pictures) for _ in range(2))
    assert [figure.png for figure in first] == [figure.png for figure in second]


@pytest.mark.parametrize("source", PromptSource)
def test_a_bar_of_every_prompt_source_is_drawn_and_named_in_the_legend(cell, monkeypatch, source):
    monkeypatch.setattr(bars_module, "finish", lambda canvas, *_: canvas)
    rows = rows_of([replace(cell(), labels=Labels(source, Weights.NONE, TextSource.CONSTANT))])
    (legend,) = bars_module.bars(rows, DataKind.SYNTHETIC).legends
    assert [text.get_text() for text in legend.get_texts()] == [source]


def test_where_prscore_is_not_valid_words_stand_in_place_of_its_bar(cell, refilled, monkeypatch):
    monkeypatch.setattr(bars_module, "finish", lambda canvas, *_: canvas)
    known = cell(values=(0.8,) * 10)
    cells = [refilled(known, known.records, tuple({**s, "judge_auc": 0.5} for s in known.scores))]
    panels = bars_module.bars(rows_of(cells), DataKind.SYNTHETIC).axes
    assert [[text.get_text() for text in axes.texts] for axes in panels] == [["0.800"], ["not valid here"], ["0.800"]]


def test_the_caption_states_how_the_samples_were_chosen(figures):
    assert "median Dice@0.5 of cg_reasoner" in figures["examples_synthetic"].caption


def test_the_median_sample_is_chosen_and_failed_ones_are_not(cell):
    assert median_sample(cell(values=(0.1, 0.9, 0.5))) == 2
    assert median_sample(cell(values=(0.1, 0.9, 0.5), failed=(2,))) == 0
    assert median_sample(cell(failed=(0, 1))) is None


def test_a_method_without_a_map_and_an_empty_prediction_can_be_drawn(cell, pictures):
    def without_maps(sample_id, dataset, methods):
        found = pictures(sample_id, dataset, methods)
        return type(found)(found.image, found.truth, {"cg_reasoner": np.zeros(found.truth.shape, np.float32)})

    cells = [cell(), cell("lite_medsam_oracle_box", status="failed", error="boom")]
    assert figures_of(cells, without_maps)[0].name == "examples_synthetic"


def test_losses_are_written_as_tensorboard_events_that_read_back_and_replace_earlier_ones(tmp_path):
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c  # the checksum of each record

    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "losses.csv").write_text("step,loss,text\n0,3.0,2.0\n1,2.5,nan\n")
    (tmp_path / "one" / "validation.csv").write_text("step,loss\n2,1.5\n")
    for _ in range(2):
        places = write_events({"a": tmp_path / "one", "b": tmp_path}, tmp_path / "events")
    assert places == [tmp_path / "events" / "a" / split for split in ("train", "val")]
    found = {}
    for place in places:
        (file,) = place.iterdir()
        data, at = file.read_bytes(), 0
        while at < len(data):
            length, body = int.from_bytes(data[at : at + 8], "little"), at + 12
            record = data[body : body + length]
            assert masked_crc32c(record) == int.from_bytes(data[body + length : body + length + 4], "little")
            event, at = Event.FromString(record), body + length + 4
            found |= {(place.name, v.tag, event.step): v.simple_value for v in event.summary.value}
    assert math.isnan(found.pop(("train", "text", 1)))
    assert found == {("train", "loss", 0): 3.0, ("train", "text", 0): 2.0, ("train", "loss", 1): 2.5, ("val", "loss", 2): 1.5}


def test_losses_are_drawn_for_every_training_that_left_them_and_alone_for_those(cell, tmp_path):
    for number in range(4):
        folder = tmp_path / f"training-{number}"
        folder.mkdir()
        (folder / "losses.csv").write_text("step,loss,text\n0,3.0,2.0\n1,2.0,1.0\n2,nan,0.0\n")
    (folder / "validation.csv").write_text("step,loss,text\n2,2.5,1.5\n")
    (tmp_path / "none").mkdir()
    trainings = {folder.name: folder for folder in sorted(tmp_path.iterdir())}
    *_, losses = figures_of([cell()], lambda *_: None, trainings)
    assert losses.name == "losses_synthetic" and losses.png.startswith(b"\x89PNG") and "SYNTHETIC" in losses.caption.upper()
    (*_, fewer) = figures_of([cell()], lambda *_: None, {"none": tmp_path / "none"})
    assert fewer.name == "subgroups_synthetic"


@pytest.mark.parametrize(("trainings", "panels"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6)])
def test_the_losses_take_as_few_panels_as_rows_of_three_allow(tmp_path, monkeypatch, trainings, panels):
    monkeypatch.setattr(losses_module, "finish", lambda canvas, *_: canvas)
    (tmp_path / "losses.csv").write_text("step,loss\n0,3.0\n")
    assert len(losses_module.loss_curves(dict.fromkeys(map(str, range(trainings)), tmp_path), DataKind.SYNTHETIC).axes) == panels

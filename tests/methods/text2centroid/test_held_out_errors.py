"""Text2Centroid's own errors on samples it was not trained on."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from prsbench.harness.contract.types import FitContext
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.held_out_errors import HEADER, LocatedAnswer, error_lines, located_answers
from prsbench.methods.text2centroid.model import Text2Centroid

HELD_OUT = [
    LocatedAnswer("It is left.", "skin_rgb", "top left", (-0.5, 0.0)),
    LocatedAnswer("It is right.", "skin_rgb", "top right", (0.5, 0.0)),
    LocatedAnswer("On the right.", "brain_mri", "top right", (0.3, 0.4)),
]
LOCATED = np.array([[-0.5, 0.3], [0.1, 0.3], [0.3, 0.0]], np.float32)  # 0.3, 0.5 and 0.4 away


def lines(known=("It is left.", "It is right.")):
    return {line[:2]: dict(zip(HEADER[2:], line[2:], strict=True)) for line in error_lines(HELD_OUT, LOCATED, known, (0.0, 0.0))}


def test_errors_by_hand_for_all_each_modality_and_each_position():
    found = lines()
    assert list(found) == [("all", "all"), ("modality", "brain_mri"), ("modality", "skin_rgb"), ("position", "top left"),
                           ("position", "top right")]  # fmt: skip
    assert found["all", "all"] == {
        "n": "3", "n new wording": "1", "error": "0.400", "median error": "0.400", "error new wording": "0.400",
        "error of mean point": "0.500",
    }  # fmt: skip
    assert found["position", "top right"]["error"] == "0.450"
    assert found["modality", "skin_rgb"]["n"] == "2" and found["modality", "skin_rgb"]["error"] == "0.400"


def test_answers_that_name_no_zone_have_no_point(discs):
    samples = discs(3)
    counted = [replace(sample, truth=replace(sample.truth, family="count")) for sample in samples]
    assert located_answers([*samples, *counted]) == located_answers(samples) != []


def test_a_group_without_new_wording_has_a_dash_and_no_number():
    assert lines()["modality", "skin_rgb"]["error new wording"] == "-"
    assert lines(known=())["all", "all"]["n new wording"] == "3"


def test_samples_without_a_lesion_are_not_held_out(discs):
    samples = discs(3, empty=(1,))
    assert [one.point for one in located_answers(samples)] == [one.point for one in located_answers([samples[0], samples[2]])]


@pytest.mark.parametrize("n_val", [6, 0])
def test_a_training_writes_its_errors_on_val_next_to_its_weights(discs, tmp_path, n_val):
    part = Text2Centroid(Text2CentroidConfig(steps=3))
    val = discs(n_val, start=20)
    part.fit(discs(4), val, FitContext(0, "cpu"))
    part.save(tmp_path)
    with (tmp_path / "held_out.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert tuple(header) == HEADER and bool(rows) == bool(n_val)
    if n_val:
        expected = np.hypot(*(part.locate([s.truth.answer for s in val]) - [one.point for one in located_answers(val)]).T).mean()
        assert rows[0][:3] == ["all", "all", "6"] and float(rows[0][4]) == pytest.approx(expected, abs=5e-4)
    assert ("given no held-out sample" in (tmp_path / "held_out.md").read_text()) != bool(n_val)

"""Whether answers follow mirrored and rotated images: nobody who ignores the image does, the oracle always does."""

import csv
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.audit import orientation
from prsbench.harness.audit.orientation import TURNS, audit_orientation, effects_of, turned_sample
from prsbench.harness.audit.orientation_page import line_of, write_page
from prsbench.harness.cli.main import main
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.position import (
    official_position,
    points_phrase,
    position_of,
    position_phrase,
    zone_of_centroid,
)
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.types import (
    DataKind,
    Labels,
    Prediction,
    PromptSource,
    Query,
    Sample,
    TextSource,
    Truth,
    Weights,
)
from prsbench.harness.engine.inspect.state import CellState, StoredCell
from prsbench.harness.engine.worker import loaded_methods
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.text.position import parse


class Constant:
    """Always the same sentence and the same map."""

    labels = Labels(PromptSource.QUESTION, Weights.NONE, TextSource.CONSTANT)

    def answer(self, query):
        return "It is at the top left."

    def predict(self, queries):
        return [Prediction(np.zeros(q.image.shape[:2], np.float32), self.answer(q), 0.0) for q in queries]

    def fit(self, train, val, context): ...

    def save(self, folder): ...

    def load(self, folder, device): ...


class ByQuestion(Constant):
    """Answers by the sample's id and question, so differently for each sample, and ignores the image."""

    def answer(self, query):
        places = ["top left", "top right", "bottom left", "bottom right", "center"]
        return f"It is at the {places[sum(map(ord, query.sample_id + query.question)) % 5]}."


class Seeing(Constant):
    """Marks the bright pixels and names their official place."""

    def predict(self, queries):
        masks = [query.image[..., 0] > 128 for query in queries]
        return [Prediction(mask.astype(np.float32), f"At {position_phrase(*position_of(mask, ''))}.", 0.0) for mask in masks]


class Wrong(Seeing):
    """Sees the picture upside down: it follows every turn, and is wrong off the centre."""

    def predict(self, queries):
        upside_down = [replace(query, image=query.image[::-1, ::-1]) for query in queries]
        return [replace(p, probability=p.probability[::-1, ::-1]) for p in super().predict(upside_down)]


class OfThePatient(Seeing):
    def predict(self, queries):
        return [replace(p, answer="At the top, on the patient's left.") for p in super().predict(queries)]


class Silent(Constant):
    def answer(self, query):
        return ""


class Breaking(Constant):
    def predict(self, queries):
        if queries[0].image.shape[0] > queries[0].image.shape[1]:
            raise ValueError("no upright images, please")
        return super().predict(queries)


class MadeElsewhere(Constant):
    labels = Labels(PromptSource.QUESTION, Weights.STATED, TextSource.GENERATED)


class Oracle(Constant):
    predict = None

    def predict_from_truth(self, samples, answers):
        assert all(sample.sample_id in answers for sample in samples)
        return [Prediction(s.truth.mask.astype(np.float32), s.truth.answer, 0.0) for s in samples]


def sample_of(mask, number=0, modality="skin_rgb", answer=None, question="Where is it?"):
    image = np.repeat(np.where(mask, 200, 40).astype(np.uint8)[..., None], 3, axis=2)
    position, near = position_of(mask, modality)
    truth = Truth(mask, answer or f"It is {position_phrase(position, near)}.", position, near, zone_of_centroid(mask), (0.5, 0.7))
    return Sample(Query(f"sample {number}", image, question, modality), truth, str(number), "test", DataKind.SYNTHETIC)


def record_of(sample, prediction):
    truth, maps = sample.truth, grey_maps(prediction.probability)
    return Record(
        sample.sample_id, sample.group, "skin_rgb", sample.data_kind, SampleStatus.OK, "", sample.query.question, truth.answer,
        prediction.answer, *truth.mask.shape, truth.position, truth.near_centre, truth.position_of_centroid,
        centroid(truth.mask), None, count_maps(maps, truth.mask), 0.0,
    )  # fmt: skip


def predicted(method, samples):
    if method.predict is None:
        return method.predict_from_truth(samples, {s.sample_id: s.truth.answer for s in samples})
    return method.predict([sample.query for sample in samples])


@pytest.fixture(scope="module")
def samples():
    """Forty squares in a wide image, each in one quadrant or in the centre."""
    rng, found = np.random.default_rng(3), []
    for number in range(40):
        mask = np.zeros((24, 32), bool)
        top, left = rng.integers(0, 19), rng.integers(0, 27)
        mask[top : top + 5, left : left + 5] = True
        found.append(sample_of(mask, number))
    return found


@pytest.fixture
def effects(finished, samples):
    """The effects of all turns on a method."""

    def audit(method, samples=samples):
        cell = next(cell for cell in finished.plan.cells if cell.method == "bright")
        records = list(map(record_of, samples, predicted(method, samples)))
        return effects_of(method, cell, samples, records, range(len(samples)))

    return audit


@pytest.mark.parametrize("method", [Constant(), ByQuestion()], ids=["always the same", "by question and id"])
def test_an_answer_that_ignores_the_image_never_follows_it(effects, method):
    for effect in effects(method):
        assert effect.n == 40 and effect.n_moved > 25
        assert (effect.right, effect.wrong, effect.stayed, effect.unread, effect.turned) == (0, 0, 1, 0, 0)


@pytest.mark.parametrize("method", [Oracle(), Seeing()], ids=["oracle", "reads the image"])
def test_the_oracle_and_a_method_that_reads_the_image_follow_it_always(effects, method):
    for effect in effects(method):
        assert (effect.right, effect.wrong, effect.stayed, effect.unread) == (1, 0, 0, 0)
        assert (effect.accuracy_before, effect.accuracy_after, effect.dice_before, effect.dice_after) == (1, 1, 1, 1)


def test_a_method_that_is_always_wrong_but_follows_the_image_is_told_from_one_that_ignores_it(effects):
    for effect in effects(Wrong()):
        assert effect.turned > 0.9 and effect.right == 0 and effect.wrong > 0.9
        assert effect.accuracy_after < 0.3


def test_an_answer_without_a_place_is_no_answer_that_stayed(effects):
    for effect in effects(Silent()):
        assert (effect.unread, effect.stayed, effect.n_named) == (1, 0, 0) and isnan(effect.turned)


def test_answers_on_a_side_of_the_patient_are_counted_apart(effects):
    for effect in effects(OfThePatient()):
        assert effect.n == effect.n_patient_side == 40 and effect.n_moved == 0 and isnan(effect.accuracy_after)


def test_points_in_the_reference_turn_as_points(effects, samples):
    asked = [replace(s, truth=replace(s.truth, answer=f"At {points_phrase(s.truth.mask)} of the center.")) for s in samples]
    for effect in effects(Oracle(), asked):
        assert effect.right == 1 and effect.accuracy_after == 1


@given(
    st.integers(5, 20), st.integers(5, 20), st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), min_size=1, max_size=9)
)
def test_a_turned_sample_has_the_label_that_a_reader_gives_to_its_mask(height, width, pixels):
    mask = np.zeros((height, width), bool)
    for row, column in pixels:
        mask[row % height, column % width] = True
    for turn in TURNS:
        for modality in ("skin_rgb", "lung_xray"):
            sample = sample_of(mask, modality=modality)
            turned = turned_sample(sample, turn)
            truth, image = turned.truth, turned.query.image
            assert (truth.position, truth.near_centre) == position_of(truth.mask, modality)
            assert np.array_equal(image[..., 0] > 128, truth.mask) and image.flags.c_contiguous
            zones = {phrase.removesuffix(" center") for phrase in truth.position}
            assert parse(truth.answer).zones == zones


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.name)
def test_a_zone_turns_as_a_mask_in_it_does(turn):
    for zone, place in {"top left": (1, 1), "top right": (1, 9), "bottom left": (9, 1), "center": (5, 5)}.items():
        mask = np.zeros((11, 11), bool)
        mask[place] = True
        assert official_position(mask)[0] == zone
        assert turn.zones({zone}) == {official_position(turn.array(mask))[0]}


def test_a_square_image_with_unequal_pixels_swaps_their_sides_when_it_is_rotated():
    mask = np.eye(8, dtype=bool)
    assert [turned_sample(sample_of(mask), turn).truth.spacing_mm[0] for turn in TURNS] == [0.5, 0.5, 0.7, 0.5, 0.7]


def test_every_row_of_a_run_is_audited_or_says_why_not(finished, monkeypatch):
    def method_of(cell, setting):
        return {"bright": Seeing(), "trained": Breaking(), "echo": MadeElsewhere()}[cell.method]

    monkeypatch.setattr(loaded_methods, "method_of", method_of)
    cells = list(audit_orientation(finished))
    assert [(cell.method, bool(cell.effects)) for cell in cells[::2]] == [("bright", True), ("trained", False), ("echo", False)]
    assert "no upright images, please" in cells[2].reason and "made elsewhere" in cells[4].reason
    assert "not predicted again (its predictions were made elsewhere" in line_of(cells[4])


def test_a_row_whose_data_changed_or_that_is_not_complete_says_so(finished, monkeypatch):
    monkeypatch.setattr(orientation, "samples_of", lambda run, name: f"the data set '{name}' has changed since the run")
    cells = list(audit_orientation(finished, ["bright"]))
    assert all("has changed since the run" in cell.reason for cell in cells)
    monkeypatch.setattr(StoredCell, "state", CellState.SKIPPED)
    assert "not complete in this run" in next(audit_orientation(finished, ["bright"])).reason


def test_the_page_has_a_table_for_each_method_and_every_number_is_in_the_csv(finished, tmp_path):
    cells = list(audit_orientation(finished, ["bright", "trained"], n_samples=3))
    page, numbers = write_page(cells, tmp_path)
    text = page.read_text()
    assert "## bright" in text and "## trained" in text and "SYNTHETIC" not in text and "UNDECLARED" in text
    lines = list(csv.DictReader(numbers.read_text().splitlines()))
    assert len(lines) == len(cells) * len(TURNS) and all(line["not predicted again"] == "" for line in lines)
    by_hand = [float(line["right"]) + float(line["wrong"]) + float(line["stayed"]) + float(line["unread"]) for line in lines]
    assert all(abs(total - 1) < 1e-4 for total in by_hand)


def test_the_same_samples_are_drawn_for_every_method_and_every_time(finished):
    once, again = (list(audit_orientation(finished, ["bright"], n_samples=3)) for _ in range(2))
    assert [cell.effects for cell in once] == [cell.effects for cell in again]
    assert {effect.n for cell in once for effect in cell.effects} == {3}


def test_impossible_requests_are_refused(finished):
    with pytest.raises(ConfigError, match="Did you mean 'bright'"):
        next(audit_orientation(finished, ["brigth"]))
    with pytest.raises(ConfigError, match="--samples must be 1 or more, got 0"):
        next(audit_orientation(finished, n_samples=0))


def test_the_command_writes_the_page_into_the_run_folder_and_says_each_row(finished, capsys):
    assert main(["audit", "orientation", str(finished.setting.folder), "--only", "bright", "--samples", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and said[0].startswith("bright on brain_tumors_ct_scan: position accuracy ")
    assert (finished.setting.folder / "audit" / "orientation.md").read_text().startswith("# Does the sentence follow")
    assert main(["audit", "orientation", str(finished.setting.folder), "--samples", "0"]) == 2

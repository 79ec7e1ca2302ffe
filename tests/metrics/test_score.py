import subprocess
import sys
from dataclasses import replace
from math import hypot, isnan, nan

import numpy as np
import pytest
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.position import official_position
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import DataKind
from prsbench.metrics.catalog import METRICS
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.score import score, score_each
from prsbench.metrics.text.position import parse

PLACES = {"top left": (-0.5, -0.5), "top right": (0.5, -0.5), "bottom left": (-0.5, 0.5), "bottom right": (0.5, 0.5)}
OVERLAP = ("dice@0.5", "iou@0.5", "mdice_pranet", "miou_pranet", "mdice_raw", "miou_raw")
PRSCORE = ("s_sem", "s_spatial", "s_vis", "prscore", "direction_undefined")


class QuadrantModels:
    """Ideal text models for quadrant words, which record the sentences they were called with."""

    checksum, notes = "ideal", ()

    def __init__(self):
        self.asked = []

    def embed(self, sentences):
        self.asked += sentences
        return np.array([[len(sentence), 1.0] for sentence in sentences], np.float32)

    def locate(self, sentences):
        return np.array([PLACES.get(next(iter(parse(s).zones), ""), (0, 0)) for s in sentences], np.float32)

    def is_cut(self, sentences):
        return [len(sentence) > 100 for sentence in sentences]


def record(truth, predicted=None, answer="The lesion is top left.", reference="Found at the top left.", **changes):
    predicted = truth if predicted is None else predicted
    position, near = official_position(truth)
    example = Record(
        sample_id="s",
        group="g",
        modality="skin_rgb",
        data_kind=DataKind.SYNTHETIC,
        status="ok",
        error="",
        question="Where?",
        reference_answer=reference,
        answer=answer,
        height=truth.shape[0],
        width=truth.shape[1],
        position=(position,),
        near_centre=near,
        position_of_centroid="",
        truth_centroid=centroid(truth),
        predicted_centroid=centroid(predicted),
        counts=count_maps(grey_maps(predicted.astype(np.float32)), truth),
        seconds=0.1,
    )
    return replace(example, **changes)


def lesion(row=2, col=2):
    truth = np.zeros((16, 16), bool)
    truth[row : row + 4, col : col + 4] = True
    return truth


EMPTY = np.zeros((16, 16), bool)


def score_one(*args, **kwargs):
    return score([record(*args, **kwargs)], QuadrantModels())[0]


def test_a_perfect_prediction_scores_one_everywhere_but_for_the_last_threshold():
    scores = score_one(lesion())
    ones = ("dice@0.5", "iou@0.5", "s_spatial", "s_vis", "position_accuracy")
    assert {name: scores[name] for name in ones} == pytest.approx(dict.fromkeys(ones, 1.0))
    assert scores["mdice_pranet"] == pytest.approx((255 + 2 * (1 / 16) / (17 / 16)) / 256)
    assert (scores["centroid_error_of_text"], scores["direction_undefined"], scores["position_not_understood"]) == (0, 0, 0)
    assert isnan(scores["absence_accuracy"])


def test_a_record_has_exactly_the_metrics_of_the_catalog_in_their_order():
    rows = [record(lesion()), record(EMPTY), record(lesion(), status="failed", counts=None)]
    official = [name for name, metric in METRICS.items() if not metric.needs_families]
    assert all(list(scores) == official for scores in score(rows, QuadrantModels()))
    asked = [replace(row, family="count") for row in rows]
    assert all(list(scores) == list(METRICS) for scores in score([*rows, *asked], QuadrantModels()))


def test_every_defined_value_lies_in_the_catalogs_range():
    rng = np.random.default_rng(1)
    answers = ["", "The lesion is bottom right and near the center.", "No lesion is visible.", "Round."]
    rows = [record(lesion(row, col), lesion(*rng.integers(0, 12, 2)), answers[(row + col) % 4])
            for row in range(0, 12, 3) for col in range(0, 12, 3)]  # fmt: skip
    for scores in score(rows, QuadrantModels()):
        for name, value in scores.items():
            low, high = METRICS[name].range
            assert isnan(value) or low <= value <= high, name


@pytest.mark.parametrize("status", ["failed", "excluded"])
def test_a_record_without_counts_is_nan_throughout_and_leaves_the_others_alone(status):
    broken = record(lesion(), status=status, error="out of memory", counts=None, answer="")
    first, second = score([broken, record(lesion())], QuadrantModels())
    assert all(isnan(value) for value in first.values())
    assert second["dice@0.5"] == 1.0


def test_an_empty_truth_leaves_overlap_prscore_and_position_undefined_but_asks_for_absence():
    scores = score_one(EMPTY, lesion(), answer="No lesion is visible.", reference="Nothing was found.")
    undefined = (*OVERLAP, *PRSCORE, "position_accuracy", "distance_word_accuracy", "centroid_error_of_text")
    assert all(isnan(scores[name]) for name in undefined)
    assert (scores["absence_accuracy"], scores["position_not_understood"]) == (1.0, 0.0)


def test_an_empty_prediction_scores_zero_on_the_mask_and_keeps_its_text_scores():
    scores = score_one(lesion(), EMPTY)
    assert (scores["dice@0.5"], scores["s_vis"]) == (0.0, 0.0)
    assert scores["s_spatial"] == pytest.approx(1)
    assert scores["position_accuracy"] == 1.0


@pytest.mark.parametrize("answer", ["", " \n"])
def test_a_missing_answer_scores_zero_and_has_no_centroid(answer):
    scores = score_one(lesion(), answer=answer)
    assert [scores[name] for name in ("s_sem", "s_spatial", "s_vis", "prscore", "position_accuracy")] == [0.0] * 5
    assert isnan(scores["centroid_error_of_text"])
    assert scores["position_not_understood"] == 1.0


def test_a_missing_reference_leaves_prscore_undefined_and_the_rest_scored():
    scores = score_one(lesion(), reference="")
    assert all(isnan(scores[name]) for name in PRSCORE)
    assert scores["position_accuracy"] == 1.0


def test_the_judges_error_is_of_the_reference_and_never_of_the_answer():
    scores = score_one(lesion(), answer="Found at the bottom right.")
    x, y = centroid(lesion()).x, centroid(lesion()).y
    assert scores["judge_error"] == pytest.approx(hypot(x + 0.5, y + 0.5)) != scores["centroid_error_of_text"]


def test_the_constant_position_is_right_where_the_most_frequent_zones_are_and_no_constant_is_right_more_often():
    rows = [record(lesion(row, col)) for row, col in ((2, 2), (2, 3), (2, 10), (10, 10), (10, 2))] + [record(EMPTY)]
    scores = score(rows, QuadrantModels())
    assert [values["position_constant"] for values in scores[:5]] == [1, 1, 0, 0, 0] and isnan(scores[5]["position_constant"])


def test_the_means_of_a_cell_that_the_judge_is_held_against_are_those_of_its_labels():
    rows = [record(lesion(row, col)) for row, col in ((1, 1), (2, 1), (2, 11), (1, 11), (11, 1))]
    scores = score(rows, QuadrantModels())
    points = np.array([(r.truth_centroid.x, r.truth_centroid.y) for r in rows])
    pair = np.linalg.norm(points[0] - points[1]) / 2 * 2**0.5
    assert [s["label_mean_error"] for s in scores] == pytest.approx([pair] * 4 + [nan], nan_ok=True)
    whole = np.linalg.norm(points - points.mean(axis=0), axis=1) * (5 / 4) ** 0.5
    assert [s["mean_point_error"] for s in scores] == pytest.approx(whole.tolist())


def test_the_text_error_is_the_distance_to_the_true_centroid_not_the_predicted_one():
    scores = score_one(lesion(2, 10), lesion(), answer="top left")
    assert scores["centroid_error_of_text"] == pytest.approx(hypot(0.5 + 0.5, 0))


def test_each_distinct_sentence_is_asked_for_once():
    models = QuadrantModels()
    score([record(lesion()), record(lesion()), record(lesion(), answer="top right"), record(EMPTY, answer="")], models)
    opposite = "Found at the bottom right."  # of the reference, for the level of opposite text
    assert sorted(models.asked) == [opposite, "Found at the top left.", "The lesion is top left.", "top right"]


def test_no_records_and_no_sentences_are_no_trouble():
    models = QuadrantModels()
    assert score([], models) == []
    assert score([record(lesion(), answer="", reference="")], models)[0]["dice@0.5"] == 1.0
    assert models.asked == []


@pytest.mark.parametrize(
    ("embeddings", "points"),
    [(np.zeros(2), np.zeros((2, 2))), (np.zeros((2, 3)), np.zeros((2, 3))), (np.zeros((2, 3)), np.full((2, 2), nan)),
     (np.full((2, 3), nan), np.zeros((2, 2))), (np.zeros((2, 3)), np.full((2, 2), 1.5))],
)  # fmt: skip
def test_text_models_that_break_their_contract_are_refused(embeddings, points):
    class Broken:
        checksum, notes = "", ()

        def embed(self, sentences):
            return embeddings

        def locate(self, sentences):
            return points

    with pytest.raises(ContractError, match="Text models"):
        score([record(lesion())], Broken())


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [("Top left.", "Found at the top left.", 0.0), ("Top left. " * 11, "Found at the top left.", 1.0),
     ("Top left.", "Top left. " * 11, 1.0), ("", "Top left.", 0.0)],
)  # fmt: skip
def test_a_sample_says_whether_the_judge_read_only_the_beginning_of_its_texts(answer, reference, expected):
    assert score_one(lesion(), answer=answer, reference=reference)["text_cut"] == expected


def test_without_a_true_mask_it_is_not_defined_whether_a_text_was_cut():
    assert isnan(score_one(EMPTY, answer="Top left. " * 11)["text_cut"])


def test_an_ok_record_without_counts_names_its_sample():
    with pytest.raises(ContractError, match="'s'"):
        score_one(lesion(), counts=None)


def test_scores_survive_the_journey_through_json():
    here = record(lesion(), lesion(3, 3))
    (there,), (expected,) = (score([r], QuadrantModels()) for r in (Record.from_json(here.to_json()), here))
    assert there == pytest.approx(expected, nan_ok=True)


def test_the_catalog_loads_no_numpy_and_scoring_loads_no_torch():
    code = "import sys; import prsbench.metrics.{}; sys.exit('{}' in sys.modules)"
    for module, absent in (("catalog", "numpy"), ("score", "torch")):
        subprocess.run([sys.executable, "-c", code.format(module, absent)], check=True)


def test_the_order_of_the_records_changes_no_score_of_a_small_cell():
    places = ((1, 1, "top left"), (1, 9, "bottom left"), (9, 4, "top right"), (8, 8, "bottom right"))
    rows = [record(lesion(row, col), lesion(col, row), f"The lesion is {zone}.") for row, col, zone in places]
    together, reversed_ = score(rows, QuadrantModels()), score(rows[::-1], QuadrantModels())
    for here, there in zip(together, reversed_[::-1], strict=True):
        assert there == pytest.approx(here, nan_ok=True)


def test_scores_come_one_by_one_from_records_that_are_read_twice_and_never_held():
    class File:
        opened = 0

        def __iter__(self):
            File.opened += 1
            yield from (record(lesion()), record(EMPTY))

    stream = score_each(File(), QuadrantModels())
    assert next(stream)["dice@0.5"] == 1.0
    assert isnan(next(stream)["dice@0.5"]) and File.opened == 2


def test_ciou_is_the_summed_intersection_over_the_summed_union_and_giou_counts_empty_truths():
    large, small, none = np.zeros((3, 20, 20), bool)
    large[:10], small[0, :10] = True, True
    half = large.copy()
    half[5:] = False
    wrong = none.copy()
    wrong[0, :5] = True
    cases = [(large, half), (small, small), (none, none), (none, wrong)]
    scores = score([record(truth, predicted) for truth, predicted in cases], QuadrantModels())
    assert np.mean([row["ciou"] for row in scores]) == pytest.approx((100 + 10) / (200 + 10 + 5))
    assert [row["giou"] for row in scores] == pytest.approx([0.5, 1, 1, 0])
    assert [isnan(row["iou@0.5"]) for row in scores] == [False, False, True, True]


def test_each_family_has_the_scores_that_are_defined_for_it():
    """Two of a place, of which one is no zone, and three of no place, one of them about an empty mask."""
    rows = [
        record(lesion(), family="quadrant", reference="The lesion is in the quadrant top left.", answer="top left"),
        record(lesion(), family="where-3x3", reference="It is in the top left cell.", answer="bottom right"),
        record(lesion(), family="count", reference="There is one lesion.", answer="two"),
        record(lesion(), family="count", reference="There are two lesions.", answer="two"),
        record(EMPTY, family="presence", reference="No, there is no lesion.", answer="No."),
    ]
    found = score(rows, QuadrantModels())

    def column(name):
        return [None if isnan(scores[name]) else scores[name] for scores in found]

    assert column("position_accuracy") == [1, 0, None, None, None]
    assert column("position_constant") == [1, 1, None, None, None]
    assert column("answer_accuracy") == [None, None, 0, 1, 1]
    assert column("answer_constant") == [None, None, 1, 0, 1]  # of two counts, the first in order of words
    assert column("absence_accuracy") == [None, None, None, None, 1]
    assert column("distance_word_accuracy") == [None] * 5
    assert column("position_not_understood") == [0, 0, None, None, None]
    assert [value is not None for value in column("prscore")] == [True, False, False, False, False]
    assert [value is not None for value in column("bleu_1")] == [True] * 4 + [False]
    assert [value is not None for value in column("dice@0.5")] == [True] * 4 + [False]


def test_questions_of_other_families_change_no_score_of_the_official_ones():
    official = [record(lesion(row), lesion(2), answer) for row, answer in ((2, "top left"), (10, "bottom left"), (5, ""))]
    others = [replace(row, family="count", reference_answer="There is one lesion.", answer="one") for row in official]
    alone, mixed = score(official, QuadrantModels()), score([*official, *others], QuadrantModels())
    per_cell = {"ciou", "maxdice_pranet", "maxiou_pranet"}  # of all predictions of the cell
    for before, after in zip(alone, mixed, strict=False):
        assert {n: v for n, v in after.items() if n in before and n not in per_cell} == pytest.approx(
            {n: v for n, v in before.items() if n not in per_cell}, nan_ok=True
        )

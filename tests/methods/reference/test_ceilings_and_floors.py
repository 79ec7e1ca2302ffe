import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.position import NO_MASK, position_of, zone_of_centroid
from prsbench.harness.contract.types import (
    DataKind,
    FitContext,
    Method,
    PromptSource,
    Query,
    ReferenceRow,
    Sample,
    TextSource,
    Truth,
    check_prediction,
)
from prsbench.methods.reference.ceilings import OppositeAnswerRow, OracleRow, ShuffledAnswerRow, opposite_position
from prsbench.methods.reference.config import CeilingConfig, FloorConfig, MeanMaskConfig, ShuffledAnswerConfig
from prsbench.methods.reference.floors import EmptyMaskRow, MeanMaskRow, WholeImageRow
from prsbench.metrics.text.position import parse
from pydantic import ValidationError

QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
CONTEXT = FitContext(seed=0, device="cpu")


def sample(name, block=None, shape=(40, 60), modality="skin_rgb"):
    mask = np.zeros(shape, bool)
    if block:
        mask[block] = True
    position, near = position_of(mask, modality)
    truth = Truth(mask, f"answer of {name}", position, near, zone_of_centroid(mask))
    query = Query(name, np.zeros((*shape, 3), np.uint8), "Where is it?", modality)
    return Sample(query, truth, group=name, split="test", data_kind=DataKind.SYNTHETIC)


CORNERS = {
    "top left": np.s_[0:9, 0:9],
    "top right": np.s_[0:9, 50:60],
    "bottom left": np.s_[30:40, 0:9],
    "bottom right": np.s_[30:40, 50:60],
}
FOUR = [sample(name, block) for name, block in CORNERS.items()]
EMPTY = sample("empty")


def shuffled(row, samples):
    return row.predict_from_truth(samples, {s.sample_id: s.truth.answer for s in samples})


def test_the_oracle_returns_the_true_mask_and_answer_and_an_empty_map_for_an_empty_truth():
    samples = [*FOUR, EMPTY]
    for got, s in zip(OracleRow(CeilingConfig()).predict_from_truth(samples, {}), samples, strict=True):
        check_prediction(s.query, got)
        assert np.array_equal(got.probability >= 0.5, s.truth.mask)
        assert got.answer == s.truth.answer


@given(st.integers(2, 30), st.integers(0, 5))
def test_shuffling_hands_every_answer_on_and_leaves_none_with_its_owner(count, seed):
    samples = [sample(f"s{i:02d}", np.s_[0:3, 0:3], (8, 8)) for i in range(count)]
    answers = [p.answer for p in shuffled(ShuffledAnswerRow(ShuffledAnswerConfig(shuffle_seed=seed)), samples)]
    assert sorted(answers) == sorted(s.truth.answer for s in samples)
    assert all(answer != s.truth.answer for answer, s in zip(answers, samples, strict=True))


def test_shuffling_depends_on_the_seed_and_not_on_the_order_of_the_samples():
    samples = [sample(f"s{i:02d}", np.s_[0:3, 0:3], (8, 8)) for i in range(12)]

    def answers(seed, given_samples):
        row = ShuffledAnswerRow(ShuffledAnswerConfig(shuffle_seed=seed))
        predictions = shuffled(row, given_samples)
        return {s.sample_id: p.answer for s, p in zip(given_samples, predictions, strict=True)}

    assert answers(0, samples) == answers(0, samples[::-1]) != answers(1, samples)


@given(st.integers(2, 30), st.integers(0, 5), st.integers(1, 7))
def test_shuffling_batch_by_batch_gives_what_shuffling_all_samples_at_once_gave(count, seed, size):
    samples = [sample(f"s{(7 * i) % 31:02d}", np.s_[0:3, 0:3], (8, 8)) for i in range(count)]
    by_id = sorted(range(count), key=lambda i: samples[i].sample_id)
    cycle = np.random.default_rng(seed).permutation(by_id)
    donor = dict(zip(cycle.tolist(), np.roll(cycle, 1).tolist(), strict=True))
    row, answers = ShuffledAnswerRow(ShuffledAnswerConfig(shuffle_seed=seed)), {s.sample_id: s.truth.answer for s in samples}
    batches = [row.predict_from_truth(samples[start : start + size], answers) for start in range(0, count, size)]
    assert [p.answer for batch in batches for p in batch] == [samples[donor[i]].truth.answer for i in range(count)]


def test_a_single_answer_cannot_be_shuffled_and_none_need_not_be():
    row = ShuffledAnswerRow(ShuffledAnswerConfig())
    with pytest.raises(DataError, match="'top left'.*at least 2 samples"):
        shuffled(row, FOUR[:1])
    assert shuffled(row, []) == []


def test_the_opposite_answer_names_the_quadrant_across_the_centre():
    across = dict(zip(QUADRANTS, reversed(QUADRANTS), strict=True))
    for s, got in zip(FOUR, OppositeAnswerRow(CeilingConfig()).predict_from_truth(FOUR, {}), strict=True):
        assert parse(got.answer).zones == {across[s.sample_id]}
        assert parse(got.answer).near is True  # the truth is far
        assert np.array_equal(got.probability >= 0.5, s.truth.mask)


LABELS = [("center",), (NO_MASK,), *[(a,) for a in QUADRANTS]]
LABELS += [(a + centre, b) for a in QUADRANTS for b in QUADRANTS for centre in ("", " center")]


@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize("label", LABELS)
def test_an_opposite_label_shares_no_zone_with_the_label_it_contradicts(label, near):
    opposite, _ = opposite_position(label, near)
    assert set(opposite) <= set(QUADRANTS)
    assert not set(opposite) & {phrase.removesuffix(" center") for phrase in label}


@pytest.mark.parametrize(("row", "value"), [(EmptyMaskRow, 0.0), (WholeImageRow, 1.0)])
def test_uniform_rows_give_one_value_and_one_answer_whatever_the_image(row, value):
    queries = [s.query for s in (FOUR[0], EMPTY, sample("tall", None, (31, 7)))]
    predictions = row(FloorConfig()).predict(queries)
    for query, got in zip(queries, predictions, strict=True):
        check_prediction(query, got)
        assert np.all(got.probability == value)
    assert {p.answer for p in predictions} == {"The lesion is located in the center."}


def fitted(samples):
    row = MeanMaskRow(MeanMaskConfig(grid_px=8))
    row.fit(samples, [], CONTEXT)
    return row


def test_the_mean_mask_is_the_share_of_training_masks_at_each_place():
    left, right = np.s_[:, 0:4], np.s_[:, 4:8]
    row = fitted([sample("a", left, (8, 8)), sample("b", left, (8, 8)), sample("c", right, (8, 8)), sample("d", None, (8, 8))])
    got = row.predict([sample("new", None, (8, 8)).query])[0].probability
    assert np.allclose(got[left], 0.5) and np.allclose(got[right], 0.25)


def test_modalities_are_averaged_apart_whatever_their_sizes():
    row = fitted([sample("a", np.s_[:, :30]), sample("b", np.s_[0:2, 0:2], (4, 4), "breast_us")])
    skin, breast = row.predict([EMPTY.query, sample("e", None, (13, 90), "breast_us").query])
    assert skin.probability.shape == (40, 60) and breast.probability.shape == (13, 90)
    assert np.all(skin.probability[:, :18] == 1) and np.all(skin.probability[:, 42:] == 0)
    assert breast.probability[0, 0] == 1 and breast.probability[-1, 0] == 0


def test_the_answer_is_the_most_frequent_position_and_a_tie_goes_to_the_first_in_the_alphabet():
    top_left, bottom_right = FOUR[0], FOUR[3]
    question = EMPTY.query
    assert "top left" in fitted([bottom_right, top_left, top_left]).predict([question])[0].answer
    for order in ([top_left, bottom_right], [bottom_right, top_left]):
        assert "bottom right" in fitted(order).predict([question])[0].answer


def test_the_mean_mask_is_the_same_after_saving_and_loading(tmp_path):
    row = fitted([*FOUR, sample("b", np.s_[0:2, 0:2], (4, 4), "lung_ct")])
    row.save(tmp_path)
    again = MeanMaskRow(MeanMaskConfig(grid_px=8))
    again.load(tmp_path, "cpu")
    queries = [EMPTY.query, sample("e", None, (9, 9), "lung_ct").query]
    for a, b in zip(row.predict(queries), again.predict(queries), strict=True):
        assert np.array_equal(a.probability, b.probability) and a.answer == b.answer
    assert json.loads((tmp_path / "positions.json").read_text()).keys() == {"lung_ct", "skin_rgb"}


def test_a_modality_without_training_samples_is_an_error_that_names_it():
    with pytest.raises(DataError, match="'new'.*'polyp_endoscopy'.*trained on: skin_rgb"):
        fitted(FOUR).predict([sample("new", modality="polyp_endoscopy").query])


def test_rows_made_from_truth_cannot_be_called_as_methods_and_say_what_they_are():
    for row in (
        OracleRow(CeilingConfig()),
        ShuffledAnswerRow(ShuffledAnswerConfig()),
        OppositeAnswerRow(CeilingConfig()),
    ):
        assert isinstance(row, ReferenceRow) and not isinstance(row, Method)
        assert (row.labels.prompt_source, row.labels.text_source) == (PromptSource.TRUTH, TextSource.TRUTH)
    for row in (EmptyMaskRow(FloorConfig()), WholeImageRow(FloorConfig()), MeanMaskRow(MeanMaskConfig())):
        assert isinstance(row, Method) and not isinstance(row, ReferenceRow)
        assert (row.labels.prompt_source, row.labels.text_source) == (PromptSource.NONE, TextSource.CONSTANT)


def test_a_row_made_from_truth_cannot_be_relabelled():
    with pytest.raises(ValidationError):
        CeilingConfig(prompt_source="question")

"""Records and scores read one at a time are the ones that were written, or an error."""

import json
from math import inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.engine.store import record_files

values = st.one_of(st.floats(allow_infinity=False), st.just(nan))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(values, values), max_size=5))
def test_scores_come_back_to_the_last_bit(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("scores") / "scores.json"
    scores = [{"a": a, "b": b} for a, b in rows]
    record_files.write_scores(path, record_files.Scores(scores))
    assert repr(list(record_files.read_scores(path))) == repr(scores) == repr(record_files.read_scores(path)[:])


@pytest.mark.parametrize(
    "harm", ["", "[\n", "[\n{}\n{\n]\n", "[\n3\n]\n", '[\n{"a": 1, "b": 2},\n{"a": 1}\n]\n', '[\n{"a": "x"}\n]\n']
)
def test_damaged_scores_are_an_error_that_names_the_file(tmp_path, harm):
    path = tmp_path / "scores.json"
    path.write_text(harm)
    with pytest.raises(RunFolderError, match=r"scores.json is damaged|different metrics"):
        record_files.read_scores(path)


def test_scores_of_an_earlier_version_are_read(tmp_path):
    (tmp_path / "scores.json").write_text(json.dumps([{"a": 0.25, "b": None}, {"a": 1.0, "b": 2.0}], indent=1) + "\n")
    assert repr(list(record_files.read_scores(tmp_path / "scores.json"))) == repr([{"a": 0.25, "b": nan}, {"a": 1.0, "b": 2.0}])


def test_an_infinite_score_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        record_files.write_scores(tmp_path / "scores.json", [{"a": inf}])
    assert not list(tmp_path.iterdir())


def test_scores_of_other_metrics_are_refused():
    with pytest.raises(RunFolderError, match="expected 1, got 2"):
        record_files.Scores([{"a": 1.0}, {"a": 1.0, "b": nan}])
    assert isnan(record_files.Scores([{"a": nan}])[0]["a"])

"""The summary of a cell holds the same values as its records, on the disk and in memory."""

from __future__ import annotations

from dataclasses import replace
from math import fsum, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.summary import (
    STATUSES,
    STORED_METRICS,
    is_current,
    samples_from,
    summarise_cell,
    summary_from,
    to_bytes,
)
from prsbench.harness.contract.types import DataKind

METRICS = (*STORED_METRICS, "iou@0.5")
PLAIN = Record(
    "", "", "skin_rgb", DataKind.REAL, "ok", "", "", "", "", 4, 5, ("top left",), False, "top left", None, None, None, 0.0
)
CELLS = st.lists(
    st.tuples(st.sampled_from(STATUSES), st.booleans(), st.text(max_size=3), st.floats(0, 1) | st.just(nan)), max_size=12
)


def made(cell):
    """Records and scores of (status, whether the truth is empty, group, value)."""
    places = {True: (("no mask",), "no mask"), False: (("top left",), "top left")}
    records = [
        replace(PLAIN, sample_id=f"é{i}\n", group=group, status=status, error="boom\nat line 3" if status == "failed" else "",
                position=places[is_empty][0], position_of_centroid=places[is_empty][1])
        for i, (status, is_empty, group, _) in enumerate(cell)
    ]  # fmt: skip
    return records, [dict.fromkeys(METRICS, value) for *_, value in cell]


def test_summaries_on_disk_number_the_statuses_in_this_order():
    assert STATUSES == ("ok", "failed", "excluded")


@given(cell=CELLS)
def test_the_tally_of_a_metric_is_what_a_loop_over_the_records_counts(cell):
    summary, _ = summarise_cell(*made(cell))
    scored = [value for status, _, _, value in cell if status == "ok" and isfinite(value)]
    empty = [1 for status, no_mask, _, value in cell if (status == "excluded" or status == "ok" and no_mask and value != value)]
    for metric in METRICS if cell else ():
        mean, n_scored, n_empty, n_undefined = summary.tallies[metric]
        assert (n_scored, n_empty) == (len(scored), len(empty))
        assert n_scored + n_empty + n_undefined + summary.n_failed == summary.n_records == len(cell)
        assert mean == fsum(scored) / len(scored) if scored else mean != mean


@given(cell=CELLS)
def test_what_is_read_back_is_what_was_written_to_the_last_bit(cell):
    summary, samples = summarise_cell(*made(cell))
    data = to_bytes(summary, samples)
    again, columns = summary_from(data), samples_from(data)
    assert to_bytes(again, columns) == data
    assert (columns.names.ids, columns.names.groups) == (samples.names.ids, samples.names.groups)
    assert columns.outcomes.tobytes() == samples.outcomes.tobytes() and columns.facts.tobytes() == samples.facts.tobytes()


def test_the_error_shown_is_the_first_by_sample_id_and_its_first_line():
    records, scores = made([("ok", False, "a", 0.5), ("failed", False, "a", nan), ("failed", False, "a", nan)])
    assert summarise_cell(records, scores)[0].first_error == "é1\n: boom"


def test_a_file_of_a_version_that_stored_other_metrics_is_told_from_a_current_one(monkeypatch):
    cell = summarise_cell(*made([("ok", False, "a", 0.5)]))
    monkeypatch.setattr("prsbench.harness.contract.summary.STORED_METRICS", STORED_METRICS[1:])
    older = to_bytes(*cell)
    monkeypatch.undo()
    assert is_current(to_bytes(*cell)) and not is_current(older)


def test_two_cells_with_the_same_samples_share_their_names():
    files = [to_bytes(*summarise_cell(*made([("ok", False, "a", value)]))) for value in (0.1, 0.2)]
    first, second = map(samples_from, files)
    assert first.names is second.names and first.facts is second.facts


def test_records_and_scores_of_different_length_are_refused():
    records, scores = made([("ok", False, "a", 0.5)] * 2)
    with pytest.raises(ValueError, match="zip"):
        summarise_cell(records, scores[:1])

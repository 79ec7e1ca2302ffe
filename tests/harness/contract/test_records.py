"""A record survives its journey through JSON, whatever version wrote it."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from prsbench.harness.contract.records import MapMeasures, Record
from prsbench.harness.contract.types import DataKind, Point
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps

MEASURES = MapMeasures(0.5, 0.25, nan, 1.0, 3.5, 0.0, (0.75, 0.0), 3)


@pytest.fixture
def record():
    probability, truth = np.random.default_rng(0).random((9, 11), np.float32), np.eye(9, 11, dtype=bool)
    return Record(
        "s", "g", "skin_rgb", DataKind.SYNTHETIC, "ok", "", "Where?", "top left", "left", 9, 11, ("top left",), False,
        "top left", Point(-0.1, -0.2), None, count_maps(grey_maps(probability), truth), 0.5, measures=MEASURES,
    )  # fmt: skip


def test_measures_keep_every_digit_and_what_is_undefined(record):
    there = Record.from_json(record.to_json())
    assert repr(there.measures) == repr(MEASURES) and isnan(there.measures.weighted_f_pranet)
    assert there.to_json() == record.to_json()


def test_the_family_of_a_question_is_stored_only_if_it_is_not_the_official_one(record):
    assert "family" not in record.to_json() and Record.from_json(record.to_json()).family == "where"
    assert Record.from_json(replace(record, family="count").to_json()).family == "count"


def test_a_record_written_before_measures_were_stored_is_read_without_them(record):
    old = record.to_json()
    del old["measures"]
    assert Record.from_json(old).measures is None

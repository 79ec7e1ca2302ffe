from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from prsbench.datasets.official_reader import open_root
from prsbench.harness.contract.types import PromptSource
from prsbench.harness.engine.worker.prediction import NO_POINT, NoPrediction, query_of


def cell_told(source):
    return SimpleNamespace(config={"prompt_source": source, "box_jitter_fraction": 0.1}, seed=0)


def sample_of(data_root):
    return open_root(data_root)[0].samples("test")[0]


def test_a_row_told_a_point_gets_one_inside_the_truth_and_no_box(data_root):
    sample = sample_of(data_root)
    query = query_of(sample, cell_told(PromptSource.ORACLE_POINT))
    x, y = query.point
    assert sample.truth.mask[int(y), int(x)] and query.box is None
    assert query_of(sample, cell_told(PromptSource.ORACLE_BOX)).point is None
    assert query_of(sample, cell_told(PromptSource.QUESTION)).point is None


def test_an_empty_truth_has_no_point_and_is_left_out_with_the_reason(data_root):
    sample = sample_of(data_root)
    empty = replace(sample, truth=replace(sample.truth, mask=np.zeros_like(sample.truth.mask)))
    assert query_of(empty, cell_told(PromptSource.ORACLE_POINT)) == NoPrediction("excluded", NO_POINT)

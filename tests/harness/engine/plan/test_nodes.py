"""The folder of a node fits a file system, whatever its row is called."""

import pytest
from prsbench.harness.engine.plan.nodes import CellNode


def cell(method, key="0123456789abcdef"):
    facts = {"factory": "", "config_type": "", "config": {}, "seed": 0, "modality": "", "data_kind": "", "split": "test"}
    return CellNode(key=key, method=method, dataset="brain_tumors_ct_scan", n_manifest=1, training=None, origin={}, **facts)


@pytest.mark.parametrize("name", ["x" * 5000, "é" * 500, "../" * 300 + "my.py:Mine", "a/" * 500, "😀" * 200])
def test_a_long_name_is_cut_to_fit_and_its_key_tells_it_from_others(name):
    folder = cell(name).folder
    assert len(folder.encode()) < 200 and "/" not in folder
    assert folder != cell(name, key="f" * 16).folder


def test_a_short_name_is_kept_whole():
    assert cell("./mine/net.py:Net@width=3").folder == "mine-net.py:Net@width=3--brain_tumors_ct_scan--s0-0123456789ab"

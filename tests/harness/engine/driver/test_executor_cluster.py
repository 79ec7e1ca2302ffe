"""A Ray cluster of two nodes on this machine, one of which is lost at work."""

import pytest
from engine_driver import Driver, cluster_of, slowly
from prsbench.harness.engine.store.run_folder import NodeFolder

METHODS = ["bright", {"trained": {"fit_seconds": 0.3}}, "jittered", "echo"]


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    with cluster_of(monkeypatch, tmp_path, num_cpus=1) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_grid_outlives_the_loss_of_a_node_and_ends_in_the_same_numbers(cluster, data_root, tmp_path):
    expected = Driver(data_root, tmp_path / "calm", slowly(METHODS)).finish()
    lost = cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
    driver = Driver(data_root, tmp_path / "run", slowly(METHODS, 0.05))
    process = driver.start("ray", PRSBENCH_TEST_ADDRESS=cluster.address, PRSBENCH_TEST_WORKERS='"auto"')
    driver.wait_for_work(8, process)
    assert process.poll() is None, "the node is lost while there is work"
    cluster.remove_node(lost, allow_graceful=False)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert driver.out.read_text() and driver.finish() == expected
    assert "by 3 workers" in said, "as many jobs at a time as the cluster had cores, whatever this machine has"
    attempts = [attempt for path in (driver.folder / "cells").iterdir() for attempt in NodeFolder(path).attempts]
    kinds = {attempt["reason"] for attempt in attempts if attempt["kind"] != "done"}
    assert kinds <= {"worker death"}, "what the node took along was tried again"

"""Where jobs run on a machine with four GPUs. They are pretended: Ray hands out their numbers, and nothing computes on them."""

from collections import defaultdict
from dataclasses import replace
from itertools import combinations

import pytest
from engine_driver import cluster_of
from prsbench.harness.contract.catalog import Catalog
from prsbench.harness.engine.driver import schedule
from prsbench.harness.engine.driver.executor import MOST_ON_A_GPU, share_of_gpu
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.store.run_folder import RunFolder

GPUS = 4


@pytest.fixture
def address(monkeypatch, tmp_path):
    """A Ray node that says it has four GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with cluster_of(monkeypatch, tmp_path, num_cpus=6, num_gpus=GPUS) as cluster:
        yield cluster.address


def rows(stand_ins, **gib):
    """A registry with a row for each of these, which needs so much GPU memory."""
    base = stand_ins.entry("placed", "stand_in_gpus:Placed", "stand_in_methods:StandInConfig")
    made = [replace(base, name=name, defaults={"name": name}, gpu_gib=amount, memory_gib=0.1) for name, amount in gib.items()]
    return replace(stand_ins.REGISTRY, methods=Catalog("method", made))


@pytest.mark.slow
def test_no_job_runs_on_another_jobs_gpu_and_rows_without_one_see_none(stand_ins, address, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "LEAST_SAMPLES", 4)
    data = stand_ins.write_data(tmp_path / "data", ("skin_rgbimage",), (("train", 2), ("val", 2), ("test", 12)))
    gib = {"large": 24.0, "larger": 40.0, "small": 4.0, "floor": 0.0}
    grid = stand_ins.make_grid(data, [{n: {"seconds_per_sample": 0.03}} for n in gib], workers="auto", device="auto")
    grid = grid.model_copy(update={"execution": grid.execution.model_copy(update={"gpu_gib": 16.0})})
    said = []
    run = run_grid(grid, rows(stand_ins, **gib), RunFolder(tmp_path / "run"), said.append, "ray", address=address)
    assert run.status == "complete", said
    placed = [line.split()[1:] for line in (tmp_path / "run.log").read_text().splitlines() if line.startswith("placed")]
    assert len(placed) == len(gib) * 6, "each batch once"
    wrong = [place for place in placed if place[2] != place[3]]
    assert not wrong, f"{len(wrong)} of {len(placed)} batches in a process that began on another GPU"
    assert {devices for name, _, _, devices, *_ in placed if name == "floor"} == {"-"}
    assert {devices for name, _, _, devices, *_ in placed if name != "floor"} == set(map(str, range(GPUS))), "one GPU, and all"
    assert len({(name, devices) for name, _, _, devices, *_ in placed if name in ("large", "larger")}) > 2, "a cell is cut"
    spans = defaultdict(list)  # by GPU: (row, process, first batch's beginning, last one's end)
    for name, pid in {(name, pid) for name, pid, *_ in placed if name != "floor"}:
        mine = [place for place in placed if place[:2] == [name, pid]]
        begins, ends = min(float(place[4]) for place in mine), max(float(place[5]) for place in mine)
        spans[mine[0][3]].append((name, pid, begins, ends))
    for first, second in (pair for on_one in spans.values() for pair in combinations(on_one, 2)):
        together = first[2] < second[3] and second[2] < first[3]
        assert not together or first[0] == second[0] == "small", "a large row has its GPU for itself"


@pytest.mark.parametrize(
    ("gib", "gpu_gib", "share"),
    [(0, 80, 0), (0, None, 0), (4, None, 1), (24, 80, 1), (24, 16, 1), (4, 80, 1 / MOST_ON_A_GPU), (8, 24, 1 / 3), (8, 12, 1)],
)
def test_a_row_has_the_share_of_a_gpu_that_its_memory_needs_and_a_whole_one_if_the_gpus_memory_is_not_known(gib, gpu_gib, share):
    assert share_of_gpu(gib, gpu_gib) == share

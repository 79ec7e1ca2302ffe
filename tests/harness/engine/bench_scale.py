"""The engine with very many cells: python tests/harness/engine/bench_scale.py [cells] [records].

The cells are not computed: one finished cell's files are linked into the folder of each, under a seal of its own. What is timed
is what a user waits for: planning a new grid, planning it again when it is finished, its status, running it again and its
report. Peaks are of the whole process so far: run it with 1000 cells and with 10000 to see how flat they are.
"""

import os
import resource
import sys
import tempfile
import time
import tracemalloc
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

sys.path[:] = [str(Path(__file__).parent / "stand_ins"), *sys.path[1:]]

import engine_stand_ins as stand_ins  # noqa: E402  # in this folder
from prsbench.datasets.official_table import MODALITY_OF_FOLDER  # noqa: E402
from prsbench.harness.contract.files import file_hash  # noqa: E402
from prsbench.harness.engine.driver.forecast import planned_lines  # noqa: E402
from prsbench.harness.engine.driver.run import _write_description, plan_run, run_grid  # noqa: E402
from prsbench.harness.engine.inspect.results import results  # noqa: E402
from prsbench.harness.engine.inspect.state import RunStatus, open_run, stored_cells  # noqa: E402
from prsbench.harness.engine.inspect.status import status_lines  # noqa: E402
from prsbench.harness.engine.store import cell_folder  # noqa: E402
from prsbench.harness.engine.store.run_folder import RunFolder  # noqa: E402
from prsbench.harness.report.writer import write_report  # noqa: E402

SEEDS = 10


def timed(what, n_cells, work):
    began, cpu_before = time.perf_counter(), time.process_time()
    result = work()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu_before
    a_cell = f"{took / n_cells * 1e6:.0f} us a cell"
    print(f"{what}: {took:.2f} s ({cpu:.2f} s of CPU), {a_cell}, peak {peak_mib():.0f} MiB", flush=True)
    return result


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fill(run, finished):
    """Give every cell of the plan the files of a finished one."""
    for stored in stored_cells(run.plan.cells, run.setting):
        folder = stored.folder.path
        folder.mkdir(parents=True, exist_ok=True)
        kept = ("predictions.jsonl", "maps.bin", "records.jsonl", "measured.json", "scores.json", "summary.bin")
        for name in (*kept, "attempts.json"):
            if not (folder / name).exists():
                os.link(finished / name, folder / name)
        known = cell_folder.CellFolder(finished)
        stored.folder.write(cell_folder.CELL, {**known.read(cell_folder.CELL), "node": asdict(stored.node)})
        of_cell = file_hash(folder / cell_folder.CELL), (folder / cell_folder.CELL).stat().st_size
        seal = known.read("sealed.json")
        files = {**seal["files"], cell_folder.CELL: dict(zip(("sha256", "bytes"), of_cell, strict=True), changed_ns=0)}
        stored.folder.write("sealed.json", {**seal, "files": files})
        stored.folder.write(cell_folder.SCORED, {**known.read(cell_folder.SCORED), "identity": stored.scores_wanted})


def say_what_breaks(finished, folder, n_cells):
    """Each thing that grows with the cells, here and for a million of them."""
    factor = 1e6 / n_cells
    files = len(list(finished.iterdir())) + 1  # of the one cell that was computed: the others lack what nobody reads
    began = time.perf_counter()
    n_listed = sum(1 for _ in os.scandir(folder.path / "cells"))
    listing = time.perf_counter() - began
    described = folder.description.stat().st_size / 2**20
    with tracked() as held:
        plan = open_run(folder.path)
    del plan
    print(f"a million cells, from {n_cells} (linear):")
    print(
        f"  inodes: {files} a cell, {files} million: ext4 has one for 16 KiB, so a disk under {files * 16384 / 1e3:.0f} GB fails"
    )
    print(f"  run.json: {described:.1f} MiB here, {described * factor / 1024:.1f} GiB, written twice a run")
    print(f"  plan in memory: {held[0]:.0f} MiB here, {held[0] * factor / 1024:.1f} GiB in the driver: mostly the first to break")
    print(f"  listing cells/: {n_listed} names in {listing:.3f} s here, {listing * factor:.0f} s")
    print("  journals are of one cell, and Ray is given as many tasks as there are workers: neither grows")


@contextmanager
def tracked():
    """MiB of Python objects made in the block and still held at its end."""
    held = [0.0]
    tracemalloc.start()
    yield held
    held[0] = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()


def main(n_cells, n_records):
    with tempfile.TemporaryDirectory() as place:
        folders = tuple(MODALITY_OF_FOLDER)
        root = stand_ins.write_data(Path(place) / "data", folders, (("train", 4), ("val", 2), ("test", n_records)))
        folder = RunFolder(Path(place) / "run")
        one = stand_ins.make_grid(root, ["bright"], more={"include": [{"dataset": folders[0]}]})
        first = timed("data checked, one cell computed", 1, lambda: run_grid(one, stand_ins.REGISTRY, folder, str, "serial"))
        finished = folder.cell(first.plan.cells[0].folder)
        variants = [f"v{number}" for number in range(-(-n_cells // (SEEDS * len(folders))))]
        sweep = {"sweeps": [{"method": "bright", "over": {"secret": variants}}]}
        grid = stand_ins.make_grid(root, ["bright"], range(SEEDS), more=sweep)

        def planned():
            run = plan_run(grid, stand_ins.REGISTRY, folder, str)
            return run, list(planned_lines(run, workers=2))[-2:]

        run, said = timed("plan, nothing there", n_cells, planned)
        print(f"  {len(run.plan.cells)} cells: {said[0]}")
        assert run.setting.digest(run.plan.text_models_key), "the judges' training was made with the first cell"
        fill(run, finished)
        _write_description(run, grid, folder, RunStatus.COMPLETE)
        print(f"  run.json {folder.description.stat().st_size / 2**20:.1f} MiB")
        _, said = timed("plan, all finished", n_cells, planned)
        print(f"  {said[0]}")
        lines = timed("open the run folder and say its status", n_cells, lambda: list(status_lines(open_run(folder.path))))
        print(f"  {lines[-2]}; {lines[-1]}")
        again = timed("run again, nothing to compute", n_cells, lambda: run_grid(grid, stand_ins.REGISTRY, folder, str, "serial"))
        assert again.status == "complete"
        written = timed("report", n_cells, lambda: write_report(results(open_run(folder.path)), folder.path, lambda *_: None))
        print(f"  {len(written)} files, {sum(path.stat().st_size for path in written) / 2**20:.1f} MiB")
        say_what_breaks(finished, folder, n_cells)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:] or ("10000", "1000")))

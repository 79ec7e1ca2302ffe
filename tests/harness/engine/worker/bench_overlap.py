"""How busy a model is kept: python tests/harness/engine/worker/bench_overlap.py [samples] [seconds a sample].

A method that sleeps stands in for a model on a GPU, in a real run on drawn images of 1024 px. It is busy while it sleeps; the
time runs from the start of its first batch to the end of its last. In turn, as on a CPU, and with decoding and storing beside it.
Printed too: CPU seconds a sample of all that the engine does, and the bytes on disk. On a machine busy with other work the model
waits for cores: compare the CPU seconds with the seconds a sample.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

HERE = Path(__file__).parent
sys.path[:] = [str(HERE), str(HERE.parent / "stand_ins"), *sys.path[1:]]

import engine_stand_ins as stand_ins  # noqa: E402  # in the folder of stand-ins
from prsbench.harness.contract.catalog import Catalog  # noqa: E402
from prsbench.harness.contract.types import Prediction  # noqa: E402
from prsbench.harness.engine.driver.run import run_grid  # noqa: E402
from prsbench.harness.engine.store.run_folder import RunFolder  # noqa: E402
from prsbench.harness.engine.worker import measuring, prediction  # noqa: E402
from prsbench.harness.engine.worker.overlap import Overlap  # noqa: E402
from stand_in_methods import Bright  # noqa: E402

SIDE, BATCH = 1024, 4


class Sleeping(Bright):
    """Waits, then answers with a smooth map."""

    spans: list[tuple[float, float]] = []  # of each call, start and end
    cpu_s: list[float] = []  # of the process, at the end of each call
    _maps: list[np.ndarray] = []

    def load(self, folder, device):
        rng = np.random.default_rng(0)
        rows, cols = np.mgrid[:SIDE, :SIDE]
        for _ in range(4):
            y, x = rng.uniform(300, 700, 2)
            logits = 6 - 12 * np.hypot((rows - y) / 200, (cols - x) / 260) + 3 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 9)
            self._maps.append((1 / (1 + np.exp(-logits.clip(-40, 40)))).astype(np.float32))

    def predict(self, queries):
        began = time.monotonic()
        time.sleep(self.config.seconds_per_sample * len(queries))
        self.spans.append((began, time.monotonic()))
        self.cpu_s.append(time.process_time())
        return [
            Prediction(self._maps[number % 4], f"The lesion is at the left of {query.sample_id}.", self.config.seconds_per_sample)
            for number, query in enumerate(queries)
        ]


def draw(root: Path, count: int) -> Path:
    """A data set of 1024 px of few pictures, with one pixel changed in each image."""
    stand_ins.write_data(root, ("skin_rgbimage",), (("train", 1), ("val", 1), ("test", count)))
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    mask = np.hypot((rows - 500) / 200, (cols - 450) / 260) < 1
    image = (gaussian_filter(rng.normal(size=(SIDE, SIDE, 3)), (2, 2, 0)) * 300 + 90 + 60 * mask[..., None]).clip(0, 255)
    for path in sorted(root.glob("skin_rgbimage/*/*.png")):
        if path.parent.name.endswith("masks"):
            Image.fromarray((mask * 255).astype(np.uint8)).save(path)
        else:
            image[0, 0] = rng.integers(0, 256, 3)
            Image.fromarray(image.astype(np.uint8)).save(path, compress_level=1)
    return root


def main(count: int, seconds: float) -> None:
    import bench_overlap  # this file, as the engine imports it

    entry = stand_ins.entry("sleeping", "bench_overlap:Sleeping", "stand_in_methods:StandInConfig")
    registry = replace(stand_ins.REGISTRY, methods=Catalog("method", [replace(entry, shares="")]))
    method = {"sleeping": {"seconds_per_sample": seconds, "batch_size": BATCH}}
    measure = measuring.measure_maps
    spent: list[float] = []

    def timed(*given):
        began = time.process_time()
        result = measure(*given)
        spent.append(time.process_time() - began)
        return result

    measuring.measure_maps = timed
    with tempfile.TemporaryDirectory() as folder:
        grid = stand_ins.make_grid(draw(Path(folder) / "data", count), [method], workers=1)
        print(f"{count} samples of {SIDE} px, {seconds:g} s each, batches of {BATCH}; load {os.getloadavg()[0]:.1f}")
        seen = []
        for name, device in (("in turn", "cpu"), ("beside", "cuda")):
            Sleeping = bench_overlap.Sleeping
            Sleeping.spans.clear()
            Sleeping.cpu_s.clear()
            prediction.Overlap = lambda *_, device=device: Overlap(device, 2)
            run = run_grid(grid, registry, RunFolder(Path(folder) / name.replace(" ", "-")), str, "serial")
            whole = Sleeping.spans[-1][1] - Sleeping.spans[0][0]
            busy = sum(end - begin for begin, end in Sleeping.spans) / whole
            cpu_s = (Sleeping.cpu_s[-1] - Sleeping.cpu_s[0]) / (count - BATCH)
            (cell,) = run.plan.cells
            maps = run.setting.run.cell(cell.folder) / "maps.bin"
            journal = maps.with_name("predictions.jsonl")
            disk = f"{maps.stat().st_size / count / 1024:.0f} + {journal.stat().st_size / count / 1024:.1f} KiB a sample on disk"
            print(f"{name:8s} busy {busy:6.1%}, {cpu_s * 1e3:4.0f} ms of CPU a sample; maps and journal {disk}", flush=True)
            seen.append((maps.read_bytes(), stand_ins.numbers(run)))
        print(f"measuring, in another job on a GPU machine: {np.mean(spent) * 1e3:.0f} ms of CPU a sample")
        print("maps and numbers are the same" if seen[0] == seen[1] else "MAPS OR NUMBERS DIFFER")


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["100"])[0]), float((sys.argv[2:] or ["0.1"])[0]))

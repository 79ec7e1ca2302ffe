"""Data of the official size, drawn at 64 px: python tests/datasets/bench_scale.py [images [px]].

38,730 images with three questions each, in six modalities of the official layout, in tables whose rows are shuffled. Each figure
is of a process of its own, with its children: seconds of CPU (which other work on the machine hardly changes), of the clock, and
the most memory that one process held. A target stands beside the figure it is for. Of such small images, the tables take a third
of the first check, in one process; of larger ones, decoding takes most, in all.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from prsbench.datasets import official_reader
from prsbench.harness.contract.modalities import ALL
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.plan.data import manifest_hash, open_checked, open_for_job
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.methods.reference.ceilings import ShuffledAnswerRow
from prsbench.methods.reference.config import ShuffledAnswerConfig

SIDE = int(os.environ.get("BENCH_PX", "64"))
QUESTIONS, SHARES = 3, {"train": 0.7, "val": 0.1, "test": 0.2}
MIB = 2**20


def draw(root, n_images):
    """A white ellipse on coarse noise, a picture like no other; skin images are named as ISIC's are."""
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:SIDE, :SIDE]
    for modality in ALL:
        folder, rows = modality.official_folder, []
        splits = [split for split, share in SHARES.items() for _ in range(round(share * n_images / len(ALL)))]
        for number, split in enumerate(splits):
            isic = folder.startswith("skin")
            stem = f"ISIC_{number:07d}" if isic else f"{number:05d}"
            image, mask = stem + (".jpg" if isic else ".png"), stem + ("_Segmentation.png" if isic else ".png")
            (y, x), (height, width) = rng.integers(8, SIDE - 8, 2), rng.integers(3, 8, 2)
            inside = ((down - y) / height) ** 2 + ((right - x) / width) ** 2 <= 1
            noise = rng.integers(0, 200, (4, 4, 3), dtype=np.uint8).repeat(SIDE // 4, 0).repeat(SIDE // 4, 1)
            for kind, name, pixels in (("images", image, np.where(inside[..., None], 255, noise)), ("masks", mask, inside * 255)):
                place = root / folder / f"{split}_{kind}"
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(place / name, compress_level=1)  # of PNG
            where = f"{'top' if y < SIDE / 2 else 'bottom'} {'left' if x < SIDE / 2 else 'right'}"
            for question in range(QUESTIONS):
                asked = f"Question {question}: where is the {modality.target} of image {number}?"
                answer = f"The {modality.target} is in the {where}, in wording {question}."
                rows.append((f"{folder}/{split}_masks/{mask}", image, split, asked, where, answer))
        with (root / f"{folder}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("image_path", "image_name", "split", "question", "position", "answer"))
            writer.writerows(rows[k] for k in rng.permutation(len(rows)))


def check(root, run, trust):
    """What `plan` does with the data: open, check and hash."""
    data = {"source": "prs_med", "root": str(root)}
    grid = GridConfig.model_validate({"name": "x", "data": [data], "methods": ["oracle"], "execution": {"trust_mtime": trust}})
    checked, _ = open_checked([root], grid, run, lambda _: None)
    assert len(checked.usable) == len(ALL)
    for dataset in checked.usable:
        for split in dataset.splits:
            manifest_hash(dataset, split)


def ready(root, run):
    """What a job does before its first prediction, without imports."""
    began = time.process_time()
    dataset = open_for_job([root], run, {"lung_CT"})["lung_CT"]
    assert dataset.sample_ids("test") and dataset.answers("test") and dataset.samples("test")[0]
    print(f"    a worker is ready to predict after {time.process_time() - began:.2f} CPU s without imports (target <= 1)")


def truth(root, run):
    """The row that shuffles answers, batch by batch over a whole split."""
    decoded, read = [], official_reader.read_image
    official_reader.read_image = lambda path: decoded.append(path) or read(path)
    dataset = open_for_job([root], run, {"lung_CT"})["lung_CT"]
    samples, answers, row = dataset.samples("test"), dataset.answers("test"), ShuffledAnswerRow(ShuffledAnswerConfig())
    before = resident()
    for start in range(0, len(samples), 8):
        row.predict_from_truth(list(samples[start : start + 8]), answers)
    grown, masks = resident() - before, len(samples) * SIDE**2 * 4 / MIB
    print(f"    {len(samples)} samples of the truth: {grown:.0f} MiB more than at the start; their maps take {masks:.0f}")
    print(f"    {len(decoded) / (len(samples) / QUESTIONS):.2f} decodings an image of {QUESTIONS} questions (target 1)")


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


STEPS = {
    "draw": lambda root, run: draw(root, int(run.path.name)),
    "check": lambda root, run: check(root, run, True),
    "hash": lambda root, run: check(root, run, False),
    "ready": ready,
    "truth": truth,
}


def step(what, name, root, run, cores=None):
    """Run a step in a process of its own and print what it took; returns its seconds by the clock."""
    limit = {"LOKY_MAX_CPU_COUNT": str(cores)} if cores else {}
    cache = {"XDG_CACHE_HOME": str(root.parent / "cache" / run.name), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, name, str(root), str(run)], env={**os.environ, **limit, **cache})
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    assert status == 0, f"{name} failed"
    print(f"{what}: {usage.ru_utime + usage.ru_stime:.1f} CPU s, {took:.1f} s, peak {usage.ru_maxrss / 1024:.0f} MiB", flush=True)
    return took


def main(n_images):
    with tempfile.TemporaryDirectory() as place:
        root, run, one = Path(place, "data"), Path(place, "run"), Path(place, "one")
        root.mkdir()
        step(f"draw {n_images} images", "draw", root, Path(place, str(n_images)))
        alone = step("first check in 1 process", "check", root, one, cores=1)
        cores = len(os.sched_getaffinity(0))
        together = step(f"first check in {cores} processes", "check", root, run)
        print(f"    {alone / together:.2f} times as fast (target: near {cores}, where as many cores are free)")
        step("second check (targets <= 10 CPU s, <= 500 MiB)", "check", root, run)
        step("check without trust in times", "hash", root, run)
        step("a worker, with its imports", "ready", root, run)
        step("a row that sees the truth", "truth", root, run)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        STEPS[sys.argv[1]](Path(sys.argv[2]), RunFolder(Path(sys.argv[3])))
    else:
        os.environ["BENCH_PX"] = sys.argv[2] if sys.argv[2:] else "64"
        main(int(sys.argv[1]) if sys.argv[1:] else 38730)

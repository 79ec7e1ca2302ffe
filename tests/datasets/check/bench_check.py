"""Times `data check` on drawn pictures in the official layout: bench_check.py [pictures [processes]].

The target is 38,731 pictures in ten minutes on two cores, with memory that does not grow with the size of the pictures. One
picture in a hundred is a mirrored copy of an earlier one in another split, and all of them must be found.
"""

from __future__ import annotations

import csv
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from prsbench.datasets.check.check import check_root
from prsbench.datasets.processes import end_processes

OFFICIAL = 38_731
SIDE, FOLDER = 256, "skin_rgbimage"
COPY_EVERY = 100


def draw(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    layers = [Image.fromarray(rng.integers(0, 256, (n, n, 3), np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
              for n in (4, 12, 40)]  # fmt: skip
    return Image.fromarray(np.mean([np.asarray(layer, np.float32) for layer in layers], axis=0).astype(np.uint8))


def write(root: Path, count: int) -> None:
    rows = []
    for number in range(count):
        split = ("train", "train", "val", "test")[number % 4]
        is_copy = number % COPY_EVERY == COPY_EVERY - 1
        image = draw(number - 2).transpose(Image.Transpose.FLIP_LEFT_RIGHT) if is_copy else draw(number)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[40 : 60 + number % 30, 30 : 70 + number // 30 % 40] = 255
        for kind, picture in (("images", image), ("masks", Image.fromarray(mask))):
            folder = root / FOLDER / f"{split}_{kind}"
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / f"{number:06}x.png", compress_level=1)
        rows.append([f"{FOLDER}/{split}_masks/{number:06}x.png", f"{number:06}x.png", split, "Where?", "", "It is there"])
    with (root / f"{FOLDER}.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["image_path", "image_name", "split", "question", "position", "answer"], *rows])


def used() -> tuple[float, float]:
    """CPU seconds of this process and its children, and the most memory that one of them held, in MiB."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage), max(one.ru_maxrss for one in usage) / 1024


def main(count: int, processes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), count)
        before, start = used()[0], time.monotonic()
        checked = check_root(Path(folder), processes)
        end_processes()  # the work of a child counts when it has ended
        seconds, (cpu, memory) = time.monotonic() - start, used()
    found = sum(finding.check == "alike_across" for finding in checked.findings)
    each = (cpu - before) / count
    print(f"{count} pictures of {SIDE} px, {processes} processes: {seconds:.0f} s")
    print(f"CPU seconds: {cpu - before:.0f}, {each * 1e3:.1f} ms for each picture")
    print(f"{OFFICIAL} at this rate on two cores: {each * OFFICIAL / 120:.1f} minutes (target 10)")
    print(f"most memory of one process: {memory:.0f} MiB")
    print(f"mirrored copies found: {found} of {count // COPY_EVERY} (target all)")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*(arguments + [2000, 2][len(arguments) :]))

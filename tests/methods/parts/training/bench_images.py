"""Memory of a training at 1024 px by number of images: python tests/methods/parts/training/bench_images.py [steps] [images ...].

Each number is a process of its own, that prepares the images as CG-Reasoner does and reads `steps` steps of four images as its
training does, with the same loop, views and batches; the network is one convolution, so that what is measured is the images. The
samples are four pictures in memory under many ids, as 30,000 files of 1024 px take 60 GB; nothing is decoded from files.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np
import torch
from prsbench.harness.contract.position import position_of, position_phrase, zone_of_centroid
from prsbench.harness.contract.types import DataKind, FitContext, Query, Sample, Truth
from prsbench.methods.cg_reasoner import training
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.parts.training import images as images_module
from prsbench.methods.parts.training.augmentation import prepare
from prsbench.methods.parts.training.images import read_ahead
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step
from prsbench.methods.parts.training.schedule import cosine

SIDE, BATCH, QUESTIONS = 1024, 4, 3


class Drawn:
    """Samples of 1024 px, three questions an image, made on access."""

    def __init__(self, count: int):
        self._count = count
        rng = np.random.default_rng(0)
        rows, cols = np.mgrid[:SIDE, :SIDE]
        self._drawn = []
        for _ in range(4):
            y, x, radius = rng.uniform(300, 700, 2).tolist() + [rng.uniform(60, 200)]
            mask = (rows - y) ** 2 + 0.5 * (cols - x) ** 2 < radius**2
            image = rng.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
            image[mask] += 100
            position, near = position_of(mask, "skin_rgb")
            answer = f"The lesion is at the {position_phrase(position, near)}."
            self._drawn.append((image, Truth(mask, answer, position, near, zone_of_centroid(mask))))

    def __len__(self) -> int:
        return self._count * QUESTIONS

    def __getitem__(self, number: int) -> Sample:
        image, truth = self._drawn[number // QUESTIONS % 4]
        query = Query(f"skin_rgb/{number // QUESTIONS}#{number}", image, f"Where is lesion {number}?", "skin_rgb")
        return Sample(query, truth, str(number), "train", DataKind.SYNTHETIC)


def mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int, steps: int) -> None:
    samples, before, began = Drawn(count), mib(), time.process_time()
    images = prepare(samples, SIDE)
    prepared, prepared_s = mib(), time.process_time() - began
    config = CGReasonerConfig(image_size_px=SIDE, batch_size=BATCH)
    network = torch.nn.Conv2d(3, 1, 3, stride=8, padding=1)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    loop = Loop(network, optimizer, cosine(optimizer, steps, 1, 0.1), steps, FitContext(0, "cpu"))

    def sample_step() -> Step:
        chosen = [images[i] for i in loop.numbers(len(images), BATCH)]
        read_ahead(images[i][0] for i in loop.soon)
        batch = training.collate(training.augment(chosen, config, loop.rng), 8, "cpu", with_reference=False)
        target = torch.nn.functional.avg_pool2d(batch.mask_B1SS, 8)
        return Step([MicroBatch(lambda: {"loss": (network(batch.image_B3SS) - target).square().mean()}, {})], [])

    began = time.process_time()
    loop.run(sample_step, lambda terms: terms["loss"])
    step_s = (time.process_time() - began) / steps
    kept = images_module.IN_MEMORY_BYTES / 2**20
    memory = f"peak {mib():.0f} MiB ({before:.0f} before, {prepared:.0f} prepared)"
    print(
        f"{count:6d} images, at most {kept:.0f} MiB of pixels kept: {memory}; "
        f"all in memory would be {count * 4 * SIDE**2 / 2**20:.0f} MiB. CPU: {prepared_s / count * 1e3:.1f} ms an image, "
        f"{step_s:.2f} s a step; loss {loop.history[-1]['loss']:.9f}",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        images_module.IN_MEMORY_BYTES = int(sys.argv[4]) * 2**20
        measure(int(sys.argv[2]), int(sys.argv[3]))
    else:
        steps, *counts = [int(argument) for argument in sys.argv[1:]] or [50]
        for count in counts or [1000, 30000]:
            for kept_mib in (images_module.IN_MEMORY_BYTES // 2**20, 64):
                subprocess.run([sys.executable, __file__, "--one", str(count), str(steps), str(kept_mib)], check=True)

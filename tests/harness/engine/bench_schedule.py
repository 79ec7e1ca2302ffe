"""The schedule at the official size, simulated: python tests/harness/engine/bench_schedule.py.

15 methods predict 116,193 questions about 38,731 images in six data sets of unequal size, on one machine with 8 GPUs and 64
cores. The jobs, their shards and their order are the engine's; only time is pretended. Jobs that share a GPU share its speed;
a process loads its model once. The engine knows neither seconds nor load times, only the GPU memory that a row declares.

Printed: hours from the first job to the last, beside the ideal (all work, without loading, spread evenly over the GPUs), for
cells cut as the engine does and for whole cells; then the worst of many draws in which seconds have nothing to do with memory.
"""

import random
import sys
import tempfile
from pathlib import Path

sys.path[:] = sys.path[1:]

from prsbench.harness.engine.driver import schedule  # noqa: E402
from prsbench.harness.engine.driver.executor import share_of_gpu  # noqa: E402
from prsbench.harness.engine.plan.nodes import CellNode, Plan  # noqa: E402
from prsbench.harness.engine.worker.job import Work  # noqa: E402
from prsbench.harness.engine.worker.setting import Setting  # noqa: E402
from prsbench.methods.catalog import METHODS  # noqa: E402

TARGET, GPUS, CORES, GPU_GIB, QUESTIONS = 1.10, 8, 64, 80.0, 3
IMAGES = {"lung_xray": 21_165, "lung_ct": 7_780, "skin_rgb": 3_694, "brain_mri": 3_064, "polyp": 2_248, "breast_us": 780}
METHOD_S = {  # seconds a sample on a GPU, seconds to load: rough, as of an 80 GB GPU at 1024 px
    "lisa_7b": (1.2, 60),
    "lisa_13b": (2.0, 100),
    "pixellm_7b": (1.1, 60),
    "prs_med_official": (1.5, 60),
    "cg_reasoner_checkpoint": (1.5, 60),
    "grounding_dino_sam_med2d": (0.15, 15),
    "biomedparse": (0.12, 15),
    "sam_oracle_box": (0.12, 10),
    "medsam_oracle_box": (0.08, 10),
    "sam_med2d_oracle_box": (0.04, 10),
    "mobile_sam_oracle_box": (0.03, 10),
    "tiny_sam_oracle_box": (0.03, 10),
    "unet": (0.01, 10),
    "nnunet": (0.01, 10),
    "swin_unet": (0.02, 10),
}
MEASURE_S = 0.03  # of a sample, on one core


def cells():
    for method in METHOD_S:
        for dataset, images in IMAGES.items():
            names = (f"{method}/{dataset}", method, METHODS[method].factory, "", {"batch_size": 8, "row": method})
            facts = (0, dataset, dataset, "real", "test", images * QUESTIONS, None, {})
            yield CellNode(*names, *facts, gpu_gib=METHODS[method].gpu_gib)


def simulated(jobs, seconds):
    """Hours until the last job has ended, and how often a model was loaded."""
    waiting, running, now, loads = schedule.Waiting(jobs), [], 0.0, 0
    held = [0.0] * GPUS  # shares that running jobs hold
    loaded = [[] for _ in range(GPUS)]  # models of processes that just became free, by GPU

    def place(share):
        return next((gpu for gpu in range(GPUS) if held[gpu] + share <= 1 + 1e-9), None)

    def fits(job):
        share = share_of_gpu(job.gpu_gib, GPU_GIB)
        return len(running) < CORES and (not share or place(share) is not None)

    last = None
    while len(waiting) or running:
        while job := waiting.take(fits, last):
            share = share_of_gpu(job.gpu_gib, GPU_GIB)
            gpu, n = None, sum(len(part) if part else cell.n_manifest for cell, part in job.shards)
            work = n * MEASURE_S
            if share:
                with_model = (g for g in range(GPUS) if job.model in loaded[g] and held[g] + share <= 1 + 1e-9)
                gpu = next(with_model, None)
                per_sample, load = seconds[job.cells[0].method]
                is_loaded = gpu is not None
                gpu = place(share) if gpu is None else gpu
                loads += not is_loaded
                work = n * per_sample + (0 if is_loaded else load)
                held[gpu] += share
            running.append([work, job, gpu, share])
        loaded = [[] for _ in range(GPUS)]  # idle processes end once all that is ready was offered to them
        on_gpu = [sum(other[2] == gpu for other in running) for gpu in range(GPUS)]
        speeds = [1 / on_gpu[gpu] if gpu is not None else 1.0 for _, _, gpu, _ in running]
        step = min(entry[0] / speed for entry, speed in zip(running, speeds, strict=True))
        now += step
        for entry, speed in zip(running, speeds, strict=True):
            entry[0] -= step * speed
        ended = min(running, key=lambda entry: entry[0])
        running.remove(ended)
        _, job, gpu, share = ended
        if gpu is not None:
            held[gpu] -= share
            loaded[gpu].append(job.model)
        waiting.ended(job)
        last = job.model
        for key in job.keys:
            waiting.done(key)
    return now / 3600, loads


def main():
    every, draw = tuple(cells()), random.Random(0)
    plan = Plan("", {}, every, "judge", "", "")
    n = sum(IMAGES.values()) * QUESTIONS
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting.of_plan(plan, Path(folder), roots=(), text_models_loader="", device="auto", threads=1)
        jobs = schedule.jobs_to_do(plan, every, setting, GPUS, on_gpus=True)
        schedule.LEAST_SAMPLES = n + 1
        whole = schedule.jobs_to_do(plan, every, setting, GPUS, on_gpus=True)
    n_shards = sum(job.work is Work.PREDICT for job in jobs)
    ideal = sum(each for each, _ in METHOD_S.values()) * n / GPUS / 3600
    print(f"{len(METHOD_S)} methods x {len(IMAGES)} data sets, {n} questions, {GPUS} GPUs. Ideal: {ideal:.2f} hours")
    ratios = {}
    for name, chosen in ((f"cut into {n_shards} shards", jobs), (f"{len(every)} whole cells", whole)):
        hours, loads = simulated(chosen, METHOD_S)
        ratios[name] = hours / ideal
        print(f"{name}: {hours:.2f} hours = {hours / ideal:.3f} x ideal, models loaded {loads} times")
    worst = 0.0
    for _ in range(30):
        drawn = {method: (10 ** draw.uniform(-2, 0.3), load) for method, (_, load) in METHOD_S.items()}
        hours, _ = simulated(jobs, drawn)
        worst = max(worst, hours / (sum(each for each, _ in drawn.values()) * n / GPUS / 3600))
    print(f"30 draws of seconds between 0.01 and 2 that memory says nothing of: at worst {worst:.3f} x ideal")
    is_met = next(iter(ratios.values())) <= TARGET
    print(f"target {TARGET:.2f} x ideal: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())

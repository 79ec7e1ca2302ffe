"""Benchmark of the metrics' speed against plain loops and PySODMetrics, in one run on the same maps. `make bench-metrics`.

Times are CPU seconds of one thread, the best of several runs; ratios are what counts. PySODMetrics is compared if it is installed
(`pip install --no-deps pysodmetrics opencv-python-headless`; it pins an older numpy and is therefore not a dependency).
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.position import position_of, zone_of_centroid
from prsbench.harness.contract.records import Counts, Record
from prsbench.harness.contract.types import DataKind
from prsbench.harness.engine.store.record_files import Scores, write_scores
from prsbench.metrics.mask import pranet
from prsbench.metrics.mask.counts import count_maps, histograms
from prsbench.metrics.mask.e_measure import e_measure_curve
from prsbench.metrics.mask.grey import grey_maps, stretched_grey_map
from prsbench.metrics.mask.map_measures import measure_maps
from prsbench.metrics.mask.s_measure import s_measure
from prsbench.metrics.mask.weighted_f import weighted_f
from prsbench.metrics.score import score_each
from prsbench.metrics.text.placed_texts import TextCollector
from scipy.ndimage import gaussian_filter

SIDES_PX = (352, 1024)
N_SAMPLES = 10_000
RECORD_COUNTS = (1_000, 10_000, 100_000)


def main() -> None:
    """Print every comparison."""
    if len(sys.argv) > 1:
        task = sys.argv[1]
        print(peak_of_scoring(int(task)) if task.isdigit() else time_of_prscore(task == "distinct"))
        return
    for side in SIDES_PX:
        print(f"\n{side} x {side}, one soft map with a lesion")
        compare_thresholds(side)
        compare_pysod(side)
        probability, truth = example(side)
        maps = grey_maps(probability)
        mapping, counting = best(partial(grey_maps, probability)), best(partial(count_maps, maps, truth))
        measuring = best(partial(measure_maps, maps, truth), 3)
        print(
            f"  per sample: 8-bit maps {1e3 * mapping:.2f} ms, counts {1e3 * counting:.2f} ms, measures {1e3 * measuring:.1f} ms"
        )
    score_many()
    print("\npeak memory of scoring, a process each")
    for n in RECORD_COUNTS:
        done = subprocess.run([sys.executable, __file__, str(n)], capture_output=True, text=True, check=True)
        print(f"  {n:7,} records: {done.stdout.strip()}")


def example(side: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A blurred, slightly misplaced disc with noise, and the true disc."""
    y, x = np.mgrid[:side, :side] / side
    drawn = gaussian_filter((np.hypot(x - 0.42, y - 0.53) < 0.16).astype(float), side / 30)
    noisy = drawn + 0.02 * np.random.default_rng(0).random((side, side))
    return np.clip(noisy, 0, 1).astype(np.float32), np.hypot(x - 0.4, y - 0.55) < 0.15


def best(work: Callable[[], object], repeats: int = 20) -> float:
    """Shortest of several runs, in CPU seconds, which other busy processes affect less than wall time."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def boolean_loop(grey: NDArray[np.uint8], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Dice and IoU at 256 thresholds in the shortest loop: two operations on full maps and two sums per threshold."""
    rows, n_true, value = [], truth.sum(), grey / 255
    for threshold in pranet.THRESHOLDS:
        predicted = value >= threshold
        tp, n_predicted = (predicted & truth).sum(), predicted.sum()
        rows.append((2 * tp / (n_true + n_predicted), tp / (n_true + n_predicted - tp)) if tp else (0.0, 0.0))
    return np.array(rows).T


def published_loop(grey: NDArray[np.uint8], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The same in the steps of the official evaluation: one label map per threshold, from which every count is taken."""
    rows, true_map, value = [], truth.astype(np.float64), grey / 255
    for threshold in pranet.THRESHOLDS:
        label = np.zeros_like(true_map)
        label[value >= threshold] = 1
        n_predicted, n_true = np.sum(label == 1), np.sum(true_map)
        n_rejected, tp = np.sum(label == 0), np.sum((label == 1) & (true_map == 1))
        rows.append((2 * tp / (n_true + n_predicted), tp / (n_true - tp + n_predicted)) if tp else (0.0, 0.0))
        assert n_rejected + n_predicted == truth.size
    return np.array(rows).T


def compare_thresholds(side: int) -> None:
    """All start from the saved 8-bit map, as the official evaluation does, and end in the same 512 numbers.

    The baseline is `published_loop`; `boolean_loop` is the least work that a loop in numpy can do.
    """
    probability, truth = example(side)
    grey = stretched_grey_map(probability)
    counts = count_maps(grey_maps(probability), truth)

    def ours() -> tuple:
        at = pranet.threshold_counts(counted(counts, grey, truth))
        return pranet.dice_curve(at), pranet.iou_curve(at)

    for loop in (boolean_loop, published_loop):
        np.testing.assert_allclose(ours(), loop(grey, truth), rtol=0, atol=1e-12)
    fast = best(ours, 200)
    plain, published = (best(partial(loop, grey, truth), 2) for loop in (boolean_loop, published_loop))
    stretch = best(partial(stretched_grey_map, probability), 50)
    print(f"  256 thresholds, ours {1e3 * fast:.3f} ms: published loop {1e3 * published:.0f} ms = {published / fast:.0f} x, "
          f"shortest loop {1e3 * plain:.0f} ms = {plain / fast:.0f} x")  # fmt: skip
    with_stretch = (published + stretch) / (fast + stretch), (plain + stretch) / (fast + stretch)
    print(f"  with the stretch ({1e3 * stretch:.3f} ms) on both sides: {with_stretch[0]:.0f} x, {with_stretch[1]:.0f} x")


def compare_pysod(side: int) -> None:
    """The same measures of the same saved 8-bit map by both: Dice, IoU, sensitivity and specificity at 256 thresholds, MAE, E, S
    and weighted F. Each library prepares the map itself, PySODMetrics once per measure.
    """
    if find_spec("py_sod_metrics") is None:
        print("  PySODMetrics: not installed (pip install --no-deps pysodmetrics opencv-python-headless)")
        return
    import py_sod_metrics as pysod

    probability, truth = example(side)
    grey, mask, counts = stretched_grey_map(probability), truth * np.uint8(255), count_maps(grey_maps(probability), truth)
    kinds = (pysod.DICEHandler, pysod.IOUHandler, pysod.SensitivityHandler, pysod.SpecificityHandler)

    def thresholds_of_theirs() -> None:
        handlers = {make.__name__: make(with_dynamic=True, with_adaptive=False) for make in kinds}
        pysod.FmeasureV2(handlers).step(grey, mask)

    def thresholds_of_ours() -> Counts:
        new_counts = counted(counts, grey, truth)
        at = pranet.threshold_counts(new_counts)
        pranet.dice_curve(at), pranet.iou_curve(at), pranet.sensitivity_curve(at), pranet.specificity_curve(at)
        return new_counts

    def all_of_theirs() -> None:
        thresholds_of_theirs()
        for measure_ in (pysod.MAE(), pysod.Emeasure(), pysod.Smeasure(), pysod.WeightedFmeasure()):
            measure_.step(grey, mask)

    def all_of_ours() -> None:
        new_counts = thresholds_of_ours()
        (
            pranet.mean_absolute_error(new_counts),
            e_measure_curve(pranet.threshold_counts(new_counts)),
            s_measure(grey, truth),
            weighted_f(grey, truth),
        )

    for name, theirs, ours in (
        ("thresholds", thresholds_of_theirs, thresholds_of_ours),
        ("all measures", all_of_theirs, all_of_ours),
    ):
        slow, fast = best(theirs, 5), best(ours, 10)
        print(f"  {name}: PySODMetrics {1e3 * slow:.2f} ms, ours {1e3 * fast:.2f} ms = {slow / fast:.1f} x")


def counted(counts: Counts, grey: NDArray[np.uint8], truth: NDArray[np.bool_]) -> Counts:
    """The counts with the histograms of this map computed again."""
    inside, outside = histograms(grey, truth)
    return replace(counts, stretched_inside=inside, stretched_outside=outside)


class Records:
    """Records created again on each pass, as if read from a file: templates with other sample ids."""

    def __init__(self, n: int):
        self.n, self._templates = n, [record.to_json() for record in templates()]

    def __iter__(self) -> Iterator[Record]:
        for i in range(self.n):
            yield Record.from_json(self._templates[i % len(self._templates)] | {"sample_id": str(i)})


def templates(n: int = 600) -> list[Record]:
    """Records of small synthetic lesions with answers and references from the question templates."""
    from prsbench.datasets.questions import render_answer, render_question, target_of

    rng, records = np.random.default_rng(1), []
    rows, cols = np.mgrid[:64, :64]
    for i in range(n):
        modality = MODALITIES[i % len(MODALITIES)]
        truth = np.hypot(rows - rng.integers(6, 58), cols - rng.integers(6, 58)) < rng.integers(3, 9)
        probability = gaussian_filter(np.roll(truth, 2, axis=1).astype(np.float32), 1.5)
        (position, near), target = position_of(truth, modality), target_of(modality)
        answers = [render_answer(target, position, near, split, rng) for split in ("train", "test")]
        records.append(
            Record(
                sample_id=str(i),
                group=str(i),
                modality=modality,
                data_kind=DataKind.SYNTHETIC,
                status="ok",
                error="",
                question=render_question(target, "test", rng),
                reference_answer=answers[1],
                answer=answers[0],
                height=64,
                width=64,
                position=position,
                near_centre=near,
                position_of_centroid=zone_of_centroid(truth),
                truth_centroid=centroid(truth),
                predicted_centroid=centroid(probability >= 0.5),
                counts=count_maps(grey_maps(probability), truth),
                seconds=0.0,
                measures=measure_maps(grey_maps(probability), truth),
            )  # fmt: skip
        )
    return records


def score_many() -> None:
    """Time PRScore and its levels for many samples: in a process with an empty cache of sentences, then with a full one."""
    for name, about in (("templates", "answers repeat, as trained methods give them"), ("distinct", "no answer twice")):
        with TemporaryDirectory() as cache:
            environment = os.environ | {"XDG_CACHE_HOME": cache, "OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"}
            first, again = (
                subprocess.run(
                    [sys.executable, __file__, name], capture_output=True, text=True, check=True, env=environment
                ).stdout
                for _ in range(2)
            )
        print(f"\nPRScore with its levels on 2 threads, {about}: {first.strip()}\n  in a new process: {again.strip()}")


def time_of_prscore(is_distinct: bool) -> str:
    """Wall and CPU seconds of the learned part of scoring with the real sentence encoder, after it is loaded."""
    from prsbench.methods.parts.language.sentence_bert import sentence_encoder
    from prsbench.methods.text2centroid.config import Text2CentroidConfig
    from prsbench.methods.text2centroid.model import Text2Centroid

    models = Text2Centroid(Text2CentroidConfig())  # untrained: the time does not depend on its weights
    sentence_encoder()
    records = list(Records(N_SAMPLES))
    if is_distinct:
        records = [replace(r, answer=f"{r.answer.rstrip('.')}, in picture {r.sample_id}.") for r in records]
    start, cpu = time.perf_counter(), time.process_time()
    prscore_of(records, models)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    distinct = len({text for record in records for text in (record.answer, record.reference_answer)})
    return f"{N_SAMPLES:,} samples, {distinct:,} distinct sentences: {wall:.1f} s ({cpu:.1f} s of CPU)"


def prscore_of(records: list[Record], models: object) -> None:
    """The learned part of scoring alone."""
    from prsbench.metrics.text.chance import levels

    collector = TextCollector()
    for record in records:
        collector.add(record)
    texts = collector.finish(models)
    texts.score()
    levels(texts, models)


class CheapModels:
    """Text models that cost nothing, so that only scoring is measured."""

    checksum, notes = "", ()

    def embed(self, sentences: list[str]) -> NDArray[np.float32]:
        return np.ones((len(sentences), 384), np.float32)

    def locate(self, sentences: list[str]) -> NDArray[np.float32]:
        return np.full((len(sentences), 2), 0.5, np.float32)

    def is_cut(self, sentences: list[str]) -> list[bool]:
        return [False] * len(sentences)


def peak_of_scoring(n: int) -> str:
    """Score n records one by one, store and write the scores as for a cell, and return the process's peak memory."""
    records = Records(n)
    next(iter(records))
    before, start = peak_mib(), time.process_time()
    scores = Scores(score_each(records, CheapModels()))
    with TemporaryDirectory() as folder:
        write_scores(Path(folder) / "scores.json", scores)
    took, peak = time.process_time() - start, peak_mib()
    mean = sum(row["dice@0.5"] for row in scores) / n
    return f"peak {peak:.0f} MiB (before {before:.0f}), {took:.1f} s of CPU, mean dice@0.5 {mean:.4f}"


def peak_mib() -> float:
    """Peak memory of this program alone: Linux's `ru_maxrss` still includes the peak of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

"""Times the viewer on records drawn for the purpose: python tests/harness/report/viewer/bench_viewer.py [SAMPLES [ROWS]].

Prints how long writing takes and how large the folder is; then, in a headless Chromium, how long opening, sorting, searching and
the next sample take, and the frames while scrolling. A busy machine stretches these times, but not those of the processor.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.summary import summarise_cell
from prsbench.harness.contract.types import DataKind, Labels, Point, PromptSource, Query, Sample, TextSource, Truth, Weights
from prsbench.harness.report.viewer.samples import Source
from prsbench.harness.report.viewer.writer import write_viewer
from prsbench.metrics.catalog import METRICS

SIDE = 128
ROWS, COLS = np.mgrid[:SIDE, :SIDE]
LABELS = Labels(PromptSource.QUESTION, Weights.TRAINED_HERE, TextSource.GENERATED)
WHERE = ("top left", "top right", "bottom left", "bottom right", "center")


def disc(number: int) -> np.ndarray:
    return np.hypot(ROWS - 30 - number % 61, COLS - 30 - number % 67) < 6 + number % 17


def record(modality: str, number: int) -> Record:
    place = WHERE[number % 5]
    return Record(
        sample_id=f"{modality}/case_{number:06d}#0", group=f"case {number // 3}", modality=modality, data_kind=DataKind.SYNTHETIC,
        status="ok", error="", question=f"Please describe where finding {number} lies in this picture.",
        reference_answer=f"Finding {number} is located in the {place} and far from the center.", answer="", height=SIDE,
        width=SIDE, position=(place,), near_centre=False, position_of_centroid=place, truth_centroid=Point(0.1, 0.2),
        predicted_centroid=Point(0.2, 0.1), counts=None, seconds=0.1,
    )  # fmt: skip


def cell(row: int, modality: str, records: list[Record]) -> CellResult:
    def read() -> tuple[list[Record], list[dict[str, float]]]:
        values = np.random.default_rng([row, len(modality)]).uniform(0, 1, (len(records), len(METRICS)))
        answers = [replace(r, answer=f"Row {row} finds {i} in the {WHERE[(i + row) % 5]}.") for i, r in enumerate(records)]
        return answers, [{**dict(zip(METRICS, line, strict=True)), "judge_auc": 0.9} for line in values.tolist()]

    summary, samples = summarise_cell(*read())
    return CellResult(
        method=f"method_{row:02d}", dataset=modality, modality=modality, seed=0, data_kind=DataKind.SYNTHETIC, protocol="bench",
        status="complete", error="", n_manifest=len(records), labels=LABELS, summary=summary, samples=lambda: samples, read=read,
    )  # fmt: skip


class Pictures(list):
    """Samples of these records, drawn on access."""

    def __getitem__(self, number: int) -> Sample:
        of = super().__getitem__(number)
        image = np.repeat(((ROWS * (1 + number % 7) + COLS + number) % 256)[..., None], 3, axis=2).astype(np.uint8)
        query = Query(of.sample_id, image, of.question, of.modality)
        truth = Truth(disc(number), of.reference_answer, of.position, False, of.position_of_centroid)
        return Sample(query, truth, of.group, "test", DataKind.SYNTHETIC)


def masks(result: CellResult) -> Iterator[tuple[int, np.ndarray]]:
    shift = int(result.method[-2:])
    return ((number, disc(number + shift)) for number in range(result.n_manifest))


def browse(page: Path) -> None:
    from selenium import webdriver
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(120)

    def processor_ms() -> float:
        """Of the page's main thread, since navigation."""
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return next(1000 * metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    try:
        for turn in ("first", "second"):
            driver.get("about:blank")
            processor_ms()
            driver.get(f"file://{page}")
            WebDriverWait(driver, 120, 0.02).until(lambda d: d.execute_script("return document.body.dataset.ready === 'yes'"))
            took = driver.execute_script("return performance.getEntriesByName('ready')[0].startTime")  # since navigation began
            print(f"open, {turn} time: {took:.0f} ms, of which {processor_ms():.0f} ms of the processor")
        for name, script in {
            "sort by another score": "state.sort = 'hd95_px'; await update(0)",
            "sort by the difference": "state.by = 'difference'; await update(0)",
            "filter": "state.modality = run.facets[0].values[0]; await update(0)",
            "first search (reads all texts)": "state.modality = ''; state.search = 'row 1 finds 77'; await update(0)",
            "search again": "state.search = 'row 1 finds 99'; await update(0)",
            "all again": "state.search = ''; await update(0)",
            "next sample (mean of 20)": "for (let i = 0; i < 20; i++) await choose(place + 1)",
            "draw other items (mean of 20)": "for (let i = 0; i < 20; i++) { $('list').scrollTop = 9000 * i; drawList(); }",
        }.items():
            code = f"const end = arguments[0], t = performance.now(); (async () => {{ {script}; end(performance.now() - t) }})()"
            print(f"{name}: {driver.execute_async_script(code) / (20 if 'mean of 20' in name else 1):.0f} ms")
        before = processor_ms()
        frames = driver.execute_async_script(
            "const end = arguments[0], list = document.getElementById('list'), took = []; let last = performance.now(), n = 0;"
            "(function go(now) { took.push(now - last); last = now; list.scrollTop += 900;"
            "if (++n < 200) requestAnimationFrame(go); else end(took.slice(2)) })(last)"
        )
        busy = (processor_ms() - before) / len(frames)
        print(
            f"scrolling by 15 samples a frame: median frame {np.median(frames):.0f} ms, 99 % {np.quantile(frames, 0.99):.0f} ms, "
            f"{busy:.1f} ms of the processor a frame"
        )
    finally:
        driver.quit()


def main(n_samples: int = 10_000, n_rows: int = 15) -> None:
    share = -(-n_samples // len(MODALITIES))
    sizes = [min(share, n_samples - share * i) for i in range(len(MODALITIES))]
    records = {m: [record(m, i) for i in range(n)] for m, n in zip(MODALITIES, sizes, strict=True) if n > 0}
    cells = [cell(row, modality, of) for row in range(n_rows) for modality, of in records.items()]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        page = write_viewer(cells, Path(folder) / "v", Source(lambda d: Pictures(records[d]), masks), "bench")
        print(f"write {n_samples} samples x {n_rows} rows: {time.perf_counter() - begin:.0f} s")
        sizes = [path.stat().st_size for path in page.parent.rglob("*") if path.is_file()]
        index = (page.parent / "data" / "index.js").stat().st_size
        print(f"size: {sum(sizes) / 2**20:.0f} MiB in {len(sizes)} files; index.js {index / 2**10:.0f} KiB", flush=True)
        browse(page)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""A registry of tiny methods, a tiny data set and a driver for the engine's tests; importable by workers through PYTHONPATH."""

import csv
import hashlib
import json
import os
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from prsbench.harness.contract.catalog import Catalog, Entry
from prsbench.harness.contract.types import PromptSource
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.plan.choices import Registry
from prsbench.harness.engine.store.run_folder import RunFolder
from stand_in_methods import Absent, Bright, Echo, Part, StandInConfig, Trained, TrainedConfig, log  # noqa: F401 (for tests)


class Judges:
    name, checksum, notes = "stand-ins", "of stand-ins", ()

    def embed(self, sentences):
        digests = [hashlib.sha256(sentence.encode()).digest() for sentence in sentences]
        return np.stack([np.frombuffer(digest, np.uint8) / 255 for digest in digests]).astype(np.float32)

    def locate(self, sentences):
        return self.embed(sentences)[:, :2] * 2 - 1

    def is_cut(self, sentences):
        return [False] * len(sentences)


def load_judges(folder, device):
    assert (folder / "part.json").is_file() and device != "auto"
    return Judges()


def load_shipped(folder, device):
    assert folder is None and device != "auto"
    return Judges()


def entry(name, factory="Bright", config="StandInConfig", trains=False, **defaults):
    factory, config = (path if ":" in path else f"stand_in_methods:{path}" for path in (factory, config))
    shares = "light" if factory == "stand_in_methods:Bright" else ""
    return Entry(name, name, factory, config, {"name": name, **defaults}, trains, shares=shares)


PART = Entry("part", "part", "stand_in_methods:Part", "prsbench.harness.contract.config:PartConfig")
JUDGES = (
    "engine_stand_ins:load_judges",
    "part",
    Entry("shipped", "", "engine_stand_ins:load_shipped", PART.config, trains=False),
)
REGISTRY = Registry(
    methods=Catalog(
        "method",
        [
            entry("bright"),
            entry("boxed", prompt_source=PromptSource.ORACLE_BOX),
            entry("jittered", prompt_source=PromptSource.JITTERED_BOX),
            entry("trained", "Trained", "TrainedConfig", trains=True),
            entry("absent", "Absent"),
            entry("echo", "Echo"),
        ],
    ),
    parts=Catalog("part", [PART]),
    text_models=JUDGES[0],
    text_part=JUDGES[1],
    packaged_judge=JUDGES[2],
)


def sharing(*names):
    """The registry with these rows, and no others, evaluated in turns by one worker."""
    entries = [replace(e, shares="turns" if e.name in names else "") for e in REGISTRY.methods.values()]
    return replace(REGISTRY, methods=Catalog("method", entries))


def write_data(root, folders=("brain_tumors_ct_scan", "skin_rgbimage"), counts=(("train", 4), ("val", 2), ("test", 5)), empty=()):
    """A data set in the official layout; `empty` holds the numbers of test images without a lesion."""
    rng = np.random.default_rng(5)
    for folder in folders:
        rows = []
        for split, count in counts:
            for number in range(count):
                mask = np.zeros((16, 20), bool)
                top, left = rng.integers(0, 9, 2)
                mask[top : top + 6, left : left + 7] = not (split == "test" and number in empty)
                image = np.where(mask, 200, 40) + rng.integers(0, 30, mask.shape)
                stem = f"{split}{number}"
                for kind, pixels in (("images", image), ("masks", mask * 255)):
                    path = root / folder / f"{split}_{kind}" / f"{stem}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels.astype(np.uint8)).save(path)
                path = f"{folder}/{split}_masks/{stem}.png"
                rows.append([path, f"{stem}.png", split, f"Where is it in {stem}?", "", f"At the left of {stem}."])
        with (root / f"{folder}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([["image_path", "image_name", "split", "question", "position", "answer"], *rows])
    return root


def make_grid(root, methods, seeds=(0,), workers=2, more=None, **execution):
    content = {
        "name": "test",
        "data": [{"source": "prs_med", "root": str(root)}],
        "methods": methods,
        "seeds": list(seeds),
        "judge": "val",
    }
    return GridConfig.model_validate({**content, **(more or {}), "execution": {"workers": workers, "device": "cpu", **execution}})


def numbers(run):
    """All that a run has found out, but for times."""
    found = []
    for cell in results(run):
        records = [{**record.to_json(), "seconds": 0} for record in cell.records]
        scores = [{name: repr(value) for name, value in row.items()} for row in cell.scores]
        found.append([cell.method, cell.dataset, cell.seed, cell.status, cell.error, str(cell.labels), records, scores])
    return json.loads(json.dumps(found))


if __name__ == "__main__":
    root, folder, executor, methods, out = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would its children
    if limit := os.environ.get("PRSBENCH_TEST_FILE_BYTES"):  # no file may grow larger: a disk that fills up
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    workers = json.loads(os.environ.get("PRSBENCH_TEST_WORKERS", "2"))
    grid, address = make_grid(Path(root), json.loads(methods), workers=workers), os.environ.get("PRSBENCH_TEST_ADDRESS")
    run = run_grid(grid, REGISTRY, RunFolder(Path(folder)), print, executor, address=address)
    Path(out).write_text(json.dumps(numbers(run)))

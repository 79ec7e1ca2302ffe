"""Tiny methods, a tiny data set and a driver for the engine's tests; importable by workers through PYTHONPATH. No torch.

PRSBENCH_TEST_LOG names a file that gets a line for each sample predicted and each fit, so that tests can see what was redone.
"""

import csv
import hashlib
import json
import os
import resource
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from prsbench.harness.contract.catalog import Catalog, Entry
from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.types import Labels, Need, Prediction, PromptSource, TextSource, Weights
from prsbench.harness.engine.config import GridConfig
from prsbench.harness.engine.grid import Registry
from prsbench.harness.engine.ledger import RunFolder
from prsbench.harness.engine.results import results
from prsbench.harness.engine.run import run_grid


def log(line):
    if path := os.environ.get("PRSBENCH_TEST_LOG"):
        with open(path, "a") as stream:
            stream.write(f"{line}\n")


class StandInConfig(MethodConfig):
    name: str = "bright"
    batch_size: int = 2
    seconds_per_sample: float = 0.0
    breaks_on: str = ""  # part of a sample id
    how: str = "raise"
    secret: str = ""  # changes nothing but the key
    fits: int = 0  # queries that fit into memory at once; 0 for any number


class TrainedConfig(StandInConfig):
    fit_seconds: float = 0.0
    fit_fails: bool = False

    def needs(self):
        return {"part": Need("part", {})}


class Bright:
    """Bright pixels with global noise: equal numbers need equal seeding."""

    def __init__(self, config):
        self.config, self.level = config, 0.5

    @property
    def labels(self):
        return Labels(self.config.prompt_source, Weights.NONE, TextSource.CONSTANT)

    def fit(self, train, val, context): ...

    def save(self, folder): ...

    def load(self, folder, device):
        log(f"load {self.config.name}")
        log(f"pid {os.getpid()}")

    def predict(self, queries):
        if self.config.fits and len(queries) > self.config.fits:
            raise MemoryError(f"{len(queries)} queries")
        return [self._one(query) for query in queries]

    def _one(self, query):
        assert not hasattr(query, "truth") and not hasattr(query, "mask")
        log(f"{self.config.name} {query.sample_id}")
        print("predicting", query.sample_id)
        time.sleep(self.config.seconds_per_sample)
        if self.config.breaks_on and self.config.breaks_on in query.sample_id:
            if self.config.how == "die":
                os._exit(9)
            if self.config.how == "raise":
                raise ValueError("a bad sample")
            if self.config.how == "hang":
                time.sleep(3600)
            if self.config.how == "hang in a library":
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
                time.sleep(3600)
            return Prediction(np.full((3, 3), 0.5, np.float32), "", 0.0)
        noise = np.random.random(query.image.shape[:2]) * 0.1
        probability = np.clip(query.image[..., 0] / 255 * 0.8 + noise * self.level, 0, 1).astype(np.float32)
        return Prediction(probability, f"At the {'top' if query.box else 'bottom'} left.", time.monotonic() % 1)


class Trained(Bright):
    def fit(self, train, val, context):
        log("fit")
        for step in range(10):
            time.sleep(self.config.fit_seconds / 10)
            context.progress(step + 1, 10, "steps")
        if self.config.fit_fails:
            raise RuntimeError("the loss is not finite")
        assert {sample.split for sample in train} == {"train"} and {sample.split for sample in val} == {"val"}
        part = json.loads((context.needs["part"] / "part.json").read_text())
        self.level = float(np.mean([sample.truth.mask.mean() for sample in train]) + part["n"] / 100 + np.random.random())

    def save(self, folder):
        (folder / "level.json").write_text(json.dumps(self.level))

    def load(self, folder, device):
        super().load(folder, device)
        self.level = json.loads((folder / "level.json").read_text())


class Absent(Bright):
    def load(self, folder, device):
        raise MissingPrerequisite("absent: skipped, its package is not installed. pip install absent")


class Echo(Bright):
    """A reference row."""

    predict = None

    def predict_from_truth(self, samples):
        return [Prediction(s.truth.mask.astype(np.float32), s.truth.answer, 0.0) for s in samples]


class Part:
    def __init__(self, config):
        self.config = config

    def fit(self, train, val, context):
        assert {sample.split for sample in train} in ({"train"}, {"val"})
        self.n = len(train)

    def save(self, folder):
        (folder / "part.json").write_text(json.dumps({"n": self.n}))

    def load(self, folder, device): ...


class Judges:
    checksum, notes = "of stand-ins", ()

    def embed(self, sentences):
        digests = [hashlib.sha256(sentence.encode()).digest() for sentence in sentences]
        return np.stack([np.frombuffer(digest, np.uint8) / 255 for digest in digests]).astype(np.float32)

    def locate(self, sentences):
        return self.embed(sentences)[:, :2] * 2 - 1


def load_judges(folder, device):
    assert (folder / "part.json").is_file() and device != "auto"
    return Judges()


def entry(name, factory="Bright", config="StandInConfig", trains=False, **defaults):
    here, code = "engine_stand_ins", ("engine_stand_ins",)
    shares = "light" if factory == "Bright" else ""
    return Entry(name, name, f"{here}:{factory}", f"{here}:{config}", code, {"name": name, **defaults}, trains, shares=shares)


PART = Entry("part", "part", "engine_stand_ins:Part", "prsbench.harness.contract.config:PartConfig", ("engine_stand_ins",))
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
    text_models="engine_stand_ins:load_judges",
    text_part="part",
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
    content = {"name": "test", "data": [{"source": "prs_med", "root": str(root)}], "methods": methods, "seeds": list(seeds)}
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

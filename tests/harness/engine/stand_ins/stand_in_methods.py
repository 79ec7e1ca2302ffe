"""Tiny methods for the engine's tests, whose code decides their keys: they import the contract alone. No torch.

PRSBENCH_TEST_LOG names a file that gets a line for each sample predicted and each fit, so that tests can see what was redone.
"""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.types import Labels, Need, Prediction, TextSource, Weights


def log(line):
    if path := os.environ.get("PRSBENCH_TEST_LOG"):
        with Path(path).open("a") as stream:
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
        noise = np.random.random(query.image.shape[:2]) * 0.1  # noqa: NPY002 (the engine seeds the global generator)
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
        self.level = float(np.mean([sample.truth.mask.mean() for sample in train]) + part["n"] / 100 + np.random.random())  # noqa: NPY002

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

    def predict_from_truth(self, samples, answers):
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

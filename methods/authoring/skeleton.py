"""Template of a one-file method, which `prsbench new-method` writes for a user to start from."""

from __future__ import annotations

from pathlib import Path

from prsbench.harness.contract.errors import ConfigError

_TEXT = '''"""CLASS: a pixel is foreground if it is as bright as the training foreground. Replace this rule by your network.

Test it:      prsbench test-method FILE:CLASS
Compare it:   put FILE:CLASS under `methods:` of a grid; a finished grid then runs only the new cells.
"""

import json
import time

import numpy as np
from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Labels, Prediction, TextSource, Weights
from prsbench.methods.answers import answer_from_mask


class CLASSConfig(MethodConfig):
    """Its fields can be set in a grid: `- FILE:CLASS: {width: 30}`."""

    width: float = 20.0  # grey levels from the mean foreground at which the probability is 0.5


class CLASS:
    # Modules, files and folders that this file or its config names are part of a result's key: when they change, its cells run
    # again. Name here what cannot be seen so, by paths from this file's folder: reads = ["../weights/net.bin"]

    def __init__(self, config: CLASSConfig):
        self.config = config

    @property
    def labels(self):  # prompt source, origin of the weights, source of the answers
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.OWN_MASK)

    def fit(self, train, val, context):  # samples: query and truth; context: seed, device, progress
        inside = [sample.query.image[sample.truth.mask].mean() for sample in train if sample.truth.mask.any()]
        self.foreground = float(np.mean(inside))

    def predict(self, queries):  # queries: image (H, W, 3) uint8, question, modality; never the answer
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query):
        start = time.perf_counter()
        distance = np.abs(query.image.mean(axis=2) - self.foreground) / self.config.width
        probability = (0.5**distance).astype(np.float32)  # (H, W) in [0, 1], native size
        return Prediction(probability, answer_from_mask(probability, query.modality), time.perf_counter() - start)

    def save(self, folder):
        (folder / "foreground.json").write_text(json.dumps(self.foreground))

    def load(self, folder, device):
        self.foreground = json.loads((folder / "foreground.json").read_text())
'''


def write_skeleton(name: str, folder: Path) -> str:
    """Write `<name>.py` with a class that passes the conformance suite; returns the method's name, file.py:ClassName.

    Raises:
        ConfigError: the name is not a Python identifier, or the file exists.
    """
    if not name.isidentifier():
        raise ConfigError(f"'{name}' is not a valid module name. Use letters, digits and underscores, as in my_method.")
    path = folder / f"{name}.py"
    if path.exists():
        raise ConfigError(f"{path} already exists and was not changed. Choose another name.")
    title = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    path.write_text(_TEXT.replace("CLASS", title).replace("FILE", path.name))
    return f"{path.name}:{title}"

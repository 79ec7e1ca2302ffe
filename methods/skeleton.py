"""A working method of one file, for a user to start from."""

from __future__ import annotations

from pathlib import Path

from prsbench.harness.contract.errors import ConfigError

_TEXT = '''"""CLASS: foreground is what is as bright as the training foreground. Put your network in its place.

Examine it:   prsbench test-method FILE:CLASS
Compare it:   put FILE:CLASS under `methods:` of a grid; then only its cells run.
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
    def __init__(self, config: CLASSConfig):
        self.config = config

    @property
    def labels(self):  # what it is told, where its weights come from, who writes its sentences
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
    """Write `<name>.py` with a class that passes the suite; returns what to call the method: file.py:ClassName.

    Raises:
        ConfigError: the name is no Python name, or the file exists.
    """
    if not name.isidentifier():
        raise ConfigError(f"'{name}' is no name of a Python module. Use letters, digits and underscores, as in my_method.")
    path = folder / f"{name}.py"
    if path.exists():
        raise ConfigError(f"{path} exists and is left as it is. Choose another name.")
    title = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    path.write_text(_TEXT.replace("CLASS", title).replace("FILE", path.name))
    return f"{path.name}:{title}"

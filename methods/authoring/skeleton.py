"""Templates to start from: a one-file method (`prsbench new-method`), and with it a grid that runs it (`prsbench init`)."""

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

_GRID = """\
# A first grid: your method beside a floor and a ceiling, on drawn images; under a minute on 2 cores. In this folder:
#   prsbench plan grid.yaml         what will be computed, and about how long it takes
#   prsbench run grid.yaml          tables, figures and report.html in runs/NAME
#   prsbench view runs/NAME         every sample of every row, side by side
name: NAME

data: # synthetic cartoons of six modalities: for testing the pipeline only
  - source: phantoms
    seed: 7
    train: 8 # images per modality
    val: 4
    test: 4
# Real images in the PRS-Med layout, which `prsbench prepare` writes, in place of the lines above:
#  - source: prs_med
#    root: /path/to/the/prepared/folder

methods: # `prsbench list methods` names all; an entry may change its config
  - METHOD # in this folder; its config:
  # - METHOD: {width: 30}
  - oracle # the true mask and sentence: the ceiling
  - mean_mask_frequent_answer # reads neither image nor question: a floor
  # - lite_medsam_automatic # frozen, from an installed package
  # - cg_reasoner: {epochs: 5} # trained here; minutes

seeds: [0] # three or more, as in [0, 1, 2], before you compare methods

# sweeps: # one row for each value
#   - method: METHOD
#     over: {width: [10, 20, 40]}

execution:
  workers: auto # parallel jobs: one per core
  timeout_s: 600 # ends a cell or training that hangs; delete the line for no limit
"""


def write_project(folder: Path) -> list[Path]:
    """Write grid.yaml and my_method.py into a folder, made if it is missing; the grid runs as it is. Returns the files.

    Raises:
        ConfigError: one of them exists; nothing is written.
    """
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in folder.resolve().name).lstrip("._-")
    grid, method = folder / "grid.yaml", folder / "my_method.py"
    if there := next((path for path in (grid, method) if path.exists()), None):
        raise ConfigError(f"{there} already exists, so nothing was written. Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    row = write_skeleton(method.stem, folder)
    grid.write_text(_GRID.replace("NAME", name[:100] or "first").replace("METHOD", row))
    return [grid, method]


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

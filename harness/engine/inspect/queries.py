"""prsbench queries: a grid's images and questions as files, for a method that runs in another environment."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from prsbench.datasets.official_reader import FolderDataset
from prsbench.datasets.pictures import write_png
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.files import safe_stem
from prsbench.harness.contract.geometry import innermost_point, tight_box
from prsbench.harness.contract.types import PromptSource
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.plan.choices import Registry, resolve_choices
from prsbench.harness.engine.plan.data import open_checked, prepare_roots
from prsbench.harness.engine.store.run_folder import RunFolder

QUESTIONS, IMAGES = "questions.csv", "images"
COLUMNS = ("sample_id", "image", "question", "modality")
_PROMPTS = {  # column names of what `--prompts` adds
    PromptSource.ORACLE_BOX: ("box_left", "box_top", "box_right", "box_bottom"),
    PromptSource.ORACLE_POINT: ("point_x", "point_y"),
}
_README = """# Questions to answer elsewhere

`questions.csv` has one line per question: `sample_id`, `image` (in `images/`, PNG, 8-bit RGB), `question`, `modality`. It lacks
the truth. `box_*` (native pixels, right and bottom exclusive) and `point_*`, if there, are made from it: use them only for a row
whose `prompt_source` says so. They are blank where the truth is empty; such samples are excluded for these rows.

Write the predictions into one folder:

- `answers.csv` with the columns `sample_id`, `answer` (blank: no sentence) and, if measured, `seconds` (for every line);
- `masks/`, with one file per line of the image's size, called as the image: `images/a.png` is answered by `masks/a.png` (grey
  levels 0 and 255, or an 8-bit map in which 255 is probability 1), `a.npy` ((H, W) bool, 0 and 1, 0 to 255, or floats 0 to 1)
  or `a.nii.gz` (one slice; needs nibabel and the key `nifti_axes`). A column `mask` may name other files in `masks/`.

A sample without a line or a mask counts as failed. Then score them as a row of the grid:

    methods:
      - saved:my_model:
          from: DIR                    # this folder, or a CSV with a column `mask` of paths
          prompt_source: question      # what the model was given: question, oracle_box, oracle_point, automatic, ...
          weights: which, and trained on what
          text_source: generated       # or own_mask, constant: who wrote the answers

    prsbench run GRID
"""


def write_queries(
    grid: GridConfig, folder: RunFolder, registry: Registry, to: Path, prompts: bool, say: Callable[[str], None]
) -> Path:
    """Write images/, questions.csv and README.md to a new or empty folder.

    Args:
        folder: the grid's run folder, in which synthetic images lie.
        prompts: also write the true box or point, for the rows of this grid that are given one.

    Raises:
        ConfigError: `to` is not empty, or no row of the grid is given what `prompts` asks for.
    """
    configs = (config.model_dump() for _, _, config in resolve_choices(grid, registry))
    sources = {config.get("prompt_source") for config in configs}
    wanted = [source for source in _PROMPTS if prompts and source in sources]
    if prompts and not wanted:
        raise ConfigError("--prompts: no row of this grid has the prompt source 'oracle box' or 'oracle point'. Leave it out.")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ConfigError(f"{to}: expected an empty folder or none, got files. Choose another with --to.")
    data, _ = open_checked(prepare_roots(grid, folder, say), grid, folder, say)
    for dataset, problem in data.refused:
        say(f"LEFT OUT: {dataset.name}, {problem}")
    partial = to.resolve().with_name(f".{to.resolve().name}.partial")  # a partial export must not look complete
    shutil.rmtree(partial, ignore_errors=True)
    (partial / IMAGES).mkdir(parents=True)
    columns = (*COLUMNS, *(name for source in wanted for name in _PROMPTS[source]))
    with (partial / QUESTIONS).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for dataset in data.usable:
            writer.writerows(_lines(dataset, grid.split, wanted, partial / IMAGES))
    (partial / "README.md").write_text(_README, encoding="utf-8")
    partial.replace(to)
    return to


def _lines(dataset: FolderDataset, split: str, wanted: list[PromptSource], images: Path) -> Iterator[list[object]]:
    """A line of questions.csv for each sample, after its image is written."""
    for sample in dataset.samples(split):
        query, mask, name = sample.query, sample.truth.mask, f"{safe_stem(sample.sample_id)}.png"
        write_png(images / name, query.image)
        line: list[object] = [query.sample_id, f"{IMAGES}/{name}", query.question, query.modality]
        if PromptSource.ORACLE_BOX in wanted:
            box = tight_box(mask)
            line += [box.left, box.top, box.right, box.bottom] if box else [""] * 4
        if PromptSource.ORACLE_POINT in wanted:
            line += innermost_point(mask) or [""] * 2
        yield line

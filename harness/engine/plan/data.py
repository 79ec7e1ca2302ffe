"""Opening the data sets of a grid: everything is found, checked and hashed before any work starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from prsbench.datasets.official_reader import FolderDataset, open_root
from prsbench.datasets.phantoms.dataset import materialise, phantoms_key
from prsbench.harness.contract.errors import ConfigError, DataError, RunFolderError
from prsbench.harness.engine.grid.schema import GridConfig, Phantoms, PrsMedFolder
from prsbench.harness.engine.store.json_files import read_json, write_json
from prsbench.harness.engine.store.keys import FOLDER_DIGITS, key_of
from prsbench.harness.engine.store.run_folder import RunFolder


def prepare_roots(grid: GridConfig, run: RunFolder, say: Callable[[str], None]) -> tuple[Path, ...]:
    """The folder of every data source; synthetic images are drawn into the run folder last, once per config."""
    for source in grid.data:
        if isinstance(source, PrsMedFolder):
            _given_root(source)
    return tuple(_phantom_root(s, run, say) if isinstance(s, Phantoms) else _given_root(s) for s in grid.data)


def open_all(roots: Iterable[Path]) -> list[FolderDataset]:
    """Every data set under these folders, in their order; names are unique."""
    datasets = [dataset for root in roots for dataset in open_root(root)]
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two data sources hold a data set '{name}'. Put them in separate grids.")
    return datasets


def check_all(datasets: Sequence[FolderDataset], split: str, run: RunFolder) -> None:
    """Decode every file of every data set once, and raise all problems as one error.

    Data that passed is remembered in the run folder by its manifest hashes and not decoded again.
    """
    remembered = run.data / "checked.json"
    passed = read_json(remembered) or []
    problems, now = [], []
    for dataset in datasets:
        try:
            manifests = [manifest_hash(dataset, name) for name in dataset.splits]
            now.append(manifests)
            if split not in dataset.splits or not len(dataset.samples(split)):
                raise DataError(f"Data set '{dataset.name}' has no sample in split '{split}'. Found: {', '.join(dataset.splits)}")
            if manifests not in passed:
                dataset.check()
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    if not all(manifests in passed for manifests in now):
        write_json(remembered, passed + [manifests for manifests in now if manifests not in passed])


def manifest_hash(dataset: FolderDataset, split: str) -> str:
    """Hash of every image, text, group and spacing of a split, in the order of its table (the order decides the batches).

    An unknown spacing is left out, so that data without spacing keep the hash of older versions.
    """
    rows = (asdict(row) for row in dataset.manifest(split))
    return key_of({"rows": [{k: v for k, v in row.items() if (k, v) != ("spacing_mm", None)} for row in rows]})


def _phantom_root(source: Phantoms, run: RunFolder, say: Callable[[str], None]) -> Path:
    config = source.drawing()
    root = run.data / f"phantoms-{phantoms_key(config)[:FOLDER_DIGITS]}"
    if not root.exists():
        say("Drawing the synthetic images ...")
        try:
            materialise(config, root)
        except OSError as error:
            raise RunFolderError(
                f"{root}: cannot be written ({error.strerror}). Make room, or choose another place with --out."
            ) from None
    return root


def _given_root(source: PrsMedFolder) -> Path:
    if source.root is None:
        raise ConfigError("The grid's source 'prs_med' names no folder. Set it with --data DIR, or as `root` in the grid.")
    if not source.root.is_dir():
        raise DataError(f"{source.root}: no such folder. Prepare it with `prsbench prepare`, or correct --data.")
    return source.root.resolve()

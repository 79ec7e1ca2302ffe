"""Opening the data sets of a grid: everything is found, checked and hashed before any work starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from prsbench.datasets.official_reader import FolderDataset, read_root
from prsbench.datasets.phantoms.dataset import materialise, phantoms_key
from prsbench.harness.contract.errors import ConfigError, DataError, RunFolderError, refuse
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


@dataclass(frozen=True)
class CheckedData:
    """The data sets of a grid: those that can be used, and for the others why not.

    disclosed: by data set, what a reader of its numbers must know.
    """

    usable: Sequence[FolderDataset]
    refused: Sequence[tuple[FolderDataset, str]] = ()
    disclosed: Mapping[str, str] = field(default_factory=dict)


def open_all(roots: Iterable[Path]) -> list[FolderDataset]:
    """Every data set under these folders, in their order; names are unique."""
    return open_with_notes(roots)[0]


def open_with_notes(roots: Iterable[Path]) -> tuple[list[FolderDataset], list[str]]:
    """`open_all`, and sentences on what was left out and on what the user should look at."""
    datasets: list[FolderDataset] = []
    notes: list[str] = []
    for found, left_out in map(read_root, roots):
        datasets += found
        notes += [*left_out, *(note for dataset in found for note in dataset.notes)]
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two data sources hold a data set '{name}'. Put them in separate grids.")
    return datasets, notes


def check_all(datasets: Sequence[FolderDataset], grid: GridConfig, run: RunFolder) -> CheckedData:
    """Decode every file of every data set once. A data set with problems is left out; the others can be used.

    What was checked is remembered in the run folder by manifest hashes, with the pictures that are in two splits, and is not
    decoded again.

    Raises:
        DataError: no data set can be used, or one of a tuning run cannot; all problems as one error.
    """
    remembered = run.data / "checked.json"
    known = [entry for entry in read_json(remembered) or [] if isinstance(entry, dict)]  # older versions wrote lists
    usable, refused, disclosed = [], [], {}
    for dataset in datasets:
        try:
            manifests = [manifest_hash(dataset, name) for name in dataset.splits]
            if grid.split not in dataset.splits:
                found = ", ".join(dataset.splits)
                raise DataError(f"{dataset.title}: expected samples in split '{grid.split}', got {found} only. Add some.")
            checked = next((entry for entry in known if entry["manifests"] == manifests), None)
            if checked is None:
                checked = {"manifests": manifests, "in_two_splits": dataset.check()}
                known.append(checked)
                write_json(remembered, known)
            if (pairs := checked["in_two_splits"]) and not grid.allow_shared_pictures:
                advice = "move each into one, or set allow_shared_pictures: true, which the tables disclose"
                refuse(f"{dataset.title}, the same picture in two splits ({advice})", pairs)
            if pairs:
                disclosed[dataset.name] = f"{len(pairs)} pictures are in two splits, as allow_shared_pictures permits"
            usable.append(dataset)
        except (DataError, OSError) as error:
            refused.append((dataset, str(error)))
    if refused and (not usable or grid.split != "test"):
        raise DataError("\n".join(problem for _, problem in refused))
    return CheckedData(usable, refused, disclosed)


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

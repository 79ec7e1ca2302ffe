"""Opening the data sets of a grid: everything is found, checked and hashed before any work starts."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from prsbench.datasets.index import OpenedRoot, open_root_indexed, read_index, write_index
from prsbench.datasets.official_reader import FolderDataset, ManifestRow, Seen
from prsbench.datasets.phantoms.dataset import materialise, phantoms_key
from prsbench.datasets.phantoms.difficulty import Difficulty
from prsbench.datasets.processes import end_processes
from prsbench.datasets.selection import Selection, read_excluded, read_selection, write_selection
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import ConfigError, DataError, RunFolderError, refuse
from prsbench.harness.contract.families import OFFICIAL
from prsbench.harness.contract.files import cache_folder
from prsbench.harness.contract.results import CHANGE_MARK
from prsbench.harness.engine.grid.schema import GridConfig, Phantoms, PrsMedFolder
from prsbench.harness.engine.plan.fingerprints import code_hashes
from prsbench.harness.engine.store.keys import FOLDER_DIGITS, key_of
from prsbench.harness.engine.store.run_folder import RunFolder


def prepare_roots(grid: GridConfig, run: RunFolder, say: Callable[[str], None]) -> tuple[Path, ...]:
    """The folder of every data source; synthetic images are drawn into the run folder last, once per config."""
    for source in grid.data:
        if isinstance(source, PrsMedFolder):
            _given_root(source)
    corruptions = grid.corruptions if grid.split == "test" else ()
    roots = (_phantom_root(s, run, say) if isinstance(s, Phantoms) else _given_root(s) for s in grid.data)
    return tuple(_selected_root(source, root, corruptions, run) for source, root in zip(grid.data, roots, strict=True))


@dataclass(frozen=True)
class CheckedData:
    """The data sets of a grid: those that can be used, and for the others why not.

    disclosed: by data set, what a reader of its numbers must know.
    """

    usable: Sequence[FolderDataset]
    refused: Sequence[tuple[FolderDataset, str]] = ()
    disclosed: Mapping[str, str] = field(default_factory=dict)


def open_all(roots: Iterable[Path]) -> list[FolderDataset]:
    """Every data set under these folders, in their order; names are unique. The user's cache saves what it knows of them."""
    return _unique(dataset for root in roots for dataset in _opened(root, [_cache()])[1])


def open_for_job(roots: Iterable[Path], run: RunFolder, names: Collection[str]) -> dict[str, FolderDataset]:
    """The data sets with these names (empty: all) as the driver checked them, from its index in the run folder.

    No table is read; a picture that has changed since is refused when it is read. Without an index that can be read, the data are
    opened as by the driver.
    """
    datasets: list[FolderDataset] = []
    for root in roots:
        selection = read_selection(root)
        indexed = read_index(selection.root if selection else root, run.data, () if selection else names)
        if indexed is None:
            datasets += _opened(root, [_cache()])[1]
        else:
            datasets += selection.apply(indexed) if selection else indexed
    return {dataset.name: dataset for dataset in _unique(datasets) if dataset.name in names or not names}


def open_checked(
    roots: Sequence[Path], grid: GridConfig, run: RunFolder, say: Callable[[str], None]
) -> tuple[CheckedData, list[str]]:
    """The data sets under these folders, checked, and sentences on what was left out and on what the user should look at.

    Every file is decoded and hashed once; indexes in the run folder and the user's cache remember it.

    Raises:
        DataError: no data set can be used, or one of a tuning run cannot; all problems as one error.
    """
    places = [run.data, _cache()]
    opened = [_opened(root, places, grid.execution.trust_mtime) for root in roots]
    of_root = zip(grid.data, roots, (taken for _, taken in opened), strict=True)
    disclosed = {data.name: text for source, root, taken in of_root for data in taken if (text := _disclosed(source, root, data))}
    datasets = _unique(dataset for _, taken in opened for dataset in taken)
    notes = [note for root, taken in opened for note in [*root.left_out, *(note for dataset in taken for note in dataset.notes)]]
    try:
        return _checked(datasets, grid, say, disclosed), notes
    finally:  # the next attempt need not check the other data sets again
        end_processes()
        for root, _ in opened:
            write_index(root, places)


def _disclosed(source: Phantoms | PrsMedFolder, root: Path, dataset: FolderDataset) -> str:
    """What a reader of its numbers must know of a data set: its difficulty, what was taken, how test pictures were changed."""
    if dataset.change:  # the rest is said of the unchanged one
        return str(dataset.change)
    texts = []
    if isinstance(source, Phantoms) and source.difficulty != Difficulty():
        texts.append(f"synthetic, difficulty {source.difficulty} (0: easy, 1: hardest)")
    if (selection := read_selection(root)) and selection.takes_a_part:
        texts.append(f"a selection of the pictures: {selection}")
    return "; ".join(texts)


def _opened(root: Path, places: Sequence[Path], trust_times: bool = True) -> tuple[OpenedRoot, Sequence[FolderDataset]]:
    """A root, and its data sets or what a selection takes of them."""
    selection = read_selection(root)
    opened = open_root_indexed(selection.root if selection else root, places, trust_times)
    return opened, selection.apply(opened.datasets) if selection else opened.datasets


def _cache() -> Path:
    return cache_folder() / "data"


def _unique(datasets: Iterable[FolderDataset]) -> list[FolderDataset]:
    found = list(datasets)
    for name, count in Counter(dataset.name for dataset in found).items():
        if count > 1:
            raise ConfigError(f"Two data sources hold a data set '{name}'. Put them in separate grids.")
    return found


def _checked(
    datasets: Sequence[FolderDataset], grid: GridConfig, say: Callable[[str], None], selected: Mapping[str, str]
) -> CheckedData:
    """A data set with problems is left out; the others can be used. selected: what is disclosed of selections, by data set.

    Methods train on all data sets together, so that a picture in two splits of two data sets is one too many as well.
    """
    usable: list[FolderDataset] = []
    refused, disclosed = [], dict(selected)
    seen: dict[bytes, Seen] = {}  # pictures of the usable data sets
    in_two_splits = Counter[str]()
    for dataset in datasets:
        if dataset.change:  # its files are those of the unchanged data set, which comes first
            if dataset.name.partition(CHANGE_MARK)[0] in [one.name for one in usable]:
                usable.append(dataset)
            else:
                refused.append((dataset, "its unchanged pictures cannot be used."))
            continue
        try:
            pairs = dataset.check(say, with_its_own := ChainMap({}, seen))
            if grid.split not in dataset.splits:
                found = ", ".join(dataset.splits)
                raise DataError(f"{dataset.title}: expected samples in split '{grid.split}', got {found} only. Add some.")
            if pairs and not grid.allow_shared_pictures:
                advice = "move each into one, or set allow_shared_pictures: true, which the tables disclose"
                refuse(f"{dataset.title}, the same picture in two splits ({advice})", [sentence for sentence, _ in pairs])
            in_two_splits.update(name for _, other in pairs for name in {dataset.name, other})
            seen.update(with_its_own.maps[0])
            usable.append(dataset)
        except (DataError, OSError) as error:
            refused.append((dataset, str(error)))
    if refused and (not usable or grid.split != "test"):
        raise DataError("\n".join(problem for _, problem in refused))
    for name, count in in_two_splits.items():
        shared = f"{count} pictures are in two splits, as allow_shared_pictures permits"
        disclosed[name] = "; ".join([*filter(None, [disclosed.get(name)]), shared])
    if not refused and not in_two_splits:
        say(_all_well([dataset for dataset in usable if not dataset.change]))
    return CheckedData(usable, refused, disclosed)


def _all_well(datasets: Sequence[FolderDataset]) -> str:
    splits = Counter(split for dataset in datasets for split in dataset.split_of.values())
    counts = ", ".join(f"{splits[split]} {split}" for split in SPLITS if splits[split])
    sets = f"{len(datasets)} data sets" if len(datasets) > 1 else f"'{datasets[0].name}'"
    return f"Data: {splits.total()} pictures of {sets} ({counts}); every file can be read, and no picture is in two splits."


def manifest_hash(dataset: FolderDataset, split: str) -> str:
    """Hash of every image, text, group and spacing of a split, in the order of its samples (the order decides the batches).

    An unknown spacing and the official family are left out, so that data with no others keep the hash of older versions.
    """
    left_out = ("spacing_mm", None), ("family", OFFICIAL)
    change = {"change": dataset.change.name, "code": code_hashes([type(dataset.change).__module__])} if dataset.change else {}
    names = [field.name for field in fields(ManifestRow)]
    rows = ({name: getattr(row, name) for name in names} for row in dataset.manifest(split))
    return key_of({"rows": [{k: v for k, v in row.items() if (k, v) not in left_out} for row in rows], **change})


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


def _selected_root(source: Phantoms | PrsMedFolder, root: Path, corruptions: tuple[str, ...], run: RunFolder) -> Path:
    """The folder itself, or one in the run folder that stands for a selection or corruptions of it."""
    selection = Selection(root.resolve(), corruptions=corruptions)
    if isinstance(source, PrsMedFolder):
        excluded = read_excluded(root / source.exclude) if source.exclude else ()
        selection = Selection(selection.root, excluded, source.limit, source.folds, source.fold, source.seed, corruptions)
    if not selection.takes_a_part and not corruptions:
        return root
    key = key_of({**asdict(selection), "root": str(selection.root)})
    return write_selection(selection, run.data.resolve() / f"selection-{key[:FOLDER_DIGITS]}")


def _given_root(source: PrsMedFolder) -> Path:
    if source.root is None:
        raise ConfigError("The grid's source 'prs_med' names no folder. Set it with --data DIR, or as `root` in the grid.")
    if not source.root.is_dir():
        raise DataError(f"{source.root}: no such folder. Prepare it with `prsbench prepare`, or correct --data.")
    return source.root.resolve()

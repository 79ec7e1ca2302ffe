"""PosMed (MMRS) as Hugging Face stores data sets: Parquet or Arrow files with pictures inside, in any number of shards.

Every row is a question, with the columns `image` and `mask` (pictures: bytes, or a path below the given folder), `question` and
`answer`, all written unchanged into the official folders and tables. `image_path` (the mask's path in the official tables) says
where; without it, `modality` (ours, or the official folder's name) and `image_name` do. The split is the column `split`, the one
in image_path, or that of the file's name (`train-00000-of-00002.parquet`). A column `position` is written if there is one.

Which columns the release on the hub has is unconfirmed; those of the official tables are expected. Needs the extra `hub`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from prsbench.datasets.card import CARD
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.official_table import MODALITY_OF_FOLDER, image_candidates
from prsbench.datasets.official_writer import OFFICIAL_COLUMNS, WrittenCounts
from prsbench.datasets.pictures import read_mask
from prsbench.datasets.prepare.archive import split_named
from prsbench.datasets.prepare.layout import files_below
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import ConfigError, DataError, MissingPrerequisite, refuse
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.modalities import BY_NAME

REQUIRED = ("image", "mask", "question", "answer")
ROWS_AT_ONCE = 64


def write_hub(root: Path, to_folder: Path) -> tuple[WrittenCounts, tuple[str, ...]]:
    """Write every row of the files below root into the official layout; counts, and the modalities.

    Raises:
        ConfigError: to_folder holds tables already.
        DataError: no such files, a missing column, or rows that cannot be written (first 20 shown).
    """
    if any(to_folder.glob("*.csv")) or (to_folder / CARD).exists():
        raise ConfigError(f"--to {to_folder}: expected a folder without tables, got some. Choose another folder.")
    tables: dict[str, list[dict[str, str]]] = defaultdict(list)
    written: dict[Path, str] = {}
    empty: dict[Path, bool] = {}
    problems: list[str] = []
    for where, row, file_split in _rows(root):
        try:
            folder, split, mask_path = _place(where, row, file_split)
            image_path = image_candidates(mask_path)[0]
            for kind, path in (("image", to_folder / image_path), ("mask", to_folder / mask_path)):
                _write_once(where, path, _bytes_of(where, row[kind], kind, root), written)
            mask = to_folder / mask_path
            if mask not in empty:
                empty[mask] = not read_mask(mask).any()
        except DataError as error:
            problems.append(str(error))
            continue
        name = PurePosixPath(mask_path).name
        texts = {column: str(row.get(column) or "") for column in ("question", "position", "answer")}
        tables[folder].append({"image_path": mask_path, "image_name": name, "split": split, **texts})
    refuse(f"{root}", problems)
    for folder, rows in tables.items():
        text = io.StringIO()
        writer = csv.DictWriter(text, OFFICIAL_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(to_folder / f"{folder}.csv", text.getvalue().encode())
    datasets = open_root(to_folder)
    per_split = Counter(mask.parent.name.partition("_")[0] for mask in empty)
    counts = WrittenCounts(len(empty), sum(empty.values()), len(empty), {split: per_split[split] for split in SPLITS})
    return counts, tuple(dataset.modality for dataset in datasets)


def _rows(root: Path) -> Iterator[tuple[str, Mapping[str, Any], str | None]]:
    """(file and row for messages, cells, the split that the file's name says), a few rows in memory at a time."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingPrerequisite(f"{root} needs pyarrow: pip install 'prsbench[hub]'.") from error

    files = [file for _, file in files_below(root) if file.suffix.lower() in (".parquet", ".arrow")]
    if not files:
        raise DataError(f"{root}: expected *.parquet or *.arrow, found none. Give the folder of the downloaded data set.")
    for file in files:
        number = 0
        try:
            is_parquet = file.suffix.lower() == ".parquet"
            batches = pq.ParquetFile(file).iter_batches(ROWS_AT_ONCE) if is_parquet else pa.ipc.open_stream(file)
            for batch in batches:
                if missing := set(REQUIRED) - set(batch.schema.names):
                    raise DataError(
                        f"{file}: expected the columns {', '.join(REQUIRED)}, got {', '.join(batch.schema.names)} (missing: "
                        f"{', '.join(sorted(missing))}). Rename the columns."
                    )
                for row in batch.to_pylist():
                    number += 1
                    yield f"{file} row {number}", row, split_named(file.name) or split_named(file.parent.name)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{file}: cannot be read ({error}). Download it again.") from error


def _place(where: str, row: Mapping[str, Any], file_split: str | None) -> tuple[str, str, str]:
    """The official folder, the split and the mask's path below the root."""
    path = PurePosixPath(str(row.get("image_path") or "").replace("\\", "/"))
    modality = str(row.get("modality") or "")
    parents = path.parts[:-1]
    folder = next((part for part in parents if part in MODALITY_OF_FOLDER), None)
    if folder is None:
        folder = BY_NAME[modality].official_folder if modality in BY_NAME else modality
    in_path = next((part.partition("_")[0] for part in parents if part.lower().endswith("_masks")), None)
    split = split_named(str(row.get("split") or in_path or "")) or file_split
    name = path.name or PurePosixPath(str(row.get("image_name") or "").replace("\\", "/")).name
    if folder not in MODALITY_OF_FOLDER or split is None or name in ("", "..") or "\0" in name:
        raise DataError(
            f"{where}: expected a modality's folder, a split and a file name in image_path or in modality, split and image_name, "
            f"got '{path}', '{modality}', '{row.get('split')}' and '{row.get('image_name')}'. Correct the row."
        )
    return folder, split, f"{folder}/{split}_masks/{name if PurePosixPath(name).suffix else name + '.png'}"


def _bytes_of(where: str, cell: Any, kind: str, root: Path) -> bytes:
    if isinstance(cell, bytes):
        return cell
    known = cell if isinstance(cell, Mapping) else {"path": cell}
    if known.get("bytes"):
        return bytes(known["bytes"])
    path = (root / str(known.get("path") or "")).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise DataError(f"{where}: expected {kind} as bytes or as a file below {root}, got {str(cell)[:80]!r}. Restore it.")
    return path.read_bytes()


def _write_once(where: str, path: Path, content: bytes, written: dict[Path, str]) -> None:
    digest = sha256(content).hexdigest()
    if path not in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written[path] = digest
    elif written[path] != digest:
        raise DataError(f"{where}: expected one picture called {path.name}, got another one. Give them different names.")

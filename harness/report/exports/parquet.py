"""The lines of samples.csv.gz as one Parquet file, with numbers as numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.results import CellResult
from prsbench.harness.report.exports.samples import COLUMNS, FAMILY, FORMAT, samples_csv

_INTEGERS = ("seed", "height_px", "width_px", "near_centre", "batch_size", "no_mask", "n_lesions")
_FLOATS = ("truth_x", "truth_y", "predicted_x", "predicted_y", "seconds", "area_share")


def write_parquet(cells: Sequence[CellResult], path: Path) -> None:
    """Write the same columns in the same order; null where a number is not defined; the format's name is in the metadata.

    Raises:
        MissingPrerequisite: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow.parquet import write_table
    except ImportError as error:
        raise MissingPrerequisite("Parquet needs pyarrow. Run: pip install 'prsbench[parquet]'.") from error
    text = samples_csv(cells)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    head, *lines = csv.reader(io.StringIO(text, newline=""))
    columns = {}
    for number, name in enumerate(head):
        texts = [line[number] for line in lines]
        if name in _INTEGERS:
            columns[name] = pa.array(map(int, texts), pa.int64())
        elif name in _FLOATS or name not in (*COLUMNS, FAMILY):  # the others are metrics
            columns[name] = pa.array([float(text) if text else None for text in texts], pa.float64())
        else:
            columns[name] = pa.array(texts, pa.string())
    stream = io.BytesIO()
    write_table(pa.table(columns, metadata={"format": FORMAT}), stream)
    write_atomically(path, stream.getvalue(), durable=False)

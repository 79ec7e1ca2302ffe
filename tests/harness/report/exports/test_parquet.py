"""The Parquet file: the lines of samples.csv.gz with numbers as numbers."""

import csv
import io
import sys

import pytest
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.report.exports.parquet import write_parquet
from prsbench.harness.report.exports.samples import FORMAT, samples_csv


def test_it_holds_every_line_and_column_of_the_csv(cell, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = [cell("cg_reasoner", (0.123456789, 0.7), failed=(1,)), cell("oracle", (0.5, 0.6))]
    write_parquet(cells, tmp_path / "samples.parquet")
    table = parquet.read_table(tmp_path / "samples.parquet")
    lines = list(csv.DictReader(io.StringIO(samples_csv(cells))))
    assert table.num_rows == len(lines) and table.column_names == list(lines[0])
    assert table.schema.metadata[b"format"] == FORMAT.encode()
    assert table["dice@0.5"].to_pylist() == [0.123456789, None, 0.5, 0.6]
    assert table["height_px"].to_pylist() == [64] * 4 and table["answer"].to_pylist() == [line["answer"] for line in lines]


def test_without_pyarrow_it_says_what_to_install(cell, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPrerequisite, match=r"prsbench\[parquet\]"):
        write_parquet([cell()], tmp_path / "samples.parquet")

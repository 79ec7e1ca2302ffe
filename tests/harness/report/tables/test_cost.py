"""The cost of each row: apart from the tables, and never blank."""

from __future__ import annotations

from dataclasses import replace
from math import nan

from prsbench.harness.contract.results import Cost
from prsbench.harness.report.tables.cost import cost_table
from prsbench.harness.report.tables.selection import tables_of
from prsbench.harness.report.writer import changed_tables, write_report

COST = Cost(
    parameters=2_500_000, trainable_parameters=500_000, flops_per_image=3 * 10**9, peak_memory_bytes=2.0**30, device="cpu"
)


def _line(cells):
    return dict(zip(cost_table(cells).frame.columns, cost_table(cells).frame.iloc[0], strict=True))


def test_a_line_holds_means_of_operations_and_seconds_and_the_most_memory(cell):
    cells = [
        replace(cell(), cost=COST),
        replace(cell(modality="skin_rgb"), cost=replace(COST, flops_per_image=5 * 10**9, peak_memory_bytes=2.0**31)),
    ]
    line = _line(cells)
    assert (line["parameters (M)"], line["trainable (M)"]) == ("2.50", "0.50")
    assert (line["GFLOPs an image"], line["s an image"], line["peak memory (MiB)"]) == ("4.00", "0.100", "2048")
    assert "Measured on: cpu." in cost_table(cells).footnotes


def test_what_is_not_known_is_a_dash_and_a_row_that_failed_keeps_its_line(cell):
    for known in (None, Cost(0, 0, 0, nan, "cpu")):
        line = _line([replace(cell(), cost=known)])
        assert [line[name] for name in ("parameters (M)", "GFLOPs an image", "peak memory (MiB)")] == ["-"] * 3
        assert line["s an image"] == "0.100"
    failed = _line([cell(values=(), n_manifest=2, status="failed", error="boom")])
    assert failed["method"] == "cg_reasoner" and failed["s an image"] == "-"


def test_failed_samples_have_no_seconds(cell, refilled):
    one = cell(values=(0.5, 0.5), failed=(0,))
    slow = replace(one.records[0], seconds=9.0)
    assert _line([refilled(one, (slow, one.records[1]), one.scores)])["s an image"] == "0.100"


def test_another_cost_changes_no_table_no_figure_and_not_the_page(cell, tmp_path):
    contents = []
    for name, cost in (("a", COST), ("b", replace(COST, peak_memory_bytes=1.0))):
        cells = [replace(cell(), cost=cost)]
        write_report(cells, tmp_path / name, lambda *_: None)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
        assert "cost" not in {table.name for table in tables_of(cells)}
        assert not changed_tables(cells, tmp_path / name)
    assert contents[0].keys() == contents[1].keys()
    changed = {str(path) for path in contents[0] if contents[0][path] != contents[1][path]}
    assert changed == {f"cost/cost.{ending}" for ending in ("csv", "md", "tex", "html")}
    assert {line.partition(":")[0] for line in changed_tables(cells, tmp_path / "a")} == {
        str(tmp_path / "a" / n) for n in changed
    }

"""The report on held-out errors of Text2Centroid."""

from prsbench.harness.contract.results import HeldOut
from prsbench.harness.report.tables.text2centroid import held_out_tables
from prsbench.harness.report.writer import changed_tables, write_report

HEADER = ("by", "group", "n", "error")
FOUND = [HeldOut("text2centroid", seed, HEADER, (("all", "all", "9", "0.100"),)) for seed in (0, 1)]


def test_held_out_errors_are_a_table_a_kind_of_training_seed_by_seed():
    (table,) = held_out_tables(FOUND)
    assert table.name == "held_out_text2centroid" and table.frame["seed"].tolist() == ["0", "1"]
    assert list(table.frame.columns) == ["seed", *HEADER]


def test_they_stand_in_the_report_and_are_checked_with_it(cell, tmp_path):
    write_report([cell()], tmp_path, lambda *_: None, held_out=FOUND)
    assert "Held-out errors of text2centroid" in (tmp_path / "report.html").read_text()
    assert changed_tables([cell()], tmp_path, FOUND) == []
    assert "held_out_text2centroid" in changed_tables([cell()], tmp_path)[0]

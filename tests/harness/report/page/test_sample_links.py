"""Numbers of the tables as links to the samples behind them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.page.sample_links import sample_link
from prsbench.harness.report.tables.selection import tables_of

WITHOUT_ROWS = {"validity", "main_long", "tuning"}  # about data sets and judges; for machines; about val in other runs


@pytest.fixture(scope="module")
def tables(grid):
    return {table.name: table for table in tables_of(grid())}


def shown_by(table, number, name):
    (column,) = (column for column in table.numbers if column.name == name)
    address = urlsplit(sample_link(table, table.frame.iloc[number].to_dict() | {name: "0.5"}, column))
    assert address.path == "viewer/index.html"
    return {key: value for key, (value,) in parse_qs(address.fragment).items()}


def test_a_number_of_one_modality_leads_to_its_row_metric_and_modality(tables):
    assert shown_by(tables["main"], 0, "CT mIoU") == {"row": "cg_reasoner", "sort": "miou_pranet", "modality": "lung_ct"}
    assert shown_by(tables["paper/reasoning"], 0, "Breast US PRScore")["modality"] == "breast_us"


def test_a_mean_leads_to_all_samples_of_its_row(tables):
    assert shown_by(tables["main"], 1, "mean mDice") == {"row": "cg_reasoner_without_t2c", "sort": "mdice_pranet"}


def test_a_subgroup_leads_to_its_samples_alone(tables):
    assert shown_by(tables["by_lesion_size"], 0, "small PRScore")["by_lesion_size"] == "small"
    assert "by_lesion_size" not in shown_by(tables["by_lesion_size"], 0, "mean PRScore")


def test_a_difference_leads_to_both_rows_sorted_by_their_disagreement(tables):
    shown = shown_by(tables["comparisons"], 0, "difference")
    line = tables["comparisons"].frame.iloc[0]
    expected = {"row": line["method"], "row2": line["against"], "by": "difference", "sort": "mdice_pranet"}
    assert shown == expected
    shown = shown_by(tables["t2c_ablation"], 1, "difference")
    assert (shown["row"], shown["row2"], shown["by"]) == ("cg_reasoner", "cg_reasoner_without_t2c", "difference")


def test_published_numbers_and_those_of_methods_not_run_lead_nowhere(tables):
    table = tables["published"]
    lines = table.frame.to_dict("records")
    columns = {column.name: column for column in table.numbers}
    assert not any(sample_link(table, line, columns["published"]) for line in lines)
    assert not any(sample_link(table, line, column) for line in lines if line["row"] == "-" for column in table.numbers)
    assert any(sample_link(table, line, columns["ours"]) for line in lines)


def test_every_other_number_has_samples(tables):
    for table in tables.values():
        for line in table.frame.to_dict("records") if table.name not in {*WITHOUT_ROWS, "published"} else ():
            for column in table.numbers:
                assert bool(sample_link(table, line, column)) == (line[column.name] != "-"), (table.name, column.name)


def test_with_several_data_kinds_the_kind_is_in_the_link(cell):
    cells = [cell(), cell(kind=DataKind.REAL, dataset="other")]
    table = {table.name: table for table in tables_of(cells)}["main"]
    assert {shown_by(table, number, "mean mDice")["kind"] for number in (0, 1)} == {"synthetic", "real"}

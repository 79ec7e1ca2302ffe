"""Scores by family of questions: each family's own accuracy beside its best constant answer, and nothing where none was asked."""

from dataclasses import replace
from math import isfinite, nan

import pytest
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.report.exports.samples import Results, read_results, write_results
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables import scores
from prsbench.harness.report.tables.formats import to_csv
from prsbench.harness.report.tables.paraphrases import paraphrases
from prsbench.harness.report.tables.selection import tables_of
from prsbench.metrics.catalog import METRICS

ASKED = (  # family, whether the answer was right, whether the constant answer is
    ("where", 1.0, 1.0), ("where", 0.0, 0.0), ("count", 1.0, 1.0), ("count", 1.0, 0.0),
    ("presence", 0.0, 1.0), ("presence", 0.0, 1.0),
)  # fmt: skip


@pytest.fixture
def asked(cell, refilled):
    def of(method="cg_reasoner", modality="brain_mri", families=ASKED, **options):
        one = cell(method, (0.5,) * len(families), modality, **options)
        records = [
            replace(record, family=family, sample_id=f"image#{number}", question=family)
            for number, (record, (family, *_)) in enumerate(zip(one.records, families, strict=True))
        ]
        values = []
        for known, (family, right, constant) in zip(one.scores, families, strict=True):
            kind = "position" if family == "where" else "answer"
            undefined = dict.fromkeys(("position_accuracy", "position_constant", "answer_accuracy", "answer_constant"), nan)
            values.append({**known, **undefined, f"{kind}_accuracy": right, f"{kind}_constant": constant})
        return refilled(one, records, [{name: each[name] for name in METRICS} for each in values])

    return of


def table_of(*cells):
    return scores.by_family(rows_of(cells))


def test_each_family_has_the_accuracy_that_is_defined_for_it_beside_its_constant(asked):
    table = table_of(asked())
    (row,) = table.frame.to_dict("records")
    assert [column.name for column in table.numbers] == [
        "where Position acc.", "where Constant pos.", "count Answer acc.", "count Constant ans.", "presence Answer acc.",
        "presence Constant ans.", "mean Position acc.", "mean Constant pos.", "mean Answer acc.", "mean Constant ans.",
    ]  # fmt: skip
    assert row["where Position acc."] == "0.500" and row["count Answer acc."] == "1.000"
    assert row["presence Answer acc."] == "0.000§" and row["presence Constant ans."] == "1.000"
    assert (row["mean Position acc."], row["mean Answer acc."]) == ("0.500", "0.500§")
    assert any("count: number of lesions" in note for note in table.footnotes)


def test_a_run_that_asked_only_the_official_family_has_no_such_table_and_no_such_lines(cell, asked):
    assert table_of(cell()) is None and table_of(asked(families=ASKED[:2])) is None
    tables = {table.name: table for table in tables_of([cell()])}
    assert "by_family" not in tables and not set(tables["main_long"].frame["metric"]) & {"answer_accuracy", "answer_constant"}
    with_families = {table.name: table for table in tables_of([asked()])}
    assert "by_family" in with_families and "answer_accuracy" in set(with_families["main_long"].frame["metric"])


def test_a_data_set_that_lacks_a_family_is_left_out_of_its_mean(asked):
    more = asked(modality="lung_ct", families=[("where", 1.0, 1.0), ("side", 0.0, 1.0)])
    (row,) = table_of(asked(), more).frame.to_dict("records")
    assert (row["where Position acc."], row["side Answer acc."], row["count Answer acc."]) == ("0.750", "0.000§", "1.000")


def test_a_failed_cell_and_a_damaged_one_leave_no_number(asked):
    def damaged():
        raise RunFolderError("records.jsonl is damaged")

    broken = replace(asked("prs_med"), read=damaged)
    failed = asked("unet", status="failed", error="out of memory")
    frame = table_of(broken, asked(), failed).frame.set_index("method")
    assert frame.loc["unet", "count Answer acc."] == frame.loc["prs_med", "count Answer acc."] == "FAILED"
    assert frame.loc["cg_reasoner", "count Answer acc."] == "1.000"


def test_the_table_follows_from_the_records(asked, tmp_path):
    cells = [asked(), asked("oracle")]
    write_results(Results(cells, [], {}), tmp_path)
    there = read_results(tmp_path).cells
    assert [record.family for record in there[0].records] == [family for family, *_ in ASKED]
    assert to_csv(table_of(*there)) == to_csv(table_of(*cells))
    assert all(isfinite(each["answer_accuracy"]) for each in there[0].scores[2:])


def test_questions_of_different_families_are_no_paraphrases_of_each_other(asked):
    assert paraphrases(rows_of([asked(families=[("where", 1.0, 1.0), ("count", 1.0, 1.0)])])) is None
    assert paraphrases(rows_of([asked()])) is not None

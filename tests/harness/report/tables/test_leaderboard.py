"""The leaderboard: only rows that may be compared are ranked together, and every entry says what it is worth."""

from dataclasses import replace

import pytest
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.tables.leaderboard import RECORDS_ONLY, VERIFIED, Entrant, leaderboard

ABOUT = {"commit": "0123456789abcdef", "dirty": True, "digest": "d"}


def entrant(cell, name, values=(0.5, 0.7), check=VERIFIED, methods=("cg_reasoner", "oracle"), **changes):
    how = {key: changes.pop(key) for key in ("kind", "seed", "failed") if key in changes}
    return Entrant(name, [replace(cell(method, values, **how), **changes) for method in methods], ABOUT, check)


def ranks(table):
    return {(line["run"], line["method"]): line["rank"] for line in table.frame.to_dict("records")}


def test_runs_on_the_same_samples_are_ranked_together_and_floors_and_ceilings_never(cell):
    [table] = leaderboard([entrant(cell, "a"), entrant(cell, "b", (0.6, 0.8))])
    assert ranks(table) == {("a", "cg_reasoner"): "2", ("b", "cg_reasoner"): "1", ("a", "oracle"): "-", ("b", "oracle"): "-"}
    assert set(table.frame["commit"]) == {"0123456789ab+"} and set(table.frame["digest"]) == {"d"}
    assert (table.frame["n"] == "2/2").all() and (table.frame["seeds"] == "0").all()


@pytest.mark.parametrize(
    "change",
    [{"kind": DataKind.REAL}, {"protocol": "another"}, {"judge": "another 2"}, {"values": (0.5, 0.7, 0.9)}],
    ids=["data kind", "protocol", "judge", "samples"],
)
def test_entries_of_other_data_protocol_or_judge_are_in_tables_of_their_own(cell, change):
    first, second = leaderboard([entrant(cell, "a"), entrant(cell, "b", **change)])
    assert set(first.frame["run"]) == {"a"} and set(second.frame["run"]) == {"b"}


def test_other_references_under_the_same_ids_are_other_data(cell, refilled):
    other = entrant(cell, "b")
    records = [replace(record, reference_answer="It is in the bottom right.") for record in other.cells[0].records]
    other = replace(other, cells=[refilled(one, records, one.scores) for one in other.cells])
    assert len(leaderboard([entrant(cell, "a"), other])) == 2


def test_rows_of_different_prompts_do_not_rank_against_each_other(cell):
    [table] = leaderboard([entrant(cell, "a"), entrant(cell, "b", (0.1, 0.2), methods=("lite_medsam_oracle_box",))])
    assert ranks(table)["b", "lite_medsam_oracle_box"] == "1"


def test_a_run_in_which_verify_found_problems_has_no_rank_and_nothing_in_bold(cell):
    [table] = leaderboard(
        [entrant(cell, "a"), entrant(cell, "b", (0.9, 0.9), check="verify found 2 problems"), entrant(cell, "c", (0.1, 0.1))]
    )
    assert ranks(table)["b", "cg_reasoner"] == "-" and ranks(table)["a", "cg_reasoner"] == "1"
    assert {table.frame["run"][i] for i, _ in table.best} == {"a"}


def test_failed_samples_have_no_rank_and_records_say_that_nothing_was_verified(cell):
    [table] = leaderboard([entrant(cell, "a", failed=(1,)), entrant(cell, "b", check=RECORDS_ONLY)])
    assert ranks(table)["a", "cg_reasoner"] == "-" and ranks(table)["b", "cg_reasoner"] == "1"
    assert set(table.frame["check"]) == {VERIFIED, RECORDS_ONLY}


def test_equal_printed_numbers_share_a_place(cell):
    [table] = leaderboard([entrant(cell, "a"), entrant(cell, "b"), entrant(cell, "c", (0.1, 0.1))])
    assert [ranks(table)[name, "cg_reasoner"] for name in "abc"] == ["1", "1", "3"]

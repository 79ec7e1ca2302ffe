"""The CSVs for challengeR and Claims Reloaded: columns by name, every row on every case, and only rows that may be compared."""

import csv
import io
from dataclasses import replace

import pytest
from prsbench.harness.report.exports.score_files import challenger_files, claims_files


def parsed(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def two_rows(cell):
    return [
        *(
            cell(name, values, "brain_mri")
            for name, values in (("cg_reasoner", (0.5, 0.7)), ("cg_reasoner_without_t2c", (0.25, 1)))
        ),
        *(cell(name, (0.5, 0.5), "brain_mri") for name in ("oracle", "lite_medsam_oracle_box")),
    ]


def test_challenger_has_its_four_columns_and_one_line_per_row_and_case(two_rows):
    files = challenger_files(two_rows)
    lines = parsed(files["synthetic-native_size-question-dice_0.5.csv"])
    assert [list(line.values()) for line in lines] == [
        ["brain_mri", "cg_reasoner", "brain_mri/brain_mri/00", "0.5"],
        ["brain_mri", "cg_reasoner_without_t2c", "brain_mri/brain_mri/00", "0.25"],
        ["brain_mri", "cg_reasoner", "brain_mri/brain_mri/01", "0.7"],
        ["brain_mri", "cg_reasoner_without_t2c", "brain_mri/brain_mri/01", "1.0"],
    ]
    assert list(lines[0]) == ["task", "alg_name", "case", "value"]


def test_rows_of_different_prompts_are_never_in_one_file_and_floors_and_ceilings_in_none(two_rows):
    files = challenger_files(two_rows) | claims_files(two_rows)
    assert any("oracle box" in name.replace("_", " ") for name in files)
    for text in files.values():
        assert not ("cg_reasoner" in text and "lite_medsam" in text) and ",oracle," not in text and "alg_oracle," not in text


def test_claims_have_one_line_per_case_and_a_column_per_row(two_rows):
    [first, second] = parsed(claims_files(two_rows)["synthetic-native_size-question-brain_mri-dice_0.5.csv"])
    assert first == {"case_id": "brain_mri/brain_mri/00", "alg_cg_reasoner": "0.5", "alg_cg_reasoner_without_t2c": "0.25"}
    assert second["alg_cg_reasoner_without_t2c"] == "1.0"


def test_a_failed_sample_is_no_score_and_stays_a_case(cell):
    cells = [cell("cg_reasoner", (0.5, 0.7), failed=(1,)), cell("cg_reasoner_without_t2c", (0.5, 0.7))]
    values = [line["value"] for line in parsed(challenger_files(cells)["synthetic-native_size-question-dice_0.5.csv"])]
    assert values == ["0.5", "0.5", "NA", "0.7"]
    assert parsed(claims_files(cells)["synthetic-native_size-question-brain_mri-dice_0.5.csv"])[1]["alg_cg_reasoner"] == ""


def test_a_row_that_failed_on_a_data_set_has_no_score_on_each_of_its_cases(cell):
    lost = replace(cell("cg_reasoner", (0.5, 0.7)), status="failed", error="out of memory")
    values = [v["value"] for v in parsed(challenger_files([lost, cell("cg_reasoner_without_t2c", (0.5, 0.7))]).popitem()[1])]
    assert values.count("NA") == 2 == len(values) - 2


def test_a_case_in_which_nothing_is_defined_is_left_out(cell):
    cells = [cell(name, (0.5, 0.7), empty=(0,)) for name in ("cg_reasoner", "cg_reasoner_without_t2c")]
    assert len(parsed(challenger_files(cells)["synthetic-native_size-question-dice_0.5.csv"])) == 2


def test_several_seeds_give_their_mean_and_none_if_one_failed(cell):
    cells = [cell("cg_reasoner", (0.5, 0.7)), cell("cg_reasoner", (0.25, 0.7), seed=1, failed=(1,))]
    values = [line["value"] for line in parsed(challenger_files(cells)["synthetic-native_size-question-dice_0.5.csv"])]
    assert values == ["0.375", "NA"]

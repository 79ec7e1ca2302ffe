"""The report on both Text2Centroids."""

from dataclasses import replace

from prsbench.harness.contract.results import HeldOut
from prsbench.harness.contract.types import Point
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.text2centroid import held_out_tables, judge_errors
from prsbench.harness.report.writer import changed_tables, write_report

HEADER = ("by", "group", "n", "error")
FOUND = [HeldOut("text2centroid", seed, HEADER, (("all", "all", "9", "0.100"),)) for seed in (0, 1)]


def placed(cell, distances, points):
    records = tuple(replace(r, truth_centroid=Point(*p) if p else None) for r, p in zip(cell.records, points, strict=True))
    scores = tuple({"label_noise": d} for d in distances)
    return replace(cell, read=lambda: (records, scores))


def test_the_judges_error_counts_each_sample_once_next_to_the_error_of_the_mean_point(cell):
    points = [(-0.6, 0.0), (0.6, 0.0)]
    cells = [placed(cell(method, (0.5, 0.5)), (0.1, 0.3), points) for method in ("cg_reasoner", "oracle")]
    table = judge_errors(rows_of(cells))
    assert table.frame.values.tolist()[0] == ["all", "all", "2", "0.200", "0.600"]
    assert [row[:2] for row in table.frame.values.tolist()[1:]] == [["modality", "brain_mri"], ["position", "top left"]]


def test_samples_without_a_place_are_left_out_and_without_any_there_is_no_table(cell):
    table = judge_errors(rows_of([placed(cell(), (float("nan"), 0.3), [None, (0.5, 0.5)])]))
    assert table.frame["n"][0] == "1"
    assert judge_errors(rows_of([placed(cell(), (float("nan"),) * 2, [None, None])])) is None


def test_numbers_of_a_random_judge_are_marked(cell):
    known = placed(cell(), (0.1, 0.3), [(-0.6, 0.0), (0.6, 0.0)])
    assert "error RANDOM" in judge_errors(rows_of([replace(known, judge_notes=("RANDOM sentence encoder",))])).frame.columns


def test_held_out_errors_are_a_table_a_kind_of_training_seed_by_seed():
    (table,) = held_out_tables(FOUND)
    assert table.name == "held_out_text2centroid" and table.frame["seed"].tolist() == ["0", "1"]
    assert list(table.frame.columns) == ["seed", *HEADER]


def test_they_stand_in_the_report_and_are_checked_with_it(cell, tmp_path):
    write_report([cell()], tmp_path, lambda *_: None, held_out=FOUND)
    assert "Held-out errors of text2centroid" in (tmp_path / "report.html").read_text()
    assert changed_tables([cell()], tmp_path, FOUND) == []
    assert "held_out_text2centroid" in changed_tables([cell()], tmp_path)[0]

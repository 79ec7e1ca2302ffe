"""Spread over paraphrases: by hand for one image with two questions, and the wording that does worst."""

from dataclasses import replace

import pytest
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.paraphrases import paraphrases


def asked(cell, questions_and_scores, method="cg_reasoner"):
    """questions_and_scores: (image, question, score) of each sample."""
    one = cell(method, tuple(score for *_, score in questions_and_scores))
    counted: dict[str, int] = {}
    records = []
    for record, (image, question, _) in zip(one.records, questions_and_scores, strict=True):
        number = counted[image] = counted.get(image, -1) + 1
        records.append(replace(record, sample_id=f"{image}#{number}", question=question))
    return replace(one, read=lambda: (records, one.scores))


def test_the_spread_is_the_mean_over_images_of_the_standard_deviation_over_questions(cell):
    same = [("a", "Where is the tumour?", 0.5), ("a", "Find the tumour.", 0.5)]
    other = [("b", "Where is the tumour?", 0.2), ("b", "Find the tumour.", 0.8)]
    table = paraphrases(rows_of([asked(cell, same + other)]))
    assert float(table.frame["Dice@0.5 spread"].iloc[0]) == pytest.approx((0 + 0.6 / 2**0.5) / 2, abs=1e-3)
    assert table.frame["images"].tolist() == ["2"]


def test_the_worst_wording_is_one_template_in_all_modalities(cell):
    good = [(f"{noun} {i}", f"Where is the {noun}?", 1.0) for noun in ("tumour", "mass") for i in range(3)]
    bad = [(f"{noun} {i}", f"Find the {noun}.", 0.0 if i else 1.0) for noun in ("tumour", "mass") for i in range(3)]
    frame = paraphrases(rows_of([asked(cell, good + bad)])).frame
    assert frame["worst wording"].tolist() == ["Find the *."] and frame["its n"].tolist() == ["6"]
    assert float(frame["worst wording's pos."].iloc[0]) == pytest.approx(2 / 6, abs=1e-3)


def test_a_wording_asked_about_few_images_is_not_called_the_worst(cell):
    frame = paraphrases(rows_of([asked(cell, [("a", "Where?", 0.0), ("a", "Find it.", 1.0)])])).frame
    assert frame["worst wording"].tolist() == ["-"]


def test_rows_with_one_question_an_image_have_no_line(cell):
    assert paraphrases(rows_of([asked(cell, [("a", "Where?", 0.0), ("b", "Where?", 1.0)])])) is None

from types import SimpleNamespace

import numpy as np
from prsbench.metrics.text.parser_judge import ParserJudge

MODELS = SimpleNamespace(
    name="other",
    checksum="abc",
    notes=("RANDOM",),
    is_cut=lambda s: [False] * len(s),
    embed=lambda sentences: np.ones((len(sentences), 2)),
)


def test_a_place_the_parser_reads_is_its_mean_point_and_any_other_sentence_the_centre():
    points = ParserJudge(MODELS).locate(["upper left", "0.3 right, 0.2 down", "a round shadow", "left half"])
    assert (points[0] < -0.3).all() and points[1].tolist() == [0.3, 0.2]
    assert (points[2:] == 0).all()


def test_embeddings_and_warnings_are_those_of_the_models_but_name_and_checksum_are_not():
    judge = ParserJudge(MODELS)
    assert (judge.embed(["a"]) == 1).all() and judge.notes == ("RANDOM",)
    assert judge.name.startswith("parser 1") and judge.checksum != "abc"


def test_no_sentences_give_no_points():
    assert ParserJudge(MODELS).locate([]).shape == (0, 2)

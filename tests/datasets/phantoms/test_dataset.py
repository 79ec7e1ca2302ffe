"""Phantoms in the official layout: complete or absent, marked synthetic, identified by a key."""

from __future__ import annotations

import pytest
from prsbench.datasets import official_writer
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.phantoms import dataset, drawing
from prsbench.datasets.phantoms.dataset import PhantomsConfig, materialise, phantoms_key
from prsbench.datasets.processes import end_processes
from prsbench.harness.contract.errors import ConfigError, DataError
from prsbench.harness.contract.position import points_phrase
from prsbench.harness.contract.types import DataKind
from pydantic import ValidationError

SMALL = PhantomsConfig(train=2, val=1, test=1, modalities=("skin_rgb", "lung_ct"))


@pytest.fixture
def quick_drawing(monkeypatch, pictures):
    """Noise instead of anatomy: these tests are about folders."""

    def draw(modality, seed, index, two_share, difficulty):
        return drawing.Phantom(pictures.image(seed + index), pictures.mask(rows=1 + index % 6))

    monkeypatch.setattr(drawing, "draw", draw)


def test_the_folder_reads_as_a_synthetic_data_set_of_the_asked_size(tmp_path):
    materialise(SMALL, tmp_path / "p")
    lung, skin = open_root(tmp_path / "p")
    for opened in (lung, skin):
        opened.check()
        assert opened.data_kind == DataKind.SYNTHETIC
        assert [len(opened.samples(split)) for split in opened.splits] == [6, 3, 1]
        assert all(sample.truth.mask.any() for sample in opened.samples("test"))
    assert (lung.target, skin.target) == ("nodule", "skin lesion")


def test_the_same_config_gives_the_same_bytes_and_a_finished_folder_is_reused(tmp_path, tree_bytes, monkeypatch, quick_drawing):
    materialise(SMALL, tmp_path / "a")
    materialise(SMALL, tmp_path / "b")
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")
    monkeypatch.setattr(drawing, "draw", lambda *_: pytest.fail("drawn again"))
    materialise(SMALL, tmp_path / "a")


def test_several_processes_draw_the_same_bytes(tmp_path, tree_bytes, monkeypatch):
    materialise(SMALL, tmp_path / "a")
    monkeypatch.setattr(dataset, "_IN_ONE_PROCESS", 0)
    monkeypatch.setattr(official_writer, "_TOGETHER", 1)
    materialise(SMALL, tmp_path / "b")
    end_processes()
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")


def test_more_training_images_leave_the_test_images_as_they_are(tmp_path, tree_bytes, quick_drawing):
    materialise(SMALL, tmp_path / "a")
    materialise(SMALL.model_copy(update={"train": 3}), tmp_path / "b")
    a, b = (tree_bytes(tmp_path / name / "lung_CT" / "test_images") for name in "ab")
    assert a == b and len(a) == 1


def test_a_crash_leaves_no_folder(tmp_path, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(drawing, "draw", crash)
    with pytest.raises(KeyboardInterrupt):
        materialise(SMALL, tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="got something else"):
        materialise(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_key_sees_the_config_and_the_drawing_version(monkeypatch):
    before = phantoms_key(SMALL)
    assert before == phantoms_key(PhantomsConfig(**SMALL.model_dump()))
    assert before != phantoms_key(SMALL.model_copy(update={"seed": 8}))
    monkeypatch.setattr("prsbench.datasets.phantoms.dataset.code_of", lambda name: "changed")
    assert before != phantoms_key(SMALL)


def test_answers_can_name_the_points_of_one_lesion_or_two(tmp_path):
    config = PhantomsConfig(train=4, val=1, test=2, modalities=("skin_rgb",), answers="points", two_share=1.0)
    materialise(config, tmp_path / "points")
    (dataset,) = open_root(tmp_path / "points")
    samples = [sample for split in ("train", "val", "test") for sample in dataset.samples(split)]
    assert all(points_phrase(sample.truth.mask) in sample.truth.answer for sample in samples)
    assert sum(" and " in sample.truth.answer for sample in samples) > len(samples) / 2


def test_an_unknown_key_or_modality_is_refused():
    with pytest.raises(ValidationError, match="trian"):
        PhantomsConfig(trian=3)
    with pytest.raises(ConfigError, match="Did you mean 'lung_ct'"):
        PhantomsConfig(modalities=("lung_cta",))


def test_phantoms_are_asked_other_families_of_questions_about_the_same_pictures(tmp_path, tree_bytes):
    asked = SMALL.model_copy(update={"families": ("where", "side", "count")})
    materialise(SMALL, tmp_path / "a")
    materialise(asked, tmp_path / "b")
    a, b = (tree_bytes(tmp_path / name / "lung_CT") for name in "ab")
    assert a == b and phantoms_key(SMALL) != phantoms_key(asked)
    for opened in open_root(tmp_path / "b"):
        assert [sample.truth.family for sample in opened.samples("test")] == ["where", "side", "count"]


@pytest.mark.parametrize(("family", "error"), [("sides", ConfigError), ("patient-side", ValidationError)])
def test_a_family_that_phantoms_cannot_be_asked_is_refused(family, error):
    with pytest.raises(error, match=family):
        PhantomsConfig(families=(family,))

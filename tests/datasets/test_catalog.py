"""`prepare`: its sources, its checks of arguments, and its report."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prsbench.datasets.catalog import SOURCES, prepare
from prsbench.datasets.official_reader import open_root
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ConfigError, DataError


@pytest.fixture
def archive(tmp_path, pictures):
    for number in range(10):
        pictures.file(tmp_path / f"clinic/images/p{number // 2}_z{number}.png", pictures.image(number))
        pictures.file(tmp_path / f"clinic/masks/p{number // 2}_z{number}.png", pictures.mask())
    return tmp_path / "clinic"


def test_every_source_resolves():
    assert all(callable(resolve(source.find)) for source in SOURCES.values())


def test_listing_the_sources_loads_nothing_heavy():
    code = "import sys, prsbench.datasets.catalog; print([m for m in ('PIL', 'scipy', 'pydantic', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_pairs_are_prepared_counted_and_readable(archive, tmp_path):
    report = prepare("pairs", archive, tmp_path / "to", modality="lung_xray", target="lungs")
    assert (report.images, report.groups, report.empty_masks, report.modalities) == (10, 5, 0, ("lung_xray",))
    assert sum(report.images_per_split.values()) == 10
    assert str(report).startswith("clinic: 10 images in 5 groups (train ")
    (dataset,) = open_root(tmp_path / "to")
    dataset.check()
    assert (dataset.modality, dataset.target) == ("lung_xray", "lungs")


def test_the_callers_case_rule_reaches_the_archive(archive, tmp_path):
    assert prepare("pairs", archive, tmp_path / "to", modality="lung_ct", target="lungs", group="(z.)").groups == 10


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("lgc", {}, "No source is called 'lgc'. Did you mean 'lgg'"),
        ("pairs", {}, "needs --modality and --target"),
        ("pairs", {"modality": "lung_mr", "target": "lungs"}, "No modality is called 'lung_mr'"),
        ("lgg", {"modality": "brain_mri"}, "'lgg' sets --modality itself"),
    ],
)
def test_a_wrong_call_is_an_error_with_instructions(archive, tmp_path, source, options, message):
    with pytest.raises(ConfigError, match=message):
        prepare(source, archive, tmp_path / "to", **options)


def test_a_missing_from_folder_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="needs --from"):
        prepare("busi", None, tmp_path)
    with pytest.raises(DataError, match="Give the folder where the archive was unpacked"):
        prepare("busi", tmp_path, tmp_path / "to")


def test_a_faulty_archive_leaves_no_data_set_behind(archive, tmp_path):
    (archive / "masks" / "p0_z0.png").unlink()
    with pytest.raises(DataError, match="p0_z0.png: expected a mask, found none"):
        prepare("pairs", archive, tmp_path / "to", modality="lung_ct", target="lungs")
    assert not list((tmp_path / "to").rglob("*"))

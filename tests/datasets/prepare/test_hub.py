"""PosMed as Parquet and Arrow: pictures and texts arrive unchanged, and read like the official release."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from prsbench.datasets.catalog import prepare
from prsbench.datasets.official_reader import open_root
from prsbench.datasets.prepare.hub import write_hub
from prsbench.harness.contract.errors import ConfigError, DataError

pa = pytest.importorskip("pyarrow", reason="needs the extra `hub`")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra `hub`")


def png(pixels):
    pixels = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def row(pictures):
    def make(name="a", number=0, split="train", **cells):
        return {
            "image": {"bytes": png(pictures.image(number)), "path": None},
            "mask": {"bytes": png(pictures.mask()), "path": None},
            "image_path": f"brain_tumors_ct_scan\\{split}_masks\\{name}.png",
            "image_name": f"{name}.png", "split": split, "question": "Where, and how?",
            "position": "top left", "answer": "It is top left and far from the center.", **cells,
        }  # fmt: skip

    return make


def save(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_rows_of_all_shards_read_like_the_official_release(tmp_path, row, pictures):
    save(tmp_path / "hf/data/train-00000-of-00002.parquet", [row(), row(question="Again?")])
    save(tmp_path / "hf/data/train-00001-of-00002.parquet", [row("b", 1)])
    save(tmp_path / "hf/data/test-00000-of-00001.parquet", [row("c", 2, "test")])
    report = prepare("hub", tmp_path / "hf", tmp_path / "to")
    assert (report.images, report.images_per_split) == (3, {"train": 2, "val": 0, "test": 1})
    (dataset,) = open_root(tmp_path / "to")
    dataset.check()
    samples = dataset.samples("train")
    assert [sample.query.question for sample in samples] == ["Where, and how?", "Again?", "Where, and how?"]
    assert samples[0].truth.answer == "It is top left and far from the center."
    np.testing.assert_array_equal(samples[2].query.image, pictures.image(1))
    np.testing.assert_array_equal(samples[0].truth.mask, pictures.mask())


def test_the_bytes_of_pictures_are_those_of_the_file(tmp_path, row):
    one = row()
    save(tmp_path / "hf/x.parquet", [one])
    write_hub(tmp_path / "hf", tmp_path / "to")
    folder = tmp_path / "to/brain_tumors_ct_scan"
    assert (folder / "train_images/a.png").read_bytes() == one["image"]["bytes"]
    assert (folder / "train_masks/a.png").read_bytes() == one["mask"]["bytes"]


def test_without_image_path_modality_name_and_the_files_split_say_where(tmp_path, row):
    cells = {"image_path": None, "split": None, "image_name": "a.png"}
    save(
        tmp_path / "hf/validation-00000.parquet",
        [row(modality="breast_us", **cells), row(number=1, modality="lung_Xray", **cells)],
    )
    counts, modalities = write_hub(tmp_path / "hf", tmp_path / "to")
    assert (modalities, counts.images_per_split["val"]) == (("breast_us", "lung_xray"), 2)


def test_arrow_files_and_pictures_beside_them_are_read(tmp_path, row, pictures):
    pictures.file(tmp_path / "hf/pics/i.png", pictures.image(0))
    table = pa.Table.from_pylist([row(image="pics/i.png")])
    with pa.OSFile(str(tmp_path / "hf/data-00000.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert write_hub(tmp_path / "hf", tmp_path / "to")[0].images == 1


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"image_path": "unknown/train_masks/a.png"}, "row 1: expected a modality's folder"),
        ({"image_path": "brain_tumors_ct_scan/a.png", "split": "half"}, "row 1: expected a modality's folder"),
        ({"image": "../outside.png"}, "row 1: expected image as bytes or as a file below"),
        ({"mask": b"no picture"}, "expected a readable picture"),
    ],
)
def test_a_row_that_says_no_place_or_no_picture_is_named(tmp_path, row, pictures, cells, message):
    pictures.file(tmp_path / "outside.png", pictures.image(0))
    save(tmp_path / "hf/x.parquet", [row(**cells)])
    with pytest.raises(DataError, match=message):
        write_hub(tmp_path / "hf", tmp_path / "to")
    assert not list((tmp_path / "to").glob("*.csv"))


def test_paths_never_leave_the_folder(tmp_path, row):
    save(tmp_path / "hf/x.parquet", [row(image_path="../../brain_tumors_ct_scan/../train_masks/../../a.png")])
    write_hub(tmp_path / "hf", tmp_path / "to")
    assert {path.name for path in tmp_path.iterdir()} == {"hf", "to"}
    assert (tmp_path / "to/brain_tumors_ct_scan/train_masks/a.png").is_file()


def test_two_pictures_of_one_name_missing_columns_and_old_tables_are_refused(tmp_path, row):
    save(tmp_path / "hf/x.parquet", [row(), row(number=1)])
    with pytest.raises(DataError, match="row 2: expected one picture called a.png, got another one"):
        write_hub(tmp_path / "hf", tmp_path / "to")
    save(tmp_path / "hf/x.parquet", [{"image": b"", "text": ""}])
    with pytest.raises(DataError, match=r"missing: answer, mask, question"):
        write_hub(tmp_path / "hf", tmp_path / "to2")
    (tmp_path / "hf/x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="x.parquet: cannot be read"):
        write_hub(tmp_path / "hf", tmp_path / "to2")
    (tmp_path / "to2").mkdir(exist_ok=True)
    (tmp_path / "to2/t.csv").write_text("x")
    with pytest.raises(ConfigError, match="expected a folder without tables"):
        write_hub(tmp_path / "hf", tmp_path / "to2")

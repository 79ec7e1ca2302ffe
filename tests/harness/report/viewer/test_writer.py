"""The files of the viewer."""

import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from prsbench.harness.contract.errors import DataError, RunFolderError
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.viewer.writer import write_viewer

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(1)"> ../../etc/passwd \u2028 \ud800'


def written(cells, source, folder, **changes):
    return write_viewer(cells, folder, source(cells, **changes), "a run").parent


def test_the_same_cells_give_the_same_bytes_and_replace_an_earlier_viewer(cell, source, tmp_path):
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b", tmp_path / "b"):
        written([cell(), cell("oracle", (1.0, 1.0))], source, folder)
        contents.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert contents[0] == contents[1] == contents[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_with_something_else_is_refused_and_kept(cell, source, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="new or empty folder"):
        written([cell()], source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failure_leaves_the_earlier_viewer_as_it_was(cell, source, tmp_path):
    folder = written([cell()], source, tmp_path / "v")
    before = (folder / "data" / "index.js").read_bytes()

    def broken(_):
        raise RunFolderError("maps.bin: damaged")

    with pytest.raises(RunFolderError, match="damaged"):
        written([cell(values=(0.1, 0.2))], source, folder, masks=broken)
    assert (folder / "data" / "index.js").read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["v"]


def test_an_image_with_several_questions_is_written_once(cell, source, tmp_path, data):
    cells = [cell(values=(0.5, 0.6, 0.7))]
    one = source(cells).samples("brain_mri")[0]
    same = [replace(one, query=replace(one.query, sample_id=f"brain_mri/{i:02d}")) for i in range(3)]
    folder = written(cells, source, tmp_path / "v", samples=lambda _: same)
    assert len(list((folder / "images").iterdir())) == 1 and data(folder, "index")["images"] == [0, 0, 0]


def test_nothing_of_a_data_set_becomes_a_tag_a_script_or_a_file_name(cell, refilled, source, tmp_path, data):
    plain = cell()
    fields = ("question", "reference_answer", "answer", "group", "sample_id")
    records = [replace(r, **dict.fromkeys(fields, f"{EVIL}{i}"), position=(EVIL,)) for i, r in enumerate(plain.records)]
    here = replace(refilled(plain, records, plain.scores), dataset=EVIL)
    folder = written([here], source, tmp_path / "v", samples=lambda _: "gone")
    for path in folder.rglob("*"):
        assert path.name.isascii() and not set(path.name) & set("<>\"'/ ")
        if path.is_file() and path.suffix == ".js" and path.parent.name == "data":
            assert b"<" not in path.read_bytes()
    assert data(folder, "index")["ids"][0] == f"{EVIL}/{EVIL}0"
    assert EVIL not in (folder / "index.html").read_text()


def test_data_that_are_gone_leave_the_records_and_the_masks(cell, source, tmp_path, data):
    folder = written([cell()], source, tmp_path / "v", samples=lambda name: f"the data set '{name}' has changed since the run")
    index = data(folder, "index")
    assert index["images"] == [-1, -1] and index["reasons"] == ["the data set 'brain_mri' has changed since the run"]
    (truth, prediction), _ = data(folder, "overlays-0")
    assert truth == "" and np.asarray(Image.open(BytesIO(b64decode(prediction))).convert("RGBA"))[..., 3].any()
    assert data(folder, "texts-0")["samples"][0]["size"] == [64, 64]


class OneBroken(list):
    def __getitem__(self, number):
        if number == 1:
            raise DataError("01.png: not an image")
        return super().__getitem__(number)


def test_an_image_that_cannot_be_read_is_not_there_and_says_so(cell, source, tmp_path, data):
    cells = [cell(values=(0.5, 0.6, 0.7))]
    pictures = OneBroken(source(cells).samples("brain_mri"))
    index = data(written(cells, source, tmp_path / "v", samples=lambda _: pictures), "index")
    assert index["images"] == [0, -1, 1] and index["reasons"] == ["the image cannot be read: 01.png: not an image"]


def test_images_of_other_samples_are_never_put_under_a_record(cell, source, tmp_path, data):
    cells = [cell(values=(0.5, 0.6))]
    turned = source(cells).samples("brain_mri")[::-1]
    index = data(written(cells, source, tmp_path / "v", samples=lambda _: turned), "index")
    assert index["images"] == [-1, -1] and "another one now" in index["reasons"][0]


def test_a_failed_sample_has_no_mask_and_those_after_it_keep_theirs(cell, source, tmp_path, data):
    cells = [cell(values=(0.5, 0.6, 0.7), failed=(1,)), cell("oracle", (0.8, 0.9, 1.0))]
    overlays = data(written(cells, source, tmp_path / "v"), "overlays-0")
    assert [bool(mask) for mask in (overlays[0][1], overlays[1][1], overlays[2][1])] == [True, False, True]
    assert overlays[2][1] == overlays[2][2] != overlays[0][1]


def test_rows_with_their_records_in_another_order_keep_their_masks(cell, refilled, source, tmp_path, data):
    values = (0.5, 0.6, 0.7, 0.8)
    plain, other = cell(values=values, failed=(2,)), cell("oracle", values)
    turned = refilled(other, other.records[::-1], other.scores[::-1])
    straight = data(written([plain, other], source, tmp_path / "a"), "overlays-0")
    crossed = data(written([plain, turned], source, tmp_path / "b"), "overlays-0")
    assert [line[1] for line in crossed] == [line[1] for line in straight]
    assert [line[2] for line in crossed] == [line[2] for line in straight][::-1]  # the stand-in numbers masks by record


def test_chunks_hold_every_sample_once(cell, source, tmp_path, data):
    cells = [cell(values=tuple(np.linspace(0, 1, 300)))]
    folder = written(cells, source, tmp_path / "v")
    index = data(folder, "index")
    texts = [entry for n in range(2) for entry in data(folder, f"texts-{n}")["samples"]]
    overlays = [entry for n in range(19) for entry in data(folder, f"overlays-{n}")]
    assert len(index["ids"]) == len(set(index["ids"])) == len(texts) == len(overlays) == 300
    assert not (folder / "data" / "texts-2.js").exists() and not (folder / "data" / "overlays-19.js").exists()


def test_scores_are_stored_to_the_last_bit(cell, source, tmp_path, data):
    folder = written([cell(values=(0.1 + 0.2, 1 / 3), failed=())], source, tmp_path / "v")
    number = [name for name, *_ in data(folder, "index")["metrics"]].index("dice@0.5")
    assert np.frombuffer(b64decode(data(folder, f"scores-{number}")[0]), "<f8").tolist() == [0.1 + 0.2, 1 / 3]


def test_synthetic_data_are_announced_and_real_data_are_not(cell, source, tmp_path, data):
    assert "SYNTHETIC" in data(written([cell()], source, tmp_path / "a"), "index")["warnings"][0]
    assert data(written([cell(kind=DataKind.REAL)], source, tmp_path / "b"), "index")["warnings"] == []


def test_facets_are_those_of_the_report(cell, source, tmp_path, data):
    index = data(written([cell(), cell(modality="lung_ct")], source, tmp_path / "v"), "index")
    facets = {facet["key"]: facet for facet in index["facets"]}
    assert facets["modality"]["values"] == ["brain_mri", "lung_ct"] and facets["modality"]["of"] == [0, 0, 1, 1]
    assert facets["by_zone"]["values"] == ["top left"] and facets["by_lesion_size"]["of"] == [-1, -1, -1, -1]


def test_families_of_questions_are_a_filter_only_where_there_are_several(cell, refilled, source, tmp_path, data):
    one = cell(values=(0.5, 0.7, 0.9))
    asked = [replace(record, family=family) for record, family in zip(one.records, ("size", "where", "size"), strict=True)]
    several = data(written([refilled(one, asked, one.scores)], source, tmp_path / "a"), "index")["facets"]
    (facet,) = [facet for facet in several if facet["key"] == "family"]
    assert (facet["values"], facet["of"]) == (["where", "size"], [1, 0, 1])
    assert "family" not in {facet["key"] for facet in data(written([one], source, tmp_path / "b"), "index")["facets"]}


def test_it_is_written_without_torch_ray_or_matplotlib():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'ray', 'matplotlib', 'transformers')))\n"
        "import prsbench.harness.report.viewer.writer, prsbench.harness.engine.inspect.results"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

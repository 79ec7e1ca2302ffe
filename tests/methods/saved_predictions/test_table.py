import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.files import safe_stem
from prsbench.methods.saved_predictions.table import missing_and_surplus, read_table


def folder(tmp_path, text, *masks, name="answers.csv"):
    (tmp_path / "masks").mkdir(exist_ok=True)
    for mask in masks:
        (tmp_path / "masks" / mask).write_bytes(b"")
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path if name == "answers.csv" else tmp_path / name


def test_a_line_is_found_by_sample_id_or_by_the_name_of_its_image(tmp_path):
    stems = [safe_stem(name) for name in ("brain/a#0", "brain/ü b#1")]
    text = f'\ufeffsample_id,image,answer\nbrain/a#0,,"At the top, left."\n,images/{stems[1]}.png,\n'
    place = folder(tmp_path, text, f"{stems[0]}.npy")
    first, second = (read_table(place)[stem] for stem in stems)
    assert (first.answer, first.mask, first.seconds) == ("At the top, left.", tmp_path / "masks" / f"{stems[0]}.npy", None)
    assert second.answer == "" and second.mask == tmp_path / "masks" / f"{stems[1]}.png" and not second.mask.exists()


def test_names_for_files_are_those_of_one_sample_each_and_fit_every_system():
    ids = ["a/b#0", "a-b#0", "a/b#1", "A/b#0", "ü" * 300, "ü" * 301, "../x", "a/b#0 "]
    stems = [safe_stem(name) for name in ids]
    assert len({stem.lower() for stem in stems}) == len(ids) and all(stem.isascii() and len(stem) < 120 for stem in stems)
    assert not any("/" in stem or " " in stem for stem in stems)


def test_a_csv_names_its_masks_by_paths_relative_to_itself_or_absolute(tmp_path):
    text = "sample_id,mask,answer,seconds\na,sub/x.png,yes,1\nb,/else/y.npy,no,0\nc,,,2.5\n"
    lines = read_table(folder(tmp_path, text, name="mine.csv"))
    assert [line.mask and str(line.mask) for line in lines.values()] == [f"{tmp_path}/sub/x.png", "/else/y.npy", None]
    assert [line.seconds for line in lines.values()] == [1, 0, 2.5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "without the column sample_id .or image., answer"),
        ("sample_id;answer\na;b\n", "without the column sample_id .or image., answer"),
        ("sample_id,mask\na,b\n", "without the column answer"),
        ("sample_id,answer,second\na,b,1\n", "with the unknown column second"),
        ("sample_id,answer,answer\na,b,c\n", "with twice the column answer"),
        ("sample_id,answer\na,b\na,c\n", "line 3: 'a' was listed before, at .*line 2"),
        ("sample_id,answer\na,At the top, left\n", "line 2: expected 2 cells, got 3"),
        ("sample_id,answer\n,b\n", "line 2: expected a sample_id or an image"),
        ("sample_id,answer,seconds\na,b,1\nc,d,\n", "line 3: expected seconds, which other lines have"),
        ("sample_id,answer,seconds\na,b,-1\n", "line 2: expected seconds, a number of 0 or more, got '-1'"),
        ("sample_id,answer,seconds\na,b,nan\n", "got 'nan'"),
        ('sample_id,answer\na,"b\n', "expected a CSV with commas in UTF-8"),
    ],
)
def test_a_table_that_leaves_something_open_is_refused_by_file_and_line(text, says, tmp_path):
    with pytest.raises(ConfigError, match=f"answers.csv.*{says}"):
        read_table(folder(tmp_path, text))


def test_a_table_in_another_encoding_is_refused(tmp_path):
    folder(tmp_path, "")
    (tmp_path / "answers.csv").write_bytes("sample_id,answer\na,Läsion\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="in UTF-8"):
        read_table(tmp_path)


def test_two_masks_of_one_sample_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="got x.nii.gz and x.png"):
        read_table(folder(tmp_path, "sample_id,answer\na,b\n", "x.png", "x.nii.gz"))


def test_a_file_added_later_is_seen(tmp_path):
    place, stem = folder(tmp_path, "sample_id,answer\na,b\n"), safe_stem("a")
    assert not read_table(place)[stem].mask.exists()
    folder(tmp_path, "sample_id,answer\na,b\n", f"{stem}.npy")
    assert read_table(place)[stem].mask.name == f"{stem}.npy"


def test_missing_samples_and_surplus_lines(tmp_path):
    lines = read_table(folder(tmp_path, "sample_id,answer\na,1\nb,2\n"))
    missing, surplus = missing_and_surplus(lines, {"b", "c", "d"})
    assert missing == ["c", "d"] and surplus == [f"{tmp_path}/answers.csv line 2"]

"""A hand-made table is read strictly: each fault is named by file and line, and none of its rows is used in silence."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.datasets.official_reader import FolderDataset, open_root, read_root
from prsbench.datasets.official_table import LONGEST_TEXT, says_nothing
from prsbench.harness.contract.errors import DataError

COLUMNS = ["image_path", "image_name", "split", "question", "position", "answer"]
SKIN, BREAST = "skin_rgbimage", "breast_tumors_ct_scan"


def rows_of(folder: str) -> list[list[str]]:
    return [
        [f"{folder}/{split}_masks/{n}.png", f"{n}.png", split, "Where is it?", "top left", "It is at the top left."]
        for n, split in enumerate(("train", "val", "test", "test"))
    ]


def text_of(rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    return stream.getvalue()


@pytest.fixture
def hand_made(tmp_path, pictures):
    """hand_made(rows=..., folder=...) writes a table without a card, with pictures for the rows that `rows_of` gives."""

    def write(change=lambda rows: None, folder: str = SKIN, name: str = "") -> Path:
        for path, *_ in rows_of(folder):
            pictures.file(tmp_path / path, pictures.mask())
            pictures.file(tmp_path / path.replace("_masks", "_images"), pictures.image(len(list(tmp_path.rglob("*.png")))))
        rows = rows_of(folder)
        rows = change(rows) or rows
        table = tmp_path / (name or f"{folder}.csv")
        table.write_text(text_of(rows), encoding="utf-8")
        return table

    return write


def opened(root: Path) -> FolderDataset:
    (dataset,) = open_root(root)
    return dataset


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        [dataset.samples("test") for dataset in open_root(root)]
    return str(caught.value)


def test_a_table_without_faults_is_read_with_quotes_commas_and_a_byte_order_mark(hand_made):
    table = hand_made(lambda rows: rows[2].__setitem__(5, 'At the top, "left", here.'))
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    dataset = opened(table.parent)
    assert dataset.check() == [] and list(dataset.notes) == []
    assert [sample.truth.answer for sample in dataset.samples("test")] == ['At the top, "left", here.', "It is at the top left."]


@pytest.mark.parametrize(("cells", "n"), [(["a surplus"], 7), (["", ""], 8), (None, 5), ("blank answer", 3)])
def test_a_row_with_more_or_fewer_cells_than_the_header_is_refused_by_its_line(hand_made, cells, n):
    def change(rows):
        rows[2] = [*rows[2], *cells] if isinstance(cells, list) else rows[2][:n]

    table = hand_made(change)
    assert f"{table} line 4: expected 6 cells, as in the header, got {n}" in refusal(table.parent)


def test_an_unquoted_comma_is_refused_wherever_it_moves_the_cells(hand_made):
    table = hand_made()
    table.write_text(table.read_text().replace("test,Where", "test,Doctor, where", 1))
    assert f"{table} line 4: expected 6 cells, as in the header, got 7. Put quotes" in refusal(table.parent)


def test_a_quote_that_swallows_rows_is_refused_by_the_line_where_it_begins(hand_made):
    table = hand_made()
    lines = table.read_text().splitlines()
    lines[2] = lines[2].replace("Where", '"Where')
    lines[4] = lines[4].replace("it?", 'it?"')
    table.write_text("\n".join(lines) + "\n")
    assert f"{table} line 3: expected" in refusal(table.parent)


def test_a_cell_over_two_lines_is_refused_by_both_lines(hand_made):
    table = hand_made(lambda rows: rows[1].__setitem__(5, "At the top\nleft."))
    assert f"{table} line 3: expected each cell in one line, got one that ends in line 4" in refusal(table.parent)


@pytest.mark.parametrize("broken", ['"It is at the top left.', '"It is" at the top left.'])
def test_a_quote_that_is_not_closed_or_ends_too_early_is_refused_by_its_line(hand_made, broken):
    table = hand_made()
    table.write_text(table.read_text().rstrip("\n").removesuffix("It is at the top left.") + broken)
    assert f"{table} line 5: expected a row of a CSV" in refusal(table.parent)


def test_a_very_long_cell_and_a_nul_byte_are_refused_by_their_lines(hand_made):
    def change(rows):
        rows[0][5], rows[1][3] = "left " * LONGEST_TEXT, "Wh\0ere?"

    table = hand_made(change)
    text = refusal(table.parent)
    assert f"{table} line 2: expected cells of at most {LONGEST_TEXT} characters" in text
    assert f"{table} line 3: expected text, got a NUL byte" in text


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("image_path;image_name;split;question;position;answer", "expected columns separated by commas, got semicolons"),
        ("image_path\timage_name\tsplit\tquestion\tposition\tanswer", "expected columns separated by commas, got tabs"),
        ("sep=;", "expected columns separated by commas"),
        ("image_path,image_name,split,question,answer,answer", "expected each column once, got two columns answer"),
        ("image_path,image_name,split,question,,answer", "expected a name for each column, column 5 has none"),
        ("", "found none"),
        ("Image_Path,image_name,split,question,position,answer", "missing image_path"),
    ],
)
def test_a_header_that_cannot_be_read_is_refused_with_its_file(hand_made, header, message):
    table = hand_made()
    table.write_text("\n".join([header, *table.read_text().splitlines()[1:]]))
    assert str(table) in (text := refusal(table.parent)) and message in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_table_in_another_encoding_is_refused_and_not_taken_for_a_foreign_file(hand_made, encoding):
    table = hand_made()
    table.write_bytes(table.read_text().encode(encoding))
    assert "1 problem" in (text := refusal(table.parent)) and str(table) in text


def test_row_numbers_that_pandas_writes_and_blank_lines_are_no_faults(hand_made):
    table = hand_made()
    lines = table.read_text().splitlines()
    numbered = ["," + lines[0], *(f"{n},{line}" for n, line in enumerate(lines[1:])), "", ",,,,,,"]
    table.write_text("\n".join(numbered) + "\n")
    assert len(opened(table.parent).samples("test")) == 2


@pytest.mark.parametrize(
    "name", [f"{SKIN} (1).csv", f"{SKIN}_copy.csv", "all.csv", "SKIN.CSV"], ids=["browser", "copy", "all", "capitals"]
)
def test_a_second_table_that_asks_the_same_is_refused_with_both_files_and_lines(hand_made, name):
    table = hand_made()
    other = hand_made(lambda rows: rows[3:], name=name)
    text = refusal(table.parent)
    assert "1 problem" in text and f"{table} line 5" in text and f"{other} line 2" in text


def test_a_corrected_copy_with_other_answers_is_refused_too(hand_made):
    table = hand_made()
    hand_made(lambda rows: [[*row[:5], "It is top left."] for row in rows], name="corrected.csv")
    assert "4 problems" in refusal(table.parent)


@pytest.mark.parametrize("spelling", ["Where is it?", " where  is it? "])
def test_a_row_said_twice_in_one_table_is_refused_with_both_lines(hand_made, spelling):
    table = hand_made(lambda rows: [*rows, [*rows[2][:3], spelling, *rows[2][4:]]])
    assert f"{table} line 6: expected each question about a mask once, got the one of {table} line 4" in refusal(table.parent)


def test_a_mask_spelt_in_two_ways_is_one_mask(hand_made):
    table = hand_made(lambda rows: [*rows, [rows[3][0].replace("/", "\\"), *rows[3][1:]], ["./" + rows[2][0], *rows[2][1:]]])
    assert "2 problems" in refusal(table.parent)


def test_two_answers_to_one_question_and_two_questions_about_one_mask_are_no_repeats(hand_made):
    def change(rows):
        return [*rows, [*rows[2][:5], "Look at the top left."], [*rows[2][:3], "And now?", *rows[2][4:]]]

    assert len(opened(hand_made(change).parent).samples("test")) == 4


def test_prepare_may_draw_one_question_twice_for_a_training_image_and_not_for_a_test_image(root, edit_table):
    def repeat(split):
        def change(rows):
            first = next(row for row in rows if row["split"] == split)
            return sorted([*rows, dict(first)], key=lambda row: row["image_path"])

        return change

    edit_table(root / "brain_tumors_ct_scan.csv", repeat("train"))
    opened(root).samples("train")
    edit_table(root / "brain_tumors_ct_scan.csv", repeat("test"))
    assert "expected each question about a mask once" in refusal(root)


@pytest.mark.parametrize(
    "nothing", ["nan", "NaN", "None", "N/A", "-", "--", "null", "#N/A", "<NA>", "#VALUE!", "?", "...", "\u200b", "42"]
)
@pytest.mark.parametrize("column", ["question", "answer"])
def test_what_programs_write_for_nothing_is_refused_as_a_question_or_an_answer(hand_made, nothing, column):
    table = hand_made(lambda rows: rows[3].__setitem__(COLUMNS.index(column), nothing))
    assert f"{table} line 5: " in (text := refusal(table.parent)) and f"expected a text in column {column}" in text


@given(st.text())
def test_a_text_with_a_word_of_three_syllables_says_something(text):
    assert not says_nothing(f"{text} position {text}")


def test_nothing_in_other_columns_counts_as_an_empty_cell(hand_made):
    def change(rows):
        rows[:] = [[*row, "nan", "NaN"] for row in rows]
        for row in rows:
            row[1], row[4] = "None", "N/A"

    table = hand_made(change)
    table.write_text(table.read_text().replace("position,answer", "position,answer,group,spacing_mm"))
    dataset = opened(table.parent)
    assert [row.group for row in dataset.rows] == [row[0] for row in rows_of(SKIN)]
    assert [row.sample_id for row in dataset.rows][2:] == ["skin_rgb/2#0", "skin_rgb/3#0"]
    assert {row.spacing_mm for row in dataset.rows} == {None} and list(dataset.notes) == []


@pytest.mark.parametrize("split", ["train", "val", "TRAIN "])
def test_a_split_other_than_that_of_the_masks_folder_is_refused_by_its_line(hand_made, split):
    table = hand_made(lambda rows: rows[2].__setitem__(2, split))
    assert f"{table} line 4: expected split test, as the mask lies in test_masks" in refusal(table.parent)


@pytest.mark.parametrize("path", ["../{}", "/{}", "C:\\{}", "skin_rgbimage/../{}", "..\\{}"])
def test_a_path_that_leaves_the_data_set_is_refused_by_its_line(hand_made, path):
    table = hand_made(lambda rows: rows[1].__setitem__(0, path.format(rows[1][0])))
    assert f"{table} line 3: expected a path below {table.parent}, got" in refusal(table.parent)


@pytest.mark.parametrize("kind", ["test_images", "test_masks", "file"])
def test_a_link_that_leaves_the_data_set_is_refused(hand_made, tmp_path_factory, kind):
    table, outside = hand_made(), tmp_path_factory.mktemp("outside")
    inside = table.parent / SKIN / ("test_images/2.png" if kind == "file" else kind)
    inside.rename(outside / "moved")
    inside.symlink_to(outside / "moved")
    assert f"got a link to {outside}" in refusal(table.parent)


def test_a_link_within_the_data_set_is_followed(hand_made):
    table = hand_made()
    folder = table.parent / SKIN / "test_images"
    folder.rename(table.parent / "pictures")
    folder.symlink_to(table.parent / "pictures")
    assert opened(table.parent).check() == []


def test_a_path_longer_than_the_disk_allows_is_a_missing_file(hand_made):
    table = hand_made(lambda rows: rows[1].__setitem__(0, f"{SKIN}/val_masks/{'x' * 3000}.png"))
    assert "expected a mask, found no such file" in refusal(table.parent)


def test_a_position_without_a_place_and_an_answer_elsewhere_are_notes_with_their_lines(hand_made):
    def change(rows):
        rows[0][4], rows[1][5], rows[2][4] = "In this scan", "It is at the bottom left.", "no mask"

    table = hand_made(change)
    dataset = opened(table.parent)
    assert dataset.check() == [] and len(dataset.notes) == 2
    assert f"{table} line 2: column position, 'In this scan', names no place (1 such rows)" in dataset.notes[0]
    assert f"{table} line 3: column position, 'top left', names another place than the answer" in dataset.notes[1]


@pytest.mark.parametrize(
    "answer", ["In the upper left.", "The left lung is at the top left, near the center.", "Superior left", "Here."]
)
def test_other_words_for_the_same_place_are_no_contradiction(hand_made, answer):
    assert list(opened(hand_made(lambda rows: rows[1].__setitem__(5, answer)).parent).notes) == []


@pytest.mark.parametrize("spoil", ["not UTF-8", "a row", "the header", "only a header"])
def test_one_bad_table_does_not_stop_the_others(hand_made, spoil):
    hand_made(folder=BREAST)
    table = hand_made()
    text = table.read_text()
    spoilt = {
        "not UTF-8": text.replace("It is", "Es ist ä").encode("latin-1"),
        "a row": text.replace("It is", "Here, it is", 1).encode(),
        "the header": text.replace("answer", "anwser", 1).encode(),
        "only a header": text.splitlines()[0].encode(),
    }
    table.write_bytes(spoilt[spoil])
    breast, skin = open_root(table.parent)
    assert breast.check() == [] and len(breast.samples("test")) == 2
    with pytest.raises(DataError, match="skin_rgbimage.csv"):
        skin.samples("test")


def test_a_bad_table_of_all_modalities_spoils_those_it_names_alone(hand_made):
    hand_made(folder=BREAST)
    table = hand_made(name="more.csv")
    table.write_text(table.read_text().replace("answer", "anwser", 1))
    breast, skin = open_root(table.parent)
    assert not breast.table_problems and "more.csv" in skin.table_problems[0]


def test_a_bad_row_of_a_table_of_two_modalities_spoils_its_own_alone(hand_made):
    def change(rows):
        return [*rows, *([*row[:5], row[5], "surplus"] for row in rows_of(BREAST))]

    hand_made(folder=BREAST).unlink()
    skin = {dataset.name: dataset for dataset in open_root(hand_made(change, name="all.csv").parent)}
    assert len(skin[SKIN].samples("test")) == 2 and len(skin[BREAST].table_problems) == 4


@pytest.mark.parametrize("name", ["dental_xray.csv", "all.csv"])
def test_a_seventh_modality_is_left_out_and_said(hand_made, name):
    table = hand_made()
    other = hand_made(folder="dental_xray", name=name)
    datasets, left_out = read_root(table.parent)
    assert [dataset.name for dataset in datasets] == [SKIN] and datasets[0].check() == []
    (said,) = left_out
    assert f"{other} line 2: image_path 'dental_xray/train_masks/0.png' is in no modality's folder" in said and "4 rows" in said


def test_a_file_that_is_no_table_is_left_out_and_said_and_hidden_files_are_not_looked_at(hand_made):
    table = hand_made()
    (table.parent / "results.csv").write_text("method,dice\na,0.5\n")
    (table.parent / f"._{SKIN}.csv").write_bytes(b"\0\5\26\7")
    (table.parent / SKIN / "notes.csv").write_text("a\n")
    datasets, left_out = read_root(table.parent)
    assert len(datasets) == 1 and len(left_out) == 2
    assert "results.csv" in left_out[0] and "found method, dice" in left_out[0] and "notes.csv: not read" in left_out[1]


@pytest.mark.parametrize("folder", ["Skin_RGBimage", "skin_rgbimages", "skin_rgb_image"])
def test_a_misspelt_folder_is_a_problem_of_the_modality_it_means(hand_made, folder):
    table = hand_made(lambda rows: rows[1].__setitem__(0, rows[1][0].replace(SKIN, folder)), name="all.csv")
    assert f"{table} line 3: expected the modality's folder {SKIN} in image_path, got '{folder}/" in refusal(table.parent)


def test_a_row_of_another_modality_than_the_tables_name_is_a_problem_of_both(hand_made):
    hand_made(folder=BREAST)
    table = hand_made(lambda rows: rows[1].__setitem__(0, rows[1][0].replace(SKIN, BREAST)))
    breast, skin = open_root(table.parent)
    assert breast.table_problems == skin.table_problems
    assert f"{table} line 3: expected the modality's folder {SKIN}" in skin.table_problems[0]


def test_a_root_of_foreign_files_says_what_it_found(tmp_path):
    (tmp_path / "results.csv").write_text("method,dice\na,0.5\n")
    assert "results.csv" in refusal(tmp_path) and "found method, dice" in refusal(tmp_path)

"""Parser of an official table: its lines, the paths of images and masks, and all problems found in it, by file and line."""

from __future__ import annotations

import csv
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from pathlib import Path, PurePosixPath

from prsbench.datasets.pictures import IMAGE_SUFFIXES
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.families import FAMILIES, OFFICIAL
from prsbench.harness.contract.modalities import ALL

REQUIRED_COLUMNS = ("image_path", "image_name", "split", "question", "answer")
MODALITY_OF_FOLDER = {modality.official_folder: modality.name for modality in ALL}
LONGEST_TEXT = 4000  # characters of a cell; more are several rows behind a quote that is not closed
MASK_FOLDER = re.compile(r"(?i)(?:^|/)(train|val|test)_masks(?=/)")
# What pandas and spreadsheets write for no value, without the signs around it.
NOTHING = {"", "nan", "nat", "none", "null", "nil", "na", "n/a", "undefined", "missing", "value", "name", "ref", "num", "div/0"}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", "sep=": "a line 'sep=', which only Excel reads"}
_SYNONYMS = {"upper": "top", "superior": "top", "lower": "bottom", "inferior": "bottom", "centre": "center", "middle": "center"}
_AXES = ({"top", "bottom"}, {"left", "right"})


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: its cells by column, and the first of its lines in the file. problem: why it cannot be read, or ""."""

    table: Path
    number: int
    cells: Mapping[str, str]
    problem: str = ""

    @property
    def where(self) -> str:
        return f"{self.table} line {self.number}"

    @property
    def mask(self) -> str:
        """image_path, which is the mask's path, with slashes."""
        return self.cells.get("image_path", "").replace("\\", "/")

    def cell(self, column: str) -> str:
        """A cell of a column that may be absent; "" where it says nothing."""
        text = self.cells.get(column, "")
        return "" if not text or says_nothing(text) else text


@dataclass(frozen=True, slots=True)
class Row:
    """One question of a table, with its paths resolved. image is None if no candidate exists; where is its file and line.

    spacing_mm is the height and width of a pixel, None if the table does not give them. family is the question's
    (`contract.families`), the official one if the table does not say.
    """

    sample_id: str
    mask: Path
    image: Path | None
    split: str
    question: str
    answer: str
    group: str
    where: str
    spacing_mm: tuple[float, float] | None = None
    family: str = OFFICIAL

    @property
    def files(self) -> tuple[Path, Path]:
        """Image and mask, of a row of a table without problems."""
        assert self.image is not None  # a row without an image is among the problems that `resolve_rows` lists
        return self.image, self.mask


def image_candidates(mask_path: str) -> list[str]:
    """Possible paths of a mask's image, likeliest first, relative to the root as in the table.

    The official train script removes "_Segmentation" from the name and reads .jpg where the path contains "ISIC"; the test
    script does not rename other skin images. The order is therefore: the train rule, the unchanged name, then either name with
    another suffix. The folder becomes `{split}_images` in every split (the official loader does so only for train, and reads
    val and test masks as images). Only the table's path is rewritten, never the root.
    """
    path = PurePosixPath(mask_path.replace("\\", "/"))
    folder = str(PurePosixPath(*(re.sub(r"(?i)^(train|val|test)_masks$", r"\1_images", part) for part in path.parts[:-1])))
    bare = path.stem.replace("_Segmentation", "")
    official_suffix = ".jpg" if "ISIC" in str(path) and path.suffix == ".png" else path.suffix
    names = [bare + official_suffix, path.name, *(stem + suffix for stem in (bare, path.stem) for suffix in IMAGE_SUFFIXES)]
    places = (name if folder == "." else posixpath.join(folder, name) for name in dict.fromkeys(names))
    return [place for place in places if place and place != str(path)]


def says_nothing(text: str) -> bool:
    """Whether a cell is empty, or holds what pandas and spreadsheets write for an empty one, such as "nan", "N/A" or "-"."""
    text = text.strip()
    is_long = len(text) > 9 and text[0].isalnum() and text[-2:-1].isalnum()
    return not is_long and re.sub(r"^[\W_]+|[\W_]+$", "", text).casefold() in NOTHING


def read_table(table: Path) -> list[Line]:
    """The lines of a table, without blank ones. A line that cannot be read has a problem.

    Raises:
        DataError: not a CSV in UTF-8 with commas, a required column is missing, two have one name, or there are no rows.
    """
    lines: list[Line] = []
    begins = 1
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            _check_columns(table, columns)
            begins = reader.line_num + 1
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    problem = _problem_of_cells(cells, len(columns), reader.line_num)
                    lines.append(Line(table, begins, dict(zip(columns, cells, strict=False)), problem))
                begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{table} line {begins}: expected a row of a CSV, got '{error}' by line {reader.line_num}. Close the quote that is "
            "left open there or in a row before, and put quotes around cells that hold quotes."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table}: expected a CSV in UTF-8, got '{error}'. Save it again as UTF-8.") from error
    if not lines:
        raise DataError(f"{table}: expected rows, got only a header. Restore the table, or prepare the archive again.")
    return lines


def _check_columns(table: Path, columns: Sequence[str]) -> None:
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing and 0 < len(columns) < 3 and (others := [name for sign, name in _SEPARATORS.items() if sign in columns[0]]):
        raise DataError(f"{table} line 1: expected columns separated by commas, got {others[0]}. Save the table with commas.")
    if missing:
        raise DataError(
            f"{table}: expected the columns {', '.join(REQUIRED_COLUMNS)}, missing {', '.join(missing)}, found "
            f"{', '.join(columns) or 'none'}. Rename or add the column, or move the file away if it is no table of a data set."
        )
    if twice := [name or "without a name" for name, count in Counter(columns).items() if count > 1]:
        raise DataError(f"{table} line 1: expected each column once, got two columns {', '.join(twice)}. Remove or rename one.")
    if "" in columns[1:]:  # the first may be the numbers of the rows, as pandas writes them
        raise DataError(f"{table} line 1: expected a name for each column, column {columns.index('', 1) + 1} has none. Name it.")


def _problem_of_cells(cells: Sequence[str], expected: int, last_line: int) -> str:
    """What is wrong with the cells of a row, whatever they say; "" if nothing is."""
    if len(cells) != expected:
        advice = "Put quotes around a cell that holds a comma" if len(cells) > expected else "Add the missing cells"
        return f"expected {expected} cells, as in the header, got {len(cells)}. {advice}."
    if any("\n" in cell or "\r" in cell for cell in cells):
        return f"expected each cell in one line, got one that ends in line {last_line}. Close its quote, or join its lines."
    if any("\0" in cell for cell in cells):
        return "expected text, got a NUL byte. Save the table again as UTF-8."
    if (longest := max(map(len, cells))) > LONGEST_TEXT:
        return f"expected cells of at most {LONGEST_TEXT} characters, got {longest}. Close its quote, or shorten the text."
    return ""


def folders_named(table: Path, root: Path) -> list[str]:
    """The modality folders that a table speaks of in its name or its paths, whatever its encoding and its faults."""
    try:
        text = table.read_bytes().replace(b"\0", b"").decode("latin-1")  # UTF-16 is ASCII with NUL bytes
    except OSError:
        text = ""
    own = folder_of_name(table, root)
    return [folder for folder in MODALITY_OF_FOLDER if folder == own or re.search(rf"{folder}[/\\]", text)]


def folder_of_name(table: Path, root: Path) -> str | None:
    """The modality folder that the name of a table begins with, or that it lies in."""
    names = [table.name, table.parent.name] if table.parent != root else [table.name]
    return next((folder for name in names for folder in MODALITY_OF_FOLDER if name.startswith(folder)), None)


def folder_of(line: Line) -> str | None:
    """The modality folder in a line's path; None if there is none. Cells of a line that cannot be read may be shifted."""
    cells = line.cells.values() if line.problem else [line.mask]
    parts = [part for cell in cells for part in cell.replace("\\", "/").split("/")]
    return next((part for part in parts if part in MODALITY_OF_FOLDER), None)


def meant_folder(line: Line) -> str | None:
    """The modality folder that a path without one almost names, as "Lung_ct/train_masks/1.png" does."""
    spelling = {folder.casefold(): folder for folder in MODALITY_OF_FOLDER}
    for part in line.mask.split("/"):
        if near := get_close_matches(part.strip().casefold(), spelling, n=1, cutoff=0.85):
            return spelling[near[0]]
    return None


def base_of(table: Path, folder: str) -> Path:
    """The folder that the table's paths are relative to: the table's own folder, or the one above."""
    if not (table.parent / folder).is_dir() and (table.parent.parent / folder).is_dir():
        return table.parent.parent
    return table.parent


def resolve_rows(
    base: Path, modality: str, lines: Sequence[Line], may_repeat: bool = False
) -> tuple[list[Row], list[str], list[str]]:
    """The rows of one modality with their files, the problems of its tables, and notes; pictures are not opened.

    Both are sentences. With a problem, the rows must not be used; a note names what the user should look at.

    may_repeat: `prepare` wrote the table; of the questions that it draws for one training image, two may be the same.
    """
    unread = [f"{line.where}: {line.problem}" for line in lines if line.problem]
    lines = [line for line in lines if not line.problem]
    first: dict[str, Line] = {}
    for line in lines:
        first.setdefault(line.mask, line)
    images = {mask: _first_file(base, image_candidates(mask)) for mask in first}
    rows = []
    questions: Counter[str] = Counter()
    for line in lines:
        stem = PurePosixPath(line.cell("image_name").replace("\\", "/")).stem or PurePosixPath(line.mask).stem
        rows.append(_row(base, f"{modality}/{stem}#{questions[stem]}", line, images[line.mask]))
        questions[stem] += 1
    folders = {base: base.resolve()}
    path_problems = [problem for mask, image in images.items() for problem in _path_problems(base, first[mask], image, folders)]
    problems = [*unread, *path_problems, *_split_problems(lines, rows), *_repeated_rows(lines, rows, may_repeat)]
    problems += [*_empty_texts(rows), *_spacing_problems(lines, rows), *_family_problems(rows)]
    return rows, problems, list(_position_notes(lines))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that must not be read
        return False


def _first_file(base: Path, candidates: Sequence[str]) -> Path | None:
    return next((path for name in candidates if _is_file(path := base / name)), None)


def _row(base: Path, sample_id: str, line: Line, image: Path | None) -> Row:
    return Row(
        sample_id=sample_id,
        mask=base / line.mask,
        image=image,
        split=line.cells["split"].strip().lower(),
        question=line.cells["question"],
        answer=line.cells["answer"],
        group=line.cell("group") or line.mask,
        where=line.where,
        spacing_mm=_spacing(line.cell("spacing_mm")),
        family=line.cell("family").strip() or OFFICIAL,
    )


def _spacing(text: str) -> tuple[float, float] | None:
    """Two finite positive numbers, or None."""
    try:
        height, width = map(float, text.split())
    except ValueError:
        return None
    return (height, width) if 0 < height < inf and 0 < width < inf else None


def _path_problems(base: Path, line: Line, image: Path | None, folders: dict[Path, Path]) -> Iterator[str]:
    """folders: where the folders seen so far really are, so that each is followed once."""
    mask, path = line.mask, base / line.mask
    if mask.startswith("/") or ".." in mask.split("/") or re.match(r"[A-Za-z]:", mask):
        yield f"{line.where}: expected a path below {base}, got '{mask}', which leaves it. Correct the path."
    elif not MASK_FOLDER.search(mask):
        yield (
            f"{line.where}: image_path '{mask}': expected a mask in a folder train_masks, val_masks or test_masks, so that the "
            "mask is never read as the image. Correct the path."
        )
    elif not _is_file(path):
        yield f"{path}: expected a mask, found no such file ({line.where}). Restore it, or remove its rows from the table."
    elif image is None:
        tried = ", ".join(str(base / name) for name in image_candidates(mask)[:3])
        yield f"{path}: expected its image, found none (tried {tried} and other suffixes). Restore it."
    else:
        for file in (path, image):
            if file.parent not in folders:
                folders[file.parent] = file.parent.resolve()
            real = file.resolve() if file.is_symlink() else folders[file.parent]
            if not real.is_relative_to(folders[base]):
                yield f"{file}: expected a file below {base}, got a link to {real}. Put the file itself there (`cp -rL` does)."


def _split_problems(lines: Sequence[Line], rows: Sequence[Row]) -> Iterator[str]:
    first: dict[str, dict[str, str]] = defaultdict(dict)  # where the first row of each group is, by split
    for row in rows:
        first[row.group].setdefault(row.split, row.where)
    for value, count in Counter(row.split for row in rows if row.split not in SPLITS).items():
        where = next(row.where for row in rows if row.split == value)
        yield f"split '{value}' in {count} rows: expected train, val or test (first: {where}). Correct the column."
    for group, places in first.items():
        if len(places.keys() & set(SPLITS)) > 1:
            splits, where = ", ".join(sorted(places)), ", ".join(places[split] for split in sorted(places))
            yield f"group '{group}': expected one split, got {splits}, a leak ({where}). Move the group into one split."
    for line, row in zip(lines, rows, strict=True):
        folder = next(iter(MASK_FOLDER.findall(line.mask)[-1:]), row.split).lower()
        if row.split in SPLITS and row.split != folder:
            yield (
                f"{line.where}: expected split {folder}, as the mask lies in {folder}_masks, got '{row.split}'. Correct the "
                "column split, or move mask and image."
            )


def _repeated_rows(lines: Sequence[Line], rows: Sequence[Row], may_repeat: bool) -> Iterator[str]:
    """Rows that count twice: of one table those that say the same of a mask, of two those that ask the same of it."""
    seen: dict[tuple[str, ...], int] = {}
    for number, (line, row) in enumerate(zip(lines, rows, strict=True)):
        question, answer = (" ".join(text.split()).casefold() for text in (row.question, row.answer))
        before = seen.setdefault((str(row.mask), question), number)
        if lines[before].table == line.table:
            before = seen.setdefault((str(row.mask), question, answer), number)
        drawn_twice = may_repeat and row.split != "test" and all(rows[k].mask == row.mask for k in range(before, number))
        if before < number and not drawn_twice:
            yield (
                f"{line.where}: expected each question about a mask once, got the one of {lines[before].where} again. Remove one "
                "of the two rows, or one of the tables if it is a copy."
            )


def _empty_texts(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for column in ("question", "answer"):
            text = getattr(row, column).strip()
            if says_nothing(text) or not any(char.isalpha() for char in text):
                got = f"'{text}', which says nothing" if text else "an empty cell"
                yield f"{row.where}: sample '{row.sample_id}': expected a text in column {column}, got {got}. Fill it in."


def _spacing_problems(lines: Sequence[Line], rows: Sequence[Row]) -> Iterator[str]:
    for line, row in zip(lines, rows, strict=True):
        if (given := line.cell("spacing_mm").strip()) and row.spacing_mm is None:
            yield (
                f"{line.where}: sample '{row.sample_id}': expected a pixel's height and width in mm in column spacing_mm, as in "
                f"'0.7 0.65', got '{given}'. Correct it, or leave it empty if it is unknown."
            )


def _family_problems(rows: Sequence[Row]) -> Iterator[str]:
    for family, count in Counter(row.family for row in rows if row.family not in FAMILIES).items():
        where = next(row.where for row in rows if row.family == family)
        yield (
            f"family '{family}' in {count} rows: expected {', '.join(FAMILIES)} (first: {where}). Correct the column, or leave "
            f"it empty for {OFFICIAL}."
        )


def _position_notes(lines: Sequence[Line]) -> Iterator[str]:
    """Signs of shifted cells. Labels come from the masks, so they are no problems."""
    unknown, elsewhere = [], []
    for line in lines:
        if line.cell("family").strip() not in ("", OFFICIAL):
            continue
        position = line.cell("position")
        places = places_in(position)
        answer = places_in(line.cell("answer")) if places else set()
        if position and not places and not re.search(r"(?i)\bno\b", position):
            unknown.append(line)
        if any(places & axis and answer & axis and not places & answer & axis for axis in _AXES):
            elsewhere.append(line)
    for found, what, why in (
        (unknown, "names no place", "columns are shifted"),
        (elsewhere, "names another place than the answer", "answers belong to other images"),
    ):
        if found:
            position = found[0].cell("position")[:60]
            yield f"{found[0].where}: column position, '{position}', {what} ({len(found)} such rows). Look whether {why}."


def places_in(text: str) -> set[str]:
    """The words for places in a text, without synonyms."""
    words = {_SYNONYMS.get(word, word) for word in re.findall(r"[a-z]+", text.lower())}
    return words & {"top", "bottom", "left", "right", "center"}

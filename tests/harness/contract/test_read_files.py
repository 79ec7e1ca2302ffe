"""What a user's method reads is seen in its source and config: beside it, named in parts, in folders, and by declaration."""

import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.read_files import read_files

HEAD = "from pathlib import Path\nHERE = Path(__file__).parent\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def write(name, text=""):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def names(tmp_path, found):
    return {name.removeprefix(f"{tmp_path}/own/") for name in found}


@pytest.mark.parametrize(
    ("code", "file"),
    [
        ('(HERE / "weights.txt").read_text()', "weights.txt"),
        ('open(HERE / "deep" / "er" / "net.bin")', "deep/er/net.bin"),
        ('open(HERE / "deep/er/net.bin")', "deep/er/net.bin"),
        ('open(f"{HERE}/fold{k}.bin")', "fold3.bin"),
        ('open(str(HERE) + "/fold" + str(k) + ".bin")', "fold3.bin"),
        ('HERE / "fold%d.bin" % k', "fold3.bin"),
        ('HERE / "fold{}.bin".format(k)', "fold3.bin"),
        ('sorted(HERE.glob("*.npz"))', "a.npz"),
        ('sorted(HERE.rglob("*.npz"))', "deep/a.npz"),
        ('Path(__file__).with_suffix(".npz")', "mine.npz"),
        ("import compiled", "compiled.cpython-311-x86_64-linux-gnu.so"),
        ('HERE / "[odd] name.bin"', "[odd] name.bin"),
    ],
)
def test_a_file_beside_the_code_counts_however_the_code_spells_its_name(write, tmp_path, code, file):
    write(file)
    write("unrelated.txt")
    found = read_files([write("mine.py", f"{HEAD}k = 3\n{code}\n")], {})
    files = {str(path) for each in found.values() for path in each}
    assert files == {str(tmp_path / "own" / file)}


def test_a_folder_beside_the_code_counts_with_all_its_files_but_for_hidden_ones_and_run_folders(write, tmp_path):
    module = write("mine.py", 'PLACE = "weights"\n')
    kept = [write("weights/a.bin"), write("weights/deep/b.bin")]
    for name in ("weights/.cache/c", "weights/__pycache__/d.pyc", "weights/run/run.json", "weights/run/cells/e"):
        write(name)
    assert [[str(path) for path in files] for files in read_files([module], {}).values()] == [sorted(kept)]


def test_the_folder_of_the_code_itself_the_working_folder_and_what_holds_them_do_not_count(write, tmp_path):
    write("unrelated.txt")
    module = write("mine.py", f'PLACES = [".", "..", "/", "", "*", "{tmp_path}", "../elsewhere", "/tmp"]\n')
    assert read_files([module], {"place": "."}) == {}


def test_a_link_into_itself_ends(write, tmp_path):
    module = write("mine.py", 'PLACE = "weights"\n')
    write("weights/a.bin")
    (tmp_path / "own" / "weights" / "again").symlink_to(tmp_path / "own" / "weights")
    assert len(*read_files([module], {}).values()) == 1


def test_paths_in_a_config_count_beside_the_code_in_the_working_folder_and_anywhere(write, tmp_path):
    module = write("mine.py")
    write("beside.bin")
    write("arch.py")
    (tmp_path / "elsewhere" / "net").mkdir()
    (tmp_path / "elsewhere" / "net" / "here.bin").touch()
    anywhere = tmp_path / "anywhere.bin"
    anywhere.touch()
    config = {"a": "beside.bin", "group": {"b": ["net", str(anywhere)]}, "c": "arch", "d": 3, "e": "question", "f": "", "g": None}
    names = {"own/beside.bin", "elsewhere/net", "anywhere.bin", "own/arch.py"}
    assert set(read_files([module], config)) == {str(tmp_path / name) for name in names}


def test_what_the_class_declares_counts_even_if_it_is_not_there_yet(write, tmp_path):
    module = write("mine.py", 'class Mine:\n    reads = ["../shared", "later.bin"]\n')
    shared = tmp_path / "shared" / "a.bin"
    shared.parent.mkdir()
    shared.touch()
    assert read_files([module], {}) == {"later.bin": (), str(shared.parent): (shared,)}


@pytest.mark.parametrize("value", ["[HERE / 'a']", "'weights'", "[1]", "['']", "names()"])
def test_a_declaration_that_cannot_be_read_without_running_the_file_is_an_error(write, value):
    module = write("mine.py", f"{HEAD}class Mine:\n    reads = {value}\n")
    with pytest.raises(ConfigError, match=r"mine.py, line 4: `reads` of Mine must be a list of paths, written out"):
        read_files([module], {})


def test_a_file_that_is_no_python_names_nothing(write):
    write("weights.txt")
    assert read_files([write("mine.py", 'def "weights.txt"')], {}) == {}

"""What `prsbench cache` shows and deletes."""

import json

import pytest
from prsbench.harness.cli.main import main
from prsbench.harness.installation.cache import cached, clear, size_text


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "prsbench"
    (folder / "smollm2-ab").mkdir(parents=True)
    (folder / "smollm2-ab" / "weights").write_bytes(b"x" * 5000)
    (folder / "sentences-1.sqlite").write_bytes(b"x" * 100)
    (folder / "sentences-2.sqlite").write_bytes(b"x" * 100)
    return folder


def test_kinds_are_listed_with_their_bytes_the_largest_first(folder, capsys):
    assert [(kind.name, kind.n_bytes, len(kind.paths)) for kind in cached()] == [("smollm2", 5000, 1), ("sentences", 200, 2)]
    assert main(["cache", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kinds"]["sentences"]["bytes"] == 200


def test_clearing_one_kind_leaves_the_others_and_clearing_all_empties_the_folder(folder, capsys):
    assert main(["cache", "--clear", "sentences"]) == 0
    assert [kind.name for kind in cached()] == ["smollm2"]
    assert main(["cache", "--clear"]) == 0
    assert "Deleted 4.9 KiB" in capsys.readouterr().out and cached() == []
    assert main(["cache"]) == 0


def test_an_unknown_kind_deletes_nothing(folder, capsys):
    assert main(["cache", "--clear", "sentences", "sentence"]) == 2
    assert "Did you mean 'sentences'?" in capsys.readouterr().err and len(cached()) == 2


def test_a_symbolic_link_is_deleted_and_what_it_names_is_kept(folder, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis").write_text("years")
    (folder / "hashes").symlink_to(mine)
    (folder / "smollm2-ab" / "link").symlink_to(mine)
    clear(cached())
    assert (mine / "thesis").read_text() == "years" and list(folder.iterdir()) == []


def test_no_cache_folder_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert cached() == [] and clear([]) == 0


@pytest.mark.parametrize(("n", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 * 2**40, "3072.0 GiB")])
def test_sizes_are_written_for_people(n, text):
    assert size_text(n) == text

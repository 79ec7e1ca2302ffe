import sys
from importlib.metadata import EntryPoint

import pytest
from prsbench.harness.contract.catalog import Entry, imported, resolve
from prsbench.harness.contract.errors import ConfigError
from prsbench.methods import plugins
from prsbench.methods.authoring.skeleton import write_skeleton
from prsbench.methods.plugins import PluginCatalog

OURS = Entry("ours", "one of the catalog", "json:loads", "json:dumps", ("json",))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package on the path whose entry points are `theirs`, and `ours`, a name that is taken."""
    write_skeleton("their_method", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint(name, "their_method:TheirMethod", plugins.GROUP) for name in ("theirs", "ours")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == plugins.GROUP else [])
    yield PluginCatalog("method", [OURS])
    sys.modules.pop("their_method", None)


def test_an_entry_point_is_a_method_of_the_catalog_and_cannot_take_its_names(installed):
    assert list(installed) == ["ours", "theirs"] and len(installed) == 2
    assert installed["ours"] is OURS
    theirs = installed["theirs"]
    assert (theirs.factory, theirs.config) == ("their_method:TheirMethod", "their_method:TheirMethodConfig")
    assert "their_method" in theirs.sources and theirs.own_process and not OURS.own_process
    assert "their_method" not in sys.modules, "it is imported in a process of its own alone"


def test_a_file_is_named_as_written_and_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    write_skeleton("mine", tmp_path / "sub")
    monkeypatch.chdir(tmp_path)
    entry = PluginCatalog("method", [])["sub/mine.py:Mine"]
    monkeypatch.chdir("/")
    assert entry.name == "sub/mine.py:Mine"
    assert resolve(entry.factory)(resolve(entry.config)()).config.width == 20.0


def test_two_files_of_one_name_are_two_modules(tmp_path):
    for folder, width in (("a", "1.0"), ("b", "2.0")):
        (tmp_path / folder).mkdir()
        write_skeleton("mine", tmp_path / folder)
        path = tmp_path / folder / "mine.py"
        path.write_text(path.read_text().replace("20.0", width))
    found = [PluginCatalog("method", [])[f"{tmp_path}/{folder}/mine.py:Mine"] for folder in "ab"]
    assert [resolve(entry.config)().width for entry in found] == [1.0, 2.0]


def test_a_class_with_trains_false_is_not_trained(tmp_path):
    write_skeleton("mine", tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(path.read_text().replace("    def __init__", "    trains = False\n\n    def __init__", 1))
    assert not imported(PluginCatalog("method", [])[f"{path}:Mine"]).trains


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent.py:Mine", "no such Python file"),
        ("mine.py:Mien", "has no class 'Mien'"),
        ("bare.py:Bare", "has no class 'BareConfig'"),
        ("uors", "Did you mean 'ours'"),
    ],
)
def test_what_cannot_be_found_is_an_error_with_instructions(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_skeleton("mine", tmp_path)
    (tmp_path / "bare.py").write_text("class Bare: ...\n")
    with pytest.raises(ConfigError, match=said):
        imported(PluginCatalog("method", [OURS])[name])

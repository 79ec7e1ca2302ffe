"""Archives given as files: what is in them, and what is refused."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile

import pytest
from prsbench.datasets.prepare import unpacked as module
from prsbench.datasets.prepare.unpacked import name_of, unpacked
from prsbench.harness.contract.errors import DataError


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


FILES = {"set/images/a.png": b"1", "set/masks/a.png": b"2"}


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.TGZ", "x.tar.xz", "x.download"])
def test_an_archive_is_unpacked_and_removed_again(tmp_path, name):
    pack = zipped if name in ("x.zip", "x.download") else tarred
    mode = {} if pack is zipped else {"mode": {"x.tar": "w", "x.tar.xz": "w:xz"}.get(name, "w:gz")}
    with unpacked(pack(tmp_path / name, FILES, **mode), tmp_path / "to") as root:
        assert contents(root) == FILES and root.name == "x"
    assert list((tmp_path / "to").iterdir()) == []


def test_a_folder_is_read_where_it_is(tmp_path):
    (tmp_path / "set").mkdir()
    with unpacked(tmp_path / "set", tmp_path / "to") as root:
        assert root == tmp_path / "set"
    assert not (tmp_path / "to").exists()


def test_archives_in_an_archive_and_beside_each_other_are_unpacked(tmp_path):
    inner = zipped(tmp_path / "inner.zip", {"1.mat": b"1"}).read_bytes()
    with unpacked(zipped(tmp_path / "outer.zip", {"part/p1.zip": inner, "readme.txt": b"r"}), tmp_path / "to") as root:
        assert contents(root) == {"part/p1/1.mat": b"1", "readme.txt": b"r"}
    folder = tmp_path / "downloads"
    (folder / "masks").mkdir(parents=True)
    (folder / "masks/a.png").write_bytes(b"m")
    zipped(folder / "images.zip", {"images/a.png": b"i"})
    zipped(folder / "masks.zip", {"masks/a.png": b"again"})  # unpacked already
    with unpacked(folder, tmp_path / "to") as root:
        assert root.name == "downloads"
        assert (root / "images/images/a.png").read_bytes() == b"i" and (root / "masks/a.png").read_bytes() == b"m"
    assert sorted(path.name for path in folder.iterdir()) == ["images.zip", "masks", "masks.zip"]


def test_what_macos_adds_is_left_out(tmp_path):
    with unpacked(zipped(tmp_path / "x.zip", {**FILES, "__MACOSX/set/._a.png": b"x", "set/.DS_Store": b"x"}), tmp_path) as root:
        assert contents(root) == FILES


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_path_that_leaves_the_archive_is_refused_and_nothing_is_written(tmp_path, pack, name):
    archive = pack(tmp_path / "x.zip", {name: b"x"})
    with (
        pytest.raises(DataError, match="x.zip: expected files inside the archive, got a path that leaves it"),
        unpacked(archive, tmp_path / "a/b/c"),
    ):
        pass
    assert not list(tmp_path.rglob("*evil*"))


def link_in_tar(path, kind):
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)


def link_in_zip(path, _kind):
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")


@pytest.mark.parametrize(
    ("write", "kind"),
    [(link_in_tar, tarfile.SYMTYPE), (link_in_tar, tarfile.LNKTYPE), (link_in_tar, tarfile.FIFOTYPE), (link_in_zip, None)],
)
def test_links_and_devices_are_refused(tmp_path, write, kind):
    write(tmp_path / "x.tar", kind)
    with pytest.raises(DataError, match="got a link or a device"), unpacked(tmp_path / "x.tar", tmp_path / "to"):
        pass


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ALWAYS_ALLOWED", 1000)
    archive = zipped(tmp_path / "bomb.zip", {"zeros": b"\0" * 10_000_000})
    with pytest.raises(DataError, match="bomb.zip: expected less to unpack"), unpacked(archive, tmp_path / "to"):
        pass
    assert list((tmp_path / "to").iterdir()) == []


def test_a_disk_without_room_is_known_before(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _path: type("Disk", (), {"free": module.ROOM_LEFT + 1}))
    with pytest.raises(DataError, match="Make room"), unpacked(zipped(tmp_path / "x.zip", {"a": b"12"}), tmp_path / "to"):
        pass


@pytest.mark.parametrize("cut", [30, -30])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_damaged_archive_is_one_sentence(tmp_path, pack, cut):
    path = pack(tmp_path / "x.zip", {f"{n}.png": bytes(range(256)) * 40 for n in range(9)})
    path.write_bytes(path.read_bytes()[:cut])
    with (
        pytest.raises(DataError, match="x.zip: (cannot be unpacked|expected a folder, a zip or a tar)"),
        unpacked(path, tmp_path / "to"),
    ):
        pass


def test_a_changed_byte_is_noticed_by_the_checksum(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.png": bytes(range(256)) * 99})
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="cannot be unpacked"), unpacked(path, tmp_path / "to"):
        pass


def test_a_password_is_asked_of_the_user(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.png": b"x"})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="expected files without a password, a.png needs one"), unpacked(path, tmp_path / "to"):
        pass


def test_another_file_and_none_are_refused(tmp_path):
    (tmp_path / "x.rar").write_bytes(b"Rar!")
    for name, message in (("x.rar", "expected a folder, a zip or a tar, got another file"), ("none", "found none")):
        with pytest.raises(DataError, match=message), unpacked(tmp_path / name, tmp_path / "to"):
            pass


def test_errors_name_files_from_the_archive_on(tmp_path):
    with (
        pytest.raises(DataError, match="^x/set/images/a.png: broken"),
        unpacked(zipped(tmp_path / "x.zip", FILES), tmp_path) as root,
    ):
        raise DataError(f"{root / 'set/images/a.png'}: broken")


def test_an_archive_is_called_by_its_name_without_the_suffix(tmp_path):
    (tmp_path / "v1.2").mkdir()
    assert [name_of(tmp_path / name) for name in ("a.tar.gz", "b.ZIP", "v1.2")] == ["a", "b", "v1.2"]

"""Archives as they were downloaded (zip or tar, one in another, several in a folder): unpacked while they are read."""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from prsbench.datasets.prepare.archive import is_hidden, visible
from prsbench.harness.contract.errors import DataError

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
DEEPEST = 2  # an archive in an archive is unpacked, one within that is not
ROOM_LEFT = 1 << 30  # bytes that stay free on the disk
LARGEST_RATIO = 100  # what is unpacked may be that many times as large as the archive, or ...
ALWAYS_ALLOWED = 1 << 30  # ... this many bytes


@contextmanager
def unpacked(given: Path, scratch: Path) -> Iterator[Path]:
    """The folder to look into: the given one; or, for an archive or a folder of some, one below scratch, removed again.

    A folder's archives are unpacked beside links to its other contents, unless a folder of the same name lies beside them.

    Raises:
        DataError: a file that is no zip or tar, or one that is damaged, encrypted, too large, or holds links or paths that leave
            it. Errors of what is done inside name files from the archive's own name on.
    """
    inside = [path for path in visible(given) if _is_archive(path) and not (given / _stem(path)).is_dir()]
    if given.is_dir() and not inside:
        yield given
        return
    if not given.exists():
        raise DataError(f"{given}: expected a folder or an archive, found none. Give the folder where the archive was unpacked.")
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unpacked-", dir=scratch, ignore_cleanup_errors=True) as folder:
        root = Path(folder, name_of(given))
        root.mkdir()
        try:
            if given.is_dir():
                for path in visible(given):
                    if path not in inside:
                        (root / path.name).symlink_to(path.resolve())
                for path in inside:
                    _unpack(path, root / _stem(path), 1)
            else:
                _unpack(given, root, 1)
            yield root
        except DataError as error:
            raise DataError(str(error).replace(f"{folder}/", "")) from error


def name_of(given: Path) -> str:
    """The name of a folder or an archive, without the archive's suffix."""
    given = given.resolve()
    return given.name if given.is_dir() else _stem(given)


def _unpack(archive: Path, folder: Path, depth: int) -> None:
    """Unpack an archive into a folder, and those in it into folders of their names beside them."""
    folder.mkdir(exist_ok=True)
    limit = min(max(ALWAYS_ALLOWED, LARGEST_RATIO * archive.stat().st_size), shutil.disk_usage(folder).free - ROOM_LEFT)
    inner: list[Path] = []
    try:
        for name, size, stream in _contents(archive):
            if (limit := limit - size) < 0:
                raise DataError(
                    f"{archive}: expected less to unpack: it is more than the disk has room for, or than {LARGEST_RATIO} times "
                    "the archive's size. Make room, or unpack it yourself if you trust it, and give the folder."
                )
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with stream, path.open("xb") as file:
                shutil.copyfileobj(stream, file)
            if depth < DEEPEST and _is_archive(path):
                inner.append(path)
    except FileExistsError as error:
        raise DataError(f"{archive}: expected each file once, got {error.filename} twice. Unpack it yourself.") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}). Download it again, or unpack it yourself.") from error
    for path in inner:
        if not path.with_name(_stem(path)).exists():
            _unpack(path, path.with_name(_stem(path)), depth + 1)
            path.unlink()


def _contents(archive: Path) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    """(path, size in bytes, stream) of each file that is not hidden; a stream ends after its stated size."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if entry.flag_bits & 1:
                    raise DataError(
                        f"{archive}: expected files without a password, {entry.filename} needs one. Unpack it yourself."
                    )
                is_link = stat.S_ISLNK(entry.external_attr >> 16)
                if not entry.is_dir() and (path := _checked(archive, entry.filename, is_link)):
                    yield path, entry.file_size, zipped.open(entry)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tarred:
            for member in tarred:
                if not member.isdir() and (path := _checked(archive, member.name, not member.isfile())):
                    stream = tarred.extractfile(member)
                    assert stream is not None  # a regular file has one
                    yield path, member.size, stream
    else:
        raise DataError(f"{archive}: expected a folder, a zip or a tar, got another file. Unpack it and give the folder.")


def _checked(archive: Path, name: str, is_link: bool) -> PurePosixPath | None:
    """The path of an entry, or None if it is hidden."""
    path = PurePosixPath(name.replace("\\", "/"))
    if is_link or path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
        what = "a link or a device" if is_link else "a path that leaves it"
        raise DataError(f"{archive}: expected files inside the archive, got {what} ({name}). Do not trust it.")
    return None if any(map(is_hidden, path.parts)) else path


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def _stem(path: Path) -> str:
    return next((path.name[: -len(suffix)] for suffix in SUFFIXES[::-1] if path.name.lower().endswith(suffix)), path.stem)

"""What is known of the picture files of a data set: their hashes, and that image and mask were decoded and fit together.

A file counts as unchanged as long as inode, size and times are those that it had when it was hashed. A file that had been written
less than two seconds earlier is hashed again the next time, because another writing may have kept the times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from prsbench.datasets.pictures import check_same_size, pixel_hash, read_image, read_mask
from prsbench.datasets.processes import chunks, in_order
from prsbench.datasets.rows import Rows, Texts
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import AT_REST_NS, file_facts, file_hash

_FACTS = 4  # inode, bytes, times of the last writing and of the last change
_IN_PARALLEL = 400  # pictures; fewer are checked before other processes would have started
_TOGETHER = 32  # pictures of one task
Pair = tuple[Path, Path]  # image and mask
Stamp = tuple[list[list[int]], bytes, bool]  # of image and mask: their facts, both hashes, and whether they were at rest
Inspected = tuple[Stamp, bytes | None, str]
Say = Callable[[str], None]


class PictureFiles:
    """Image and mask of every distinct mask of a data set, numbered in the order of its rows.

    facts is (N, 2, 4) int64: inode, bytes, times of the last writing and of the last change of image and mask when they were
    hashed; hashes is (N, 2, 32) uint8: sha256 of the files' bytes; pixels is (N, 32) uint8: `pixel_hash`, zeros for an image of
    one colour. (N,) bool: at_rest: the facts can be trusted later; is_whole: both were decoded and fit together; is_fresh: the
    files were seen to be those of the hashes, by this process or by the one that checked them for it.
    """

    STORED = ("facts", "hashes", "pixels", "at_rest", "is_whole")

    def __init__(self, base: Path, masks: Texts, images: Texts):
        n = len(masks)
        self.base, self.masks, self.images = base, masks, images
        self.number = {mask: number for number, mask in enumerate(masks)}
        self.facts, self.hashes = np.zeros((n, 2, _FACTS), np.int64), np.zeros((n, 2, 32), np.uint8)
        self.pixels = np.zeros((n, 32), np.uint8)
        self.at_rest, self.is_whole, self.is_fresh = (np.zeros(n, bool) for _ in range(3))
        self.has_learned = False  # since this object was made

    @classmethod
    def of(cls, rows: Rows) -> PictureFiles:
        image_of = dict(zip(rows.column("mask"), rows.column("image"), strict=True))
        return cls(rows.base, Texts.of(image_of), Texts.of(image_of.values()))

    def __len__(self) -> int:
        return len(self.masks)

    def files(self, number: int) -> Pair:
        return self.base / self.images[number], self.base / self.masks[number]

    def learn_from(self, other: PictureFiles) -> None:
        """Take over what is known of the same files."""
        pairs = [(n, other.number.get(mask, -1)) for n, mask in enumerate(self.masks)]
        same = [(n, m) for n, m in pairs if m >= 0 and self.files(n) == other.files(m)]
        if same:
            here, there = map(list, zip(*same, strict=True))
            for name in (*self.STORED, "is_fresh"):
                getattr(self, name)[here] = getattr(other, name)[there]

    def compare(self, trust_times: bool = True) -> None:
        """Look at every file: only those that have not changed since they were hashed are fresh; without trust_times none is."""
        if not trust_times:
            self.is_fresh[:] = False
            return
        with ThreadPoolExecutor(8) as threads:  # for network file systems, where each answer is waited for
            chunks = [range(start, min(start + 1000, len(self))) for start in range(0, len(self), 1000)]
            now = list(chain.from_iterable(threads.map(lambda chunk: [_facts(self.files(n)) for n in chunk], chunks)))
        self.is_fresh = (self.facts == np.reshape(now, self.facts.shape)).all((1, 2)) & self.at_rest

    def check(self, numbers: Iterable[int], say: Say, title: str) -> list[str]:
        """Decode and hash those of these pictures that are not known; returns a sentence for every problem.

        A picture that lacks a file is left out: the table's problems name it.
        """
        unknown = [n for n in numbers if not (self.is_fresh[n] and self.is_whole[n])]
        left = [n for n in unknown if self.images[n] and self.files(n)[1].is_file()]
        tasks = [(self.files(n), self.hashes[n].tobytes() if self.is_whole[n] else b"") for n in left]
        problems = []
        for number, (stamp, pixels, problem) in zip(left, _results(tasks, say, title), strict=True):
            self.is_whole[number] = not problem
            if problem:
                problems.append(problem)
                continue
            self._stamp(number, stamp)
            if pixels is not None:
                self.pixels[number] = np.frombuffer(pixels, np.uint8)
        return problems

    def hash_files(self, numbers: Iterable[int]) -> None:
        """Hash those of these pictures whose files are not fresh."""
        for number in numbers:
            if not self.is_fresh[number]:
                stamp = _stamped(self.files(number))
                self.is_whole[number] &= stamp[1] == self.hashes[number].tobytes()
                self._stamp(number, stamp)

    def _stamp(self, number: int, stamp: Stamp) -> None:
        facts, hashes, self.at_rest[number] = stamp
        self.facts[number], self.hashes[number] = facts, np.frombuffer(hashes, np.uint8).reshape(2, 32)
        self.is_fresh[number] = self.has_learned = True

    def refuse_changed(self, image: Path, mask: Path) -> None:
        """Raise DataError if a file is another one than at the last check, as far as size and time of writing tell."""
        number = self.number.get(str(mask).removeprefix(f"{self.base}/"))
        if number is None or not self.is_fresh[number]:
            return
        for file, known in zip((image, mask), self.facts[number].tolist(), strict=True):
            if file_facts(file)[2:4] != known[1:3]:  # bytes, and the time of the last writing
                raise DataError(f"{file}: changed since the data were checked. Run again; its data set is then checked again.")


def _results(tasks: Sequence[tuple[Pair, bytes]], say: Say, title: str) -> Iterator[Inspected]:
    """`_inspected` of each task, in order; many of them in as many processes as there are cores, with a bar on a terminal."""
    if len(tasks) < _IN_PARALLEL:
        yield from (_inspected(*task) for task in tasks)
        return
    from joblib import cpu_count
    from rich.console import Console
    from rich.progress import track

    say(f"Checking {len(tasks)} pictures of {title} in {cpu_count()} processes ...")
    together = chunks(tasks, _TOGETHER)
    work = in_order(_inspect_all, ((chunk,) for chunk in together), -1)
    console = Console(stderr=True)
    for results in track(work, title, len(together), console=console, transient=True, disable=not console.is_terminal):
        yield from results


def _inspect_all(tasks: Sequence[tuple[Pair, bytes]]) -> list[Inspected]:
    return [_inspected(*task) for task in tasks]


def _inspected(pair: Pair, whole: bytes) -> Inspected:
    """What is known of image and mask now, the pixels' hash, and the problem or "".

    whole: both hashes, if they are of files that were whole; where they are the same now, nothing is decoded, and the hash of the
    pixels is None.
    """
    image_path, mask_path = pair
    stamp: Stamp = ([], b"", False)
    try:
        if all(path.is_file() for path in pair):  # a pipe is never opened
            stamp = _stamped(pair)
        if whole and stamp[1] == whole:
            return stamp, None, ""
        image = read_image(image_path)
        check_same_size(image_path, image, mask_path, read_mask(mask_path))
        if stamp[1][:32] == stamp[1][32:]:
            raise DataError(f"{image_path}: expected an image, got a copy of its mask. Restore the image.")
    except DataError as error:
        return stamp, None, str(error)
    except OSError as error:
        return stamp, None, f"{error.filename}: expected a readable file, got '{error.strerror}'. Restore it."
    return stamp, bytes.fromhex(pixel_hash(image) or "00" * 32), ""


def _stamped(pair: Pair) -> Stamp:
    before = _facts(pair)
    hashes = b"".join(bytes.fromhex(file_hash(path)) for path in pair)
    newest = max(time_ns for facts in before for time_ns in facts[2:])
    return before, hashes, time.time_ns() - newest > AT_REST_NS and _facts(pair) == before


def _facts(paths: Iterable[Path]) -> list[list[int]]:
    """Without the device, whose number changes when a network file system is mounted again."""
    return [file_facts(path)[1:] for path in paths]

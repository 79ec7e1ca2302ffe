"""What is known of a source archive, as data: its layout, licence, citation, expected counts, cases and defects.

Loads nothing heavy, so that sources can be listed quickly. `prepare.layout` finds the pictures that a `Layout` describes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

UNCONFIRMED = "unconfirmed"  # a fact that no source at hand states


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an archive's images and masks are, as patterns of paths.

    A pattern is the end of a path in any spelling. `<name>` stands for a part of a file or folder name, `<name:REGEX>` for one
    that matches, the second `<name>` for the same part again; `{a,b}` for one of several names. The names `stem`, `case` and
    `split` give an item its fields; an image and a mask belong together if all names that both patterns have agree. A suffix of
    pictures stands for any of theirs.

    masks: an image has files of every pattern; the union of all is its mask. An image's own pattern may match masks too: what
    matches a mask's is no image. every_image_has_a_mask: if not, images without one are left out.
    load is "module:function" of (image, masks) for files that are no ordinary pictures. foreground and ignore state what the
    values of label masks mean (see `pictures.Labels`).
    """

    images: str
    masks: tuple[str, ...]
    every_image_has_a_mask: bool = True
    load: str | None = None
    foreground: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " and ".join(map(shown, (self.images, *self.masks)))


def shown(pattern: str) -> str:
    """A pattern for people: names without their regular expressions."""
    return re.sub(r"<(\w+):[^<>]+>", r"<\1>", pattern)


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of archive.

    modality and target (a noun for what the masks outline; None: the modality's own) are None where the caller gives them.
    The first of `layouts` that fits is taken; without layouts, find is "module:function" of (root, **options), and options are
    the names of `prepare`'s options that the source takes. case says in words what a group is; cases_in(root) returns the
    function that names it by the stem, where the path does not. images and cases are the counts of the complete archive. split
    is set where all pictures belong to one. defects are known faults of the archive, and what is done about each.
    """

    title: str
    modality: str | None
    case: str
    target: str | None = None
    layouts: tuple[Layout, ...] = ()
    find: str | None = None
    options: tuple[str, ...] = ()
    cases_in: Callable[[Path], Callable[[str], str]] | None = None
    images: int | None = None
    cases: int | None = None
    split: str | None = None
    licence: str = UNCONFIRMED
    citation: str = UNCONFIRMED
    url: str = UNCONFIRMED
    defects: tuple[str, ...] = ()
